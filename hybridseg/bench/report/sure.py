"""The chapter on confidence: how often it is right, and what leaving the doubtful images to a person brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...confidence import apply_line
from ...metrics import LESION_OVERLAP, Counts, f1
from ...metrics.calibration import (
    BINS,
    calibration_error,
    fit_line,
    is_right,
    mean_at_coverage,
    reliability,
    surest,
)
from ..records.cells import Record
from .document import Entry, Figure, ReportTable, Section, Text, count, number, percent
from .facts import RunFacts
from .figures import coverage_curves, reliability_curve

_LEFT = (0.0, 0.1, 0.2, 0.3, 0.5)
"""Shares of the images that are left to a person."""
_TOLD = 0.2
_FEWEST = 30
"""Answers that a calibration on other folds needs."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Sure:
    """The confidence in a method's rows: one entry an image, without images that have no raw confidence."""

    groups: list[str]
    raw: Values
    right: NDArray[np.bool_]
    f1: Values
    calibrated: Values | None
    how: str

    @property
    def best(self) -> Values:
        return self.raw if self.calibrated is None else self.calibrated


def how_sure(facts: RunFacts) -> Section:
    """Return how far confidences are from the share of right masks, and F1 where the least sure are left out."""
    title, slug = "How sure", "sure"
    found = {method: sure for method, rows in facts.rows.items() if (sure := _read(rows)) is not None}
    if not found:
        return Section(title, slug, (Text("No method's rows tell how sure it is: masks alone don't."),))
    texts = [Text(
        f"A mask is right if its IoU is above {LESION_OVERLAP:g}, or if it is empty as the truth is. Raw: the mean "
        "probability in the mask, or 1 less the largest where it is empty. Calibrated: the method's own calibration "
        "where it carries one; else each fold's by a line through the answers of the other folds. A failed prediction "
        "is no answer, and isn't counted here."
    )]  # fmt: skip
    scores = {method: [_f1_of_surest(sure, left) for left in _LEFT] for method, sure in found.items()}
    for method, entries in scores.items():
        every, rest = (entries[_LEFT.index(left)] for left in (0.0, _TOLD))
        if every.value is not None and rest.value is not None:
            texts.append(Text(
                f"{facts.marked[method]}: if the {100 * _TOLD:.0f} % least sure images are left to a person, the rest "
                f"has F1 {rest.text}; all have {every.text}.", "li",
            ))  # fmt: skip
    figures = (*_curves(facts, scores), *(_reliability(facts.short[method], sure) for method, sure in found.items()))
    return Section(title, slug, tuple(texts), figures, (_errors(facts, found), _coverage(facts, found, scores)))


def _reliability(name: str, sure: _Sure) -> Figure:
    calibrated = [] if sure.calibrated is None else reliability(sure.calibrated, sure.right)
    return Figure(
        reliability_curve([("calibrated", calibrated), ("raw", reliability(sure.raw, sure.right))]),
        f"{name}: share of right masks by confidence, in {BINS} bins with Wilson intervals. On the dashed line a "
        "confidence means what it says.",
    )


def _curves(facts: RunFacts, scores: dict[str, list[Entry]]) -> list[Figure]:
    rows = []
    for method, entries in scores.items():
        curve = [
            (100 * left, entry.value) for left, entry in zip(_LEFT, entries, strict=True) if entry.value is not None
        ]
        if curve:
            rows.append((facts.short[method], curve))
    caption = "Risk-coverage: mean F1 of the lesion images that stay. Intervals stand in the table."
    return [Figure(coverage_curves(rows), caption)] if rows else []


def _errors(facts: RunFacts, found: dict[str, _Sure]) -> ReportTable:
    rows = []
    for method, sure in found.items():
        raw = calibration_error(sure.raw, sure.right, sure.groups)
        entry = Entry("-")
        if sure.calibrated is not None:
            error = calibration_error(sure.calibrated, sure.right, sure.groups)
            entry = number(error.value, low=error.low, high=error.high)
        rows.append((
            Entry(facts.marked[method]), count(len(sure.raw)), percent(float(sure.right.mean())),
            number(raw.value, low=raw.low, high=raw.high), entry, Entry(sure.how),
        ))  # fmt: skip
    header = ("method", "images", "right %", "error raw [95 %]", "error calibrated [95 %]", "calibrated by")
    caption = "Expected calibration error, with its interval by bootstrap over scenes. Chance alone keeps it above 0."
    return ReportTable(caption, header, tuple(rows))


def _coverage(facts: RunFacts, found: dict[str, _Sure], scores: dict[str, list[Entry]]) -> ReportTable:
    rows = []
    for method, sure in found.items():
        wrong = [float(1 - sure.right[surest(sure.best, 1 - left)].mean()) for left in (0.0, _TOLD)]
        rows.append((Entry(facts.marked[method]), *scores[method], *(percent(share) for share in wrong)))
    header = (
        "method", *(f"F1, {100 * left:.0f} % left out" for left in _LEFT), "wrong %",
        f"wrong %, {100 * _TOLD:.0f} % left out",
    )  # fmt: skip
    caption = "Mean F1 of the lesion images that stay, if the least sure of all images are left to a person [95 %]."
    return ReportTable(caption, header, tuple(rows))


def _f1_of_surest(sure: _Sure, left: float) -> Entry:
    if np.isnan(sure.f1[surest(sure.best, 1 - left)]).all():
        return Entry("-")
    mean = mean_at_coverage(sure.best, sure.f1, sure.groups, 1 - left)
    return number(mean.value, low=mean.low, high=mean.high)


def _read(rows: Sequence[Record]) -> _Sure | None:
    answered = [row for row in rows if row.raw_confidence is not None]
    if not answered:
        return None
    counts = [Counts(row.tp, row.fp, row.fn, row.tn) for row in answered]
    scored = list(zip(answered, counts, strict=True))
    right = np.array([is_right(c) for c in counts])
    scores = np.array([f1(c) if row.has_lesion else np.nan for row, c in scored])
    raw = np.array([row.raw_confidence for row in answered], float)
    own = [row.confidence for row in answered if row.confidence is not None]
    calibrated = np.array(own) if len(own) == len(answered) else _by_other_folds(answered, raw, right)
    how = "itself" if own else "-" if calibrated is None else "other folds"
    return _Sure([row.group for row in answered], raw, right, scores, calibrated, how)


def _by_other_folds(rows: Sequence[Record], raw: Values, right: NDArray[np.bool_]) -> Values | None:
    """Return confidences by lines through the answers of other folds; None where these are too few for some answer."""
    fold, has_mask = np.array([row.fold for row in rows]), np.array([row.tp + row.fp > 0 for row in rows])
    found = np.zeros(len(rows))
    for here in np.unique(fold):
        for kind in (True, False):
            taught, asked = (fold != here) & (has_mask == kind), np.flatnonzero((fold == here) & (has_mask == kind))
            if len(asked) and taught.sum() < _FEWEST:
                return None
            if len(asked):
                line = fit_line(raw[taught], right[taught])
                found[asked] = [apply_line(line, float(raw[k])) for k in asked]
    return found
