"""Leaks of a split: test images whose scene is also in training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .cases import DataError, Dataset
from .folds import Split


@dataclass(frozen=True)
class FoldLeaks:
    """Leaks of one fold.

    Attributes
    ----------
    fold, n_train, n_test : int
    leaked : tuple of str
        Test cases whose scene is in training.
    pairs : tuple of (str, str)
        Every such test case with each training case of its scene; the case itself where it is in both.
    """

    fold: int
    n_train: int
    n_test: int
    leaked: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LeakReport:
    """Leaks of a split, fold by fold, and who said which cases share a scene."""

    folds: tuple[FoldLeaks, ...]
    groups_from: str
    unknown: tuple[str, ...] = ()

    @property
    def n_test(self) -> int:
        """Test images, all folds."""
        return sum(fold.n_test for fold in self.folds)

    @property
    def n_leaked(self) -> int:
        """Test images whose scene is in training, all folds."""
        return sum(len(fold.leaked) for fold in self.folds)

    @property
    def share(self) -> float:
        """Leaked share of the test images; 0 where there are none."""
        return self.n_leaked / self.n_test if self.n_test else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {**asdict(self), "n_test": self.n_test, "n_leaked": self.n_leaked, "share": self.share}

    def lines(self, examples: int = 3) -> list[tuple[str, str, str]]:
        """Return (fold, what leaks, the first few pairs) for a table."""
        table = []
        for fold in self.folds:
            first = ", ".join(f"{test} ~ {train}" for test, train in fold.pairs[:examples])
            more = ", ..." if len(fold.pairs) > examples else ""
            table.append((f"fold {fold.fold}", f"{len(fold.leaked)} of {fold.n_test} leak", first + more))
        total = f"{self.n_leaked} of {self.n_test} leak"
        table.append(("all", total, f"{100 * self.share:.1f} % of the test images"))
        table.append(("scenes", "", self.groups_from))
        if self.unknown:
            table.append(("unknown", f"{len(self.unknown)} names", ", ".join(self.unknown[:examples])))
        return table


def check_split(split: Split, dataset: Dataset) -> LeakReport:
    """Count the test images whose scene is also in the same fold's training part.

    Parameters
    ----------
    split : Split
    dataset : Dataset
        Says which cases share a scene.

    Raises
    ------
    DataError
        If the split names a case that the dataset doesn't have.
    """
    group_of = {case.case_id: case.group for case in dataset}
    missing = [case_id for case_id in split.case_ids if case_id not in group_of]
    if missing:
        raise DataError(f"dataset {dataset.name} has no case `{missing[0]}` ({len(missing)} missing)")
    folds = []
    for number, fold in enumerate(split.folds):
        learnt: dict[str, list[str]] = {}
        for case_id in fold.train:
            learnt.setdefault(group_of[case_id], []).append(case_id)
        leaked = tuple(case_id for case_id in fold.test if group_of[case_id] in learnt)
        pairs = tuple((case_id, other) for case_id in leaked for other in learnt[group_of[case_id]])
        folds.append(FoldLeaks(number, len(fold.train), len(fold.test), leaked, pairs))
    return LeakReport(tuple(folds), dataset.groups_in_words, split.unknown)
