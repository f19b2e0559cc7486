"""Whether confidences are chances: lines fitted to outcomes, reliability, and the gain of refusing the doubtful."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..confidence import Line, log_odds
from .counts import Counts
from .lesions import LESION_OVERLAP
from .summary import DRAWS, Estimate, group_indices, group_weights, image_mean, wilson_interval

BINS = 10
"""Bins of equal width over [0, 1]."""

_STEPS = 100
_RIDGE = 1e-3  # on the slope, in cases: keeps it finite where a raw value parts right from wrong
_WIDEST_STEP = 5.0


@dataclass(frozen=True)
class Bin:
    """Answers of about one confidence: how many, their mean confidence, and the share that is right (Wilson)."""

    low: float
    high: float
    answers: int
    confidence: float
    right: Estimate


def is_right(counts: Counts) -> bool:
    """Whether a mask with these counts is right: its IoU is above a half, or truth and mask are empty.

    >>> is_right(Counts(tp=6, fp=3, fn=2, tn=0)), is_right(Counts(tp=0, fp=1, fn=0, tn=9))
    (True, False)
    """
    united = counts.tp + counts.fp + counts.fn
    return not united or counts.tp > LESION_OVERLAP * united


def fit_line(raw: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> Line:
    """Return intercept and slope of the logistic regression of being right on the log odds of raw values.

    Targets are drawn in by one answer on each side, as J. Platt (1999) does, so that a few answers can't be certain.
    The slope is 0 where more confident answers are wrong more often: then all get the share that is right.

    Parameters
    ----------
    raw : array of shape (n,), float in [0, 1]
    right : array of shape (n,), bool
    weights : array of shape (n,), float above 0, optional

    Raises
    ------
    ValueError
        If there is no answer, or lengths differ.

    Examples
    --------
    >>> intercept, slope = fit_line([0.2, 0.4, 0.6, 0.8] * 50, [False, False, True, True] * 50)
    >>> slope > 1
    True
    """
    x, y = np.asarray(raw, float), np.asarray(right, bool)
    weight = np.ones(len(x)) if weights is None else np.asarray(weights, float)
    if not len(x) or not len(x) == len(y) == len(weight):
        raise ValueError(f"expected as many outcomes and weights as values, got {len(x)}, {len(y)}, {len(weight)}")
    weight = weight * len(x) / weight.sum()
    n_right = float(weight[y].sum())
    n_wrong = len(x) - n_right
    target = np.where(y, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    design = np.stack([np.ones(len(x)), log_odds(x)], axis=1)
    penalty = np.diag([0.0, _RIDGE])
    line = np.zeros(2)
    for _ in range(_STEPS):  # Newton's; the loss is convex
        chance = 1 / (1 + np.exp(-np.clip(design @ line, -700, 700)))
        slope = design.T @ (weight * (chance - target)) + penalty @ line
        bend = (design * (weight * np.maximum(chance * (1 - chance), 1e-9))[:, None]).T @ design + penalty
        step = np.linalg.solve(bend + 1e-9 * np.eye(2), slope)
        line = line - np.clip(step, -_WIDEST_STEP, _WIDEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    if line[1] < 0:
        share = (n_right + 1) / (len(x) + 2)
        return float(np.log(share / (1 - share))), 0.0
    return float(line[0]), float(line[1])


def reliability(confidence: ArrayLike, right: ArrayLike) -> list[Bin]:
    """Return the bins that hold an answer, from doubtful to sure: the points of a reliability curve."""
    values, outcome = np.asarray(confidence, float), np.asarray(right, bool)
    place = _places(values)
    return [
        Bin(
            k / BINS, (k + 1) / BINS, int((place == k).sum()), float(values[place == k].mean()),
            wilson_interval(int(outcome[place == k].sum()), int((place == k).sum())),
        )
        for k in np.unique(place)
    ]  # fmt: skip


def calibration_error(confidence: ArrayLike, right: ArrayLike, groups: Sequence[Hashable]) -> Estimate:
    """Return the expected calibration error over `BINS`, with its 95 % interval by bootstrap over groups.

    It is the mean over answers of how far a bin's mean confidence is from its share of right ones (M. Naeini et al.
    2015, doi 10.1609/aaai.v29i1.9602). Chance alone makes it larger than 0: compare it with its interval in mind.

    Raises
    ------
    ValueError
        If there is no answer.
    """
    values, outcome = np.asarray(confidence, float), np.asarray(right, bool)
    if not len(values):
        raise ValueError("there must be at least one answer, got none")
    index, count = group_indices(groups)
    gaps = np.zeros((count, BINS))
    np.add.at(gaps, (index, _places(values)), values - outcome)
    sizes = np.bincount(index, minlength=count)
    weights = group_weights(count, DRAWS, 0)
    drawn = np.abs(weights @ gaps).sum(axis=1) / (weights @ sizes)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(np.abs(gaps.sum(axis=0)).sum() / len(values)), float(low), float(high))


def surest(confidence: ArrayLike, coverage: float) -> NDArray[np.bool_]:
    """Return which answers are the surest share ``coverage`` of all, at least one; the first among equals."""
    values = np.asarray(confidence, float)
    kept = np.zeros(len(values), bool)
    kept[np.argsort(-values, kind="stable")[: max(1, round(coverage * len(values)))]] = True
    return kept


def mean_at_coverage(confidence: ArrayLike, scores: ArrayLike, groups: Sequence[Hashable], coverage: float) -> Estimate:
    """Return the mean score of the surest answers: a point of the risk-coverage curve, with its interval.

    After Y. Geifman and R. El-Yaniv (2017, Selective classification for deep neural networks). The interval is by
    bootstrap over the groups of the answers that are kept. A score is NaN where an answer has none: that of a
    lesion-free image counts for the coverage alone.

    Raises
    ------
    ValueError
        If none of the surest answers has a score.
    """
    values = np.asarray(scores, float)
    kept = np.flatnonzero(surest(confidence, coverage) & ~np.isnan(values))
    return image_mean(values[kept], [groups[int(k)] for k in kept])


def _places(values: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.minimum((values * BINS).astype(np.intp), BINS - 1)
