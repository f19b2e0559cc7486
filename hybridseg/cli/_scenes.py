"""Which cases share a scene, and which folds there are, as asked for on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..files import user_cache
from ._progress import progress_line

if TYPE_CHECKING:
    from ..data import Dataset, Split

DEFAULT_FOLDS = 5

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the search for near-duplicates keeps what it found [default: the user's cache].",
)


def scene_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--as-read`` and ``--cache`` to a command."""
    return click.option(
        "--as-read",
        is_flag=True,
        help="Take the groups as the data give them; don't look for near-duplicates where they give none.",
    )(cache_option(command))


def find_scenes(dataset: Dataset, as_read: bool, cache: Path | None, *, needed: bool = False) -> Dataset:
    """Return a dataset whose groups are scenes: what it doesn't say itself is looked for, unless ``as_read``.

    ``needed``: refuse where the search can't be made, rather than say under the table that nobody looked.
    """
    from ..data.cases import GROUPS_ALONE
    from ..data.scenes import with_scenes

    if as_read or GROUPS_ALONE not in dataset.groups_from:
        return dataset
    with progress_line("comparing") as progress:
        return with_scenes(dataset, progress=progress, cache_dir=cache_folder(cache), needed=needed)


def cache_folder(given: Path | None) -> Path | None:
    """Return where to keep what a search finds: as given, else in the user's cache, if that can be written."""
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
    as_read: bool = False,
    cache: Path | None = None,
) -> tuple[Dataset, Split, str]:
    """Return the data with their scenes, the folds to use, and where these come from, in words."""
    from ..data import busi_split, grouped_folds, published_folds, read_split
    from ..data.cases import GROUPS_ALONE

    if test_part:
        if split not in (None, "busi") or folds is not None:
            raise click.UsageError("--test-part is the published BUSI split's: no other --split or --folds with it")
        busi_split(dataset, "test")  # refuse before the search
        dataset = find_scenes(dataset, as_read, cache)
        parts = busi_split(dataset, "test")
        name = "BUSI, published: trained on the development part, scored on all other files"
        return dataset, parts, name + _leaks(parts, dataset)
    if split is None and folds in (None, DEFAULT_FOLDS) and _is_busi(dataset):
        split = "busi"
    if split == "busi":
        if folds not in (None, DEFAULT_FOLDS):
            raise click.UsageError(
                f"the published BUSI split has {DEFAULT_FOLDS} folds; --split grouped deals others"
            )
        parts = busi_split(dataset)
        return dataset.select(parts.case_ids), parts, "BUSI, published: development part, 5 grouped folds"
    n_folds = folds or DEFAULT_FOLDS
    if split == "published" or (split is None and n_folds in dataset.folds):
        dataset = find_scenes(dataset, as_read, cache)
        name = f"{dataset.layout}, published: {n_folds} folds, no group in two of them"
        return dataset, published_folds(dataset, n_folds), name
    if split in (None, "grouped"):
        dataset = find_scenes(dataset, as_read, cache)
        name = f"{n_folds} grouped, class-stratified folds dealt from seed {seed}"
        return dataset, grouped_folds(dataset, n_folds, seed), name
    if folds is not None:
        raise click.UsageError("a split file has its own folds: no --folds with it")
    parts = read_split(split, dataset)
    if parts.groups_from and GROUPS_ALONE in dataset.groups_from:
        dataset = dataset.regrouped(parts.groups, parts.groups_from)
    dataset = find_scenes(dataset, as_read, cache)
    return dataset, parts, f"file {Path(split).name}{_leaks(parts, dataset)}"


def _leaks(parts: Split, dataset: Dataset) -> str:
    from ..data import check_split

    report = check_split(parts, dataset)
    return f"; {report.n_leaked} of {report.n_test} test images show a scene that is also trained on"


def _is_busi(dataset: Dataset) -> bool:
    from ..data import busi_split

    return set(busi_split().case_ids) <= {case.case_id for case in dataset}
