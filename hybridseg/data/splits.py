"""Splits that keep a scene on one side: making, files, leaks, and BUSI's published one."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..text import printable
from .cases import Case, DataError, Dataset, natural_key
from .folds import Fold, Split, grouped_folds, split_from_rows
from .leaks import FoldLeaks, LeakReport, check_split
from .manifest import read_text
from .split_files import parse_split, read_split, write_split

__all__ = [
    "Fold",
    "FoldLeaks",
    "LeakReport",
    "Split",
    "busi_split",
    "check_split",
    "grouped_folds",
    "published_folds",
    "published_groups",
    "read_split",
    "write_split",
]
BUSI_FILE = "busi_split.csv"
PUBLISHED = "the published BUSI split"


def busi_split(dataset: Dataset | None = None, part: Literal["development", "test"] = "development") -> Split:
    """Return the published BUSI split: five grouped folds of 619 files, every other file of BUSI for test.

    Parameters
    ----------
    dataset : Dataset, optional
        BUSI as read from disk. Needed for the test part: its cases that the development part doesn't list.
    part : {'development', 'test'}
        The five development folds, or one fold that trains on all of them and tests on the rest.

    Raises
    ------
    DataError
        If the dataset lacks a case of the development part, or has no other for the test part.
    """
    split = split_from_rows(_published_rows())
    if part not in ("development", "test"):
        raise DataError(f"`part` must be development or test, got {part!r}")
    if dataset is None:
        if part == "test":
            raise DataError("`dataset` must be given for the test part: every BUSI file outside development")
        return split
    ids = [case.case_id for case in dataset]
    missing = sorted(set(split.case_ids) - set(ids), key=natural_key)
    if missing:
        raise DataError(
            f"dataset {dataset.name} lacks {len(missing)} of the {len(split.case_ids)} files of BUSI's "
            f"development part, for example {missing[0]}"
        )
    if part == "development":
        return split
    development = set(split.case_ids)
    test = tuple(case_id for case_id in ids if case_id not in development)
    if not test:
        raise DataError(f"dataset {dataset.name} holds BUSI's development part only, no file for test")
    groups = {case.case_id: case.group for case in dataset}
    labels = {case.case_id: case.label for case in dataset}
    return Split((Fold(split.case_ids, test),), groups, labels)


def published_folds(dataset: Dataset, n_folds: int) -> Split:
    """Return the folds that a data set's authors publish with it.

    Raises
    ------
    DataError
        If they publish none of this number, or a group is tested in two of them.
    """
    if n_folds not in dataset.folds:
        known = " or ".join(map(str, sorted(dataset.folds))) or "none"
        raise DataError(f"dataset {printable(dataset.name)}: `n_folds` must be {known} as published, got {n_folds}")
    fold_of = dataset.folds[n_folds]
    first: dict[str, Case] = {}
    for case in dataset:
        other = first.setdefault(case.group, case)
        if fold_of[case.case_id] != fold_of[other.case_id]:
            raise DataError(
                f"dataset {printable(dataset.name)}: the published folds test {printable(other.case_id)} and "
                f"{printable(case.case_id)} of one group in two folds; deal others with --split grouped"
            )
    return split_from_rows((case.case_id, case.group, case.label, str(fold_of[case.case_id])) for case in dataset)


@dataclass(frozen=True)
class NamedCase(Case):
    """A case of which a split file tells no more than name, group and label."""

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Raise `DataError`: there are no pixels."""
        raise DataError(f"case `{self.case_id}` is known by name only")

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) of the name."""
        return hashlib.sha256(self.case_id.encode()).hexdigest()


def named_cases(path: str | os.PathLike[str]) -> Dataset:
    """Return cases without pixels that a split can be checked against where the images aren't at hand.

    Those of the file itself if it is a CSV whose group column says which share a scene, else BUSI's development part.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv" and not path.is_dir():
        split = parse_split(read_text(path), printable(path))
        if split.groups_from:
            cases = (NamedCase(c, group, split.labels.get(c, "")) for c, group in split.groups.items())
            return Dataset(printable(path.name), tuple(cases), split.groups_from)
    cases = (NamedCase(case_id, group, label) for case_id, group, label, _ in _published_rows())
    return Dataset("BUSI's development part, the only one known without --data", tuple(cases), PUBLISHED)


def published_groups() -> dict[str, str]:
    """Return the group of each case of BUSI's development part; empty if the file isn't packaged."""
    return {case_id: group for case_id, group, _, _ in _published_rows()} if _published().is_file() else {}


def _published() -> Path:
    return Path(str(resources.files(__package__) / BUSI_FILE))


@functools.cache
def _published_rows() -> list[tuple[str, str, str, str]]:
    split = parse_split(read_text(_published()), BUSI_FILE)
    fold_of = {case_id: str(i) for i, fold in enumerate(split.folds) for case_id in fold.test}
    return [(c, split.groups.get(c, c), split.labels.get(c, ""), fold_of[c]) for c in split.case_ids]
