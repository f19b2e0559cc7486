"""A run folder, read for a report: rows by method, best method first, and what several chapters need of them."""

from __future__ import annotations

import os

from ... import metrics
from ...text import shortened
from ..records.cells import FitRecord, Record
from ..records.costs import run_cpus
from ..records.folder import open_run
from ..verdicts.methods import MethodSummary, RunSummary
from ..verdicts.origin import with_synthetic
from ..verdicts.pairing import lesion_scores
from ..verdicts.summary import summarize_run
from .paths import hide_paths

_SHORT = 26


class RunFacts:
    """Everything that a report says of a run comes from here.

    Attributes
    ----------
    title : str
        The data set's name; whether it is synthetic.
    folder : RunFolder
    description : dict
        ``run.json``.
    summary : RunSummary
    methods : tuple of MethodSummary
        Those that have rows, by falling IoU; those that have seen the images come last.
    readers : tuple of MethodSummary
        Second readers, who are in none of the following.
    rows : dict of str to list of Record
        By method.
    scores : dict of str to dict
        Method to case_id to the IoU of each lesion image.
    groups, labels : dict of str to str
        By case_id.
    known : dict of str to dict
        What the data's source knows of a case, by case_id.
    shares : dict of str to float
        Lesion's share of the picture, by case_id.
    stems : dict of (method, fold) to str
        What the files of a cell are called.
    fits : dict of str to list of FitRecord
        By method.
    marked, short : dict of str to str
        Methods' names as tables show them, and shortened for figures.
    """

    def __init__(self, run: str | os.PathLike[str]) -> None:
        stored = open_run(run)
        self.folder, self.description, records = stored.folder, stored.description, stored.records
        self.summary: RunSummary = summarize_run(stored)
        self.methods: tuple[MethodSummary, ...] = tuple(
            each for each in self.summary.methods if each.cases and not each.is_reader
        )
        self.readers = tuple(each for each in self.summary.methods if each.is_reader)
        self.rows: dict[str, list[Record]] = {each.method: stored.rows[each.method] for each in self.methods}
        self.scores = {method: lesion_scores(rows, "iou") for method, rows in self.rows.items()}
        self.title = with_synthetic(self.description["dataset"], [record.case_id for record in records])
        self.groups = {record.case_id: record.group for record in records}
        self.labels = {record.case_id: record.label for record in records}
        self.known = {record.case_id: record.facts for record in records}
        self.shares = {record.case_id: (record.tp + record.fn) / (record.height * record.width) for record in records}
        self.stems = {(cell["method"], cell["fold"]): cell["file"] for cell in self.description["cells"]}
        self.fits: dict[str, list[FitRecord]] = {method: stored.fits[method] for method in self.rows}
        names = hide_paths([each.marked for each in self.methods])
        self.marked = dict(zip(self.rows, names, strict=True))
        self.short = dict(zip(self.marked, shortened(list(self.marked.values()), _SHORT), strict=True))
        self.cpus = run_cpus(self.description)

    def shared_lesion_cases(self) -> list[str]:
        """Return the lesion images that every method has, in the order of the first method's."""
        first, *others = self.scores.values()
        return [case_id for case_id in first if all(case_id in scores for scores in others)]

    def lesion_shares(self) -> dict[str, float]:
        """Return the lesion's share of the picture of each lesion image."""
        return {case_id: self.shares[case_id] for scores in self.scores.values() for case_id in scores}

    def ceilings(self) -> list[tuple[str, float]]:
        """Return second readers by name with their mean IoU."""
        return [(each.marked, each.iou) for each in self.readers if each.iou is not None]


def iou(row: Record) -> float:
    """Return the IoU of a row's counts."""
    return metrics.iou(metrics.Counts(row.tp, row.fp, row.fn, row.tn))
