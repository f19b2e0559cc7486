"""Fold and Split, and dealing whole scenes into folds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..text import printable
from .cases import DataError, Dataset, natural_key


@dataclass(frozen=True)
class Fold:
    """Case ids to learn from and to score on."""

    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Folds, with groups and labels of their cases.

    Attributes
    ----------
    folds : tuple of Fold
    groups, labels : mapping of case_id to str
        What the split was made from; empty where a file doesn't say.
    unknown : tuple of str
        Names in a split file that its dataset doesn't have, left out of the folds.
    groups_from : str
        Who says which cases share a scene, where that is the split's own file; empty otherwise.
    """

    folds: tuple[Fold, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    groups_from: str = field(default="", compare=False)

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
        return replace(self, folds=folds)


def grouped_folds(dataset: Dataset, n_folds: int, seed: int = 0) -> Split:
    """Deal whole groups into folds of like size and like share of each class.

    The largest groups are dealt first, those of one size in an order drawn from ``seed``. Each goes to the fold that
    holds least of what it brings, with every class and the number of cases weighed by their totals.

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
        raise DataError(
            f"{printable(dataset.name)}: `n_folds` must be at most the number of groups ({len(groups)}), got {n_folds} "
            "(choose with `--folds`)"
        )
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
    return split_from_rows([(case.case_id, case.group, case.label, str(fold_of[case.group])) for case in dataset])


def split_from_rows(rows: Iterable[tuple[str, str, str, str]]) -> Split:
    """Return the split in rows of case_id, group, label and testing fold (a number, or empty)."""
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
