"""Which cases share a scene, and which folds keep scenes together."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..files import user_cache
from ..text import Progress
from .cases import SEARCHED_AT_MOST, DataError, Dataset, Ungrouped
from .splits import Split, busi_split, check_split, grouped_folds, published_folds, read_split


def with_scenes(
    dataset: Dataset,
    *,
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    needed: bool = True,
) -> Dataset:
    """Return a dataset whose groups are scenes.

    Groups from a manifest or from the published BUSI split stay. Where some case has none, near-duplicates are looked
    for, which is slow the first time. They join the groups of both.

    Parameters
    ----------
    dataset : Dataset
    progress : callable, optional
        ``progress(done, total, text)``.
    cache_dir : str or path, optional
        Where the search keeps what it found.
    needed : bool
        False: where the search can't be made, or there are more than `SEARCHED_AT_MOST` images, the groups stay as
        they are and `Dataset.ungrouped` says why.

    Raises
    ------
    DataError
        If the search is needed and the package for it isn't installed.
    """
    if dataset.ungrouped is None:
        return dataset
    if not needed and len(dataset) > SEARCHED_AT_MOST:
        return replace(dataset, ungrouped=Ungrouped.TOO_MANY)
    try:
        from .duplicates import find_pairs, group_cases

        pairs = find_pairs(dataset, progress=progress, cache_dir=cache_dir)
    except ImportError as error:
        if not needed:
            return replace(dataset, ungrouped=Ungrouped.NO_OPENCV)
        raise DataError(f"which cases share a scene is unknown, and can't be looked for: {error}") from error
    found = f"{len(pairs)} near-duplicate pairs found"
    known = f"{dataset.groups_from}, else " if dataset.groups_from else ""
    return dataset.regrouped(group_cases(dataset, pairs), known + found)


DEFAULT_FOLDS = 5


def cache_folder(given: Path | None) -> Path | None:
    """Return the folder for results of a search: as given, else in the user's cache, if that can be written."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        if not os.access(given, os.W_OK):
            raise PermissionError(f"{given}: no permission to write there")
        return given
    try:
        folder = user_cache()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that can't be written
        return None
    return folder if os.access(folder, os.W_OK) else None


def choose_split(
    dataset: Dataset,
    split: str | None = None,
    folds: int | None = None,
    seed: int = 0,
    test_part: bool = False,
    *,
    find_scenes: Callable[[Dataset], Dataset] | None = None,
) -> tuple[Dataset, Split, str]:
    """Return the data with their scenes, the folds to use, and where these come from, in words.

    Parameters
    ----------
    dataset : Dataset
    split : {"busi", "published", "grouped"} or path, optional
        Folds of the published BUSI split, of the data's own publication, dealt here, or of a split file. If not given:
        the first of the three that the data allow.
    folds : int, optional
        How many, `DEFAULT_FOLDS` if not given.
    seed : int
        Of folds that are dealt.
    test_part : bool
        Train on the published BUSI development part, score the rest.
    find_scenes : callable, optional
        Returns a dataset whose groups are scenes; `with_scenes` where it can be made if not given.

    Raises
    ------
    DataError
        If what is asked for excludes each other, or doesn't fit the data.
    """
    scenes = find_scenes or functools.partial(with_scenes, needed=False)
    if test_part:
        if split not in (None, "busi") or folds is not None:
            raise DataError("the test part is the published BUSI split's: no other split or number of folds with it")
        busi_split(dataset, "test")  # refuse before the search
        dataset = scenes(dataset)
        parts = busi_split(dataset, "test")
        name = "BUSI, published: trained on the development part, scored on all other files"
        return dataset, parts, name + _leaks(parts, dataset)
    if split is None and folds in (None, DEFAULT_FOLDS) and _is_busi(dataset):
        split = "busi"
    if split == "busi":
        if folds not in (None, DEFAULT_FOLDS):
            raise DataError(f"the published BUSI split has {DEFAULT_FOLDS} folds; the split `grouped` deals others")
        parts = busi_split(dataset)
        return dataset.select(parts.case_ids), parts, "BUSI, published: development part, 5 grouped folds"
    n_folds = folds or DEFAULT_FOLDS
    if split == "published" or (split is None and n_folds in dataset.folds):
        dataset = scenes(dataset)
        name = f"{dataset.layout}, published: {n_folds} folds, no group in two of them"
        return dataset, published_folds(dataset, n_folds), name
    if split in (None, "grouped"):
        dataset = scenes(dataset)
        name = f"{n_folds} grouped, class-stratified folds dealt from seed {seed}"
        return dataset, grouped_folds(dataset, n_folds, seed), name
    if folds is not None:
        raise DataError("a split file has its own folds: no number of folds with it")
    parts = read_split(split, dataset)
    if parts.groups_from and dataset.ungrouped is not None:
        dataset = dataset.regrouped(parts.groups, parts.groups_from)
    dataset = scenes(dataset)
    return dataset, parts, f"file {Path(split).name}{_leaks(parts, dataset)}"


def _leaks(parts: Split, dataset: Dataset) -> str:
    report = check_split(parts, dataset)
    return f"; {report.n_leaked} of {report.n_test} test images show a scene that is also trained on"


def _is_busi(dataset: Dataset) -> bool:
    return set(busi_split().case_ids) <= {case.case_id for case in dataset}
