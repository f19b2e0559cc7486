"""Splits that keep a scene on one side: making them, files of them, and BUSI's published one."""

from __future__ import annotations

import csv
import functools
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np

from ..images import shown
from ..validation import write_atomically
from .cases import DataError, Dataset, natural_key
from .manifest import parse_rows, read_text

COLUMNS = ("case_id", "group", "label", "fold")
BUSI_FILE = "busi_split.csv"


@dataclass(frozen=True)
class Fold:
    """Case ids to learn from and to score on."""

    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Folds, and what is known of the cases in them.

    Attributes
    ----------
    folds : tuple of Fold
    groups, labels : mapping of case_id to str
        What the split was made from; empty where a file doesn't say.
    unknown : tuple of str
        Names in a split file that its dataset doesn't have, left out of the folds.
    """

    folds: tuple[Fold, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def case_ids(self) -> tuple[str, ...]:
        """Every case of any fold, once, naturally sorted."""
        ids = {case_id for fold in self.folds for case_id in (*fold.train, *fold.test)}
        return tuple(sorted(ids, key=natural_key))

    def restricted_to(self, case_ids: Iterable[str]) -> Split:
        """Return this split with only these cases."""
        kept = set(case_ids)
        folds = tuple(
            Fold(tuple(c for c in fold.train if c in kept), tuple(c for c in fold.test if c in kept))
            for fold in self.folds
        )
        return Split(folds, self.groups, self.labels, self.unknown)


def grouped_folds(dataset: Dataset, n_folds: int, seed: int = 0) -> Split:
    """Deal whole groups into folds of like size and like share of each class.

    The largest groups are dealt first, those of one size in an order drawn from ``seed``; each goes to the fold
    that holds least of what it brings, every class and the number of cases weighed by their totals.

    Parameters
    ----------
    dataset : Dataset
    n_folds : int
        At least 2.
    seed : int, default 0

    Returns
    -------
    Split
        Each case is tested in exactly one fold.

    Raises
    ------
    DataError
        If there are fewer groups than folds.
    """
    if isinstance(n_folds, bool) or not isinstance(n_folds, int) or n_folds < 2:
        raise DataError(f"`n_folds` must be an integer of at least 2, got {n_folds!r}")
    groups = sorted(set(dataset.groups), key=natural_key)
    if len(groups) < n_folds:
        raise DataError(f"`n_folds` must be at most the number of groups ({len(groups)}), got {n_folds}")
    row = {group: i for i, group in enumerate(groups)}
    column = {label: i for i, label in enumerate(sorted(set(dataset.labels)))}
    brings = np.zeros((len(groups), len(column) + 1))  # last column: cases of any class
    for case in dataset:
        brings[row[case.group], column[case.label]] += 1
        brings[row[case.group], -1] += 1
    shuffled = np.random.default_rng(seed).permutation(len(groups))
    order = shuffled[np.argsort(-brings[shuffled, -1], kind="stable")]
    weight = 1.0 / brings.sum(axis=0) ** 2
    holds = np.zeros((n_folds, brings.shape[1]))
    fold_of = {}
    for i in order:
        # Adding group g to fold f raises the sum of squared shares by 2 holds[f] . g + g . g: take the least.
        # An empty fold always wins over a filled one, so no fold stays empty.
        fold = int(np.argmin(holds @ (brings[i] * weight)))
        holds[fold] += brings[i]
        fold_of[groups[i]] = fold
    return _from_rows([(case.case_id, case.group, case.label, str(fold_of[case.group])) for case in dataset])


def busi_split(
    dataset: Dataset | None = None, part: Literal["development", "test"] = "development"
) -> Split:
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
    split = _from_rows(_published_rows())
    if part not in ("development", "test"):
        raise DataError(f"`part` must be development or test, got {part!r}")
    if dataset is None:
        if part == "test":
            raise DataError("the test part is every BUSI file outside the development part: give the `dataset`")
        return split
    ids = [case.case_id for case in dataset]
    missing = sorted(set(split.case_ids) - set(ids), key=natural_key)
    if missing:
        raise DataError(
            f"dataset {dataset.name} lacks {len(missing)} of the {len(split.case_ids)} files of BUSI's development "
            f"part, for example {missing[0]}"
        )
    if part == "development":
        return split
    development = set(split.case_ids)
    test = tuple(case_id for case_id in ids if case_id not in development)
    if not test:
        raise DataError(f"dataset {dataset.name} holds BUSI's development part only: no file is left for test")
    groups = {case.case_id: case.group for case in dataset}
    labels = {case.case_id: case.label for case in dataset}
    return Split((Fold(split.case_ids, test),), groups, labels)


def published_groups() -> dict[str, str]:
    """Return the group of each case of BUSI's development part; empty if the file isn't packaged."""
    return {case_id: group for case_id, group, _, _ in _published_rows()} if _published().is_file() else {}


def write_split(split: Split, path: str | os.PathLike[str]) -> None:
    """Write a split as CSV: ``case_id,group,label,fold``, the fold being the one that tests the case.

    Cases that every fold trains on have an empty fold.

    Raises
    ------
    DataError
        If a case is tested twice or left out of some fold's training: this file can't say that; or if the file
        can't be written.
    """
    tested: dict[str, int] = {}
    for number, fold in enumerate(split.folds):
        for case_id in fold.test:
            if case_id in tested:
                raise DataError(f"case `{case_id}` is tested in folds {tested[case_id]} and {number}")
            tested[case_id] = number
    for number, fold in enumerate(split.folds):
        if set(fold.train) != set(split.case_ids) - set(fold.test):
            raise DataError(f"fold {number} doesn't train on every case that it doesn't test")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case_id in split.case_ids:
        fold_text = str(tested.get(case_id, ""))
        writer.writerow((case_id, split.groups.get(case_id, ""), split.labels.get(case_id, ""), fold_text))
    try:
        write_atomically(path, stream.getvalue().encode())
    except OSError as error:
        raise DataError(f"{shown(path)}: can't be written: {error.strerror or error}") from error


def parse_split(text: str, name: str) -> Split:
    """Return the split in the text of a file that `write_split` wrote; raise `DataError` if it isn't one."""
    rows = []
    for number, row in parse_rows(text, name, required=("case_id", "fold"), known=COLUMNS):
        if row["fold"] and not (row["fold"].isascii() and row["fold"].isdigit() and len(row["fold"]) <= 3):
            raise DataError(f"{name} line {number}: fold must be a number from 0 or empty, got `{row['fold']}`")
        rows.append((row["case_id"], row.get("group", ""), row.get("label", ""), row["fold"]))
    if not any(fold for *_, fold in rows):
        raise DataError(f"{name}: no case is tested in any fold")
    ids = [case_id for case_id, *_ in rows]
    if len(set(ids)) < len(ids):
        twice = next(case_id for case_id in ids if ids.count(case_id) > 1)
        raise DataError(f"{name}: case `{twice}` is listed twice")
    return _from_rows(rows)


def _from_rows(rows: list[tuple[str, str, str, str]]) -> Split:
    rows = sorted(rows, key=lambda row: natural_key(row[0]))
    numbers = sorted({int(fold) for *_, fold in rows if fold})
    folds = tuple(
        Fold(
            tuple(case_id for case_id, *_, fold in rows if not fold or int(fold) != number),
            tuple(case_id for case_id, *_, fold in rows if fold and int(fold) == number),
        )
        for number in numbers
    )
    groups = {case_id: group for case_id, group, _, _ in rows if group}
    labels = {case_id: label for case_id, _, label, _ in rows if label}
    return Split(folds, groups, labels)


def _published() -> Path:
    return Path(str(resources.files(__package__) / BUSI_FILE))


@functools.cache
def _published_rows() -> list[tuple[str, str, str, str]]:
    split = parse_split(read_text(_published()), BUSI_FILE)
    fold_of = {case_id: str(i) for i, fold in enumerate(split.folds) for case_id in fold.test}
    return [(c, split.groups.get(c, c), split.labels.get(c, ""), fold_of[c]) for c in split.case_ids]
