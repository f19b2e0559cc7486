"""Choosing the operating point on validation cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..postprocess import OperatingPoint, apply_operating_point

THRESHOLDS = tuple(round(0.2 + 0.05 * k, 2) for k in range(13))  # 0.2 to 0.8
MIN_AREAS = (0.0, 0.001, 0.002, 0.004)
LOST_WEIGHT = 3.0  # F1 that is lost weighs as much as three times the share of the lesion-free images outlined
MAX_LOST = 0.03
MAX_OUTLINED = 0.2  # of the lesion-free images, where F1 needn't be lost beyond `MAX_LOST` for it


def f1_per_image(truths: Sequence[NDArray[np.bool_]], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Return F1 of each pair; an empty truth met by an empty mask scores 1."""
    scores = np.empty(len(truths))
    for k, (truth, mask) in enumerate(zip(truths, masks, strict=True)):
        area = int(truth.sum()) + int(mask.sum())
        scores[k] = 2 * int((truth & mask).sum()) / area if area else 1.0
    return scores


def choose_operating_point(
    truths: Sequence[NDArray[np.bool_]],
    probabilities: Sequence[NDArray[np.float32]],
    weights: Sequence[float] | None = None,
) -> OperatingPoint:
    """Return the operating point that suits cases whose truth is known.

    ``weights``, one above 0 per case, make a few cases of one hospital count as much as many of another.

    The outline comes first, from the lesion cases alone, by their mean F1. All regions stay, since a second lesion
    must not be dropped without a word. The exception: the largest alone, by its sum of probability, is better by more
    than half a standard error. A threshold that is a share of the image's largest probability has to be better by as
    much. It outlines something in every image, so it is tried only where lesion-free cases can place the presence
    decision. Thresholds within half a standard error of the best are averaged: with few cases the best choice alone is
    chance. The presence decision follows: a smallest area and a presence threshold. They have the smallest weighted
    sum of the mean F1 that they take from lesion cases, and the share of lesion-free cases with a mask. The first is
    `MAX_LOST` at most, the second `MAX_OUTLINED` where that is possible. The gentlest area and presence threshold win
    among equals: networks are less sure of the lesions of a hospital that they don't know.
    """
    lesions = np.array([truth.any() for truth in truths], bool)
    weight = np.ones(len(truths)) if weights is None else np.asarray(weights, float)
    seen = [truth for truth, lesion in zip(truths, lesions, strict=True) if lesion]
    best = _best_outline(
        seen,
        [p for p, lesion in zip(probabilities, lesions, strict=True) if lesion],
        weight[lesions],
        relative=not lesions.all(),
    )
    if lesions.all() or not lesions.any():
        return best
    least = np.inf
    # At its start every mask is shown.
    grid = np.linspace(0 if best.relative else best.threshold, 0.99, 100, dtype=np.float32)
    for area in MIN_AREAS:
        point = replace(best, min_area_fraction=area, presence_threshold=0.0)
        masks = [apply_operating_point(p, point) for p in probabilities]
        peaks = np.array([p[mask].max() if mask.any() else -1 for p, mask in zip(probabilities, masks, strict=True)])
        kept = peaks >= grid[:, None]
        scores = f1_per_image(seen, [mask for mask, lesion in zip(masks, lesions, strict=True) if lesion])
        if area == 0:
            all_shown = np.average(scores, weights=weight[lesions])
        lost = all_shown - np.average(scores * kept[:, lesions], axis=1, weights=weight[lesions])
        outlined_free = np.average(kept[:, ~lesions], axis=1, weights=weight[~lesions])
        cost = LOST_WEIGHT * lost + outlined_free + (outlined_free > MAX_OUTLINED)  # 1 outweighs all else
        cost[lost > MAX_LOST] = np.inf
        if cost.min() < least:
            least = cost.min()
            first = int(cost.argmin())
            # Rounded up: what the gate hides stays hidden.
            gate = float(np.ceil(1000 * float(grid[first])) / 1000) if first else 0.0
            best = replace(point, presence_threshold=gate)
    return best


def _best_outline(
    truths: Sequence[NDArray[np.bool_]],
    probabilities: Sequence[NDArray[np.float32]],
    weight: NDArray[np.float64],
    *,
    relative: bool,
) -> OperatingPoint:
    if not truths:
        return OperatingPoint()
    kinds = [OperatingPoint(), OperatingPoint(largest_only=True)]
    if relative:
        kinds += [replace(kind, relative=True) for kind in kinds]
    chosen, scores = kinds[0], _score_thresholds(kinds[0], truths, probabilities)
    for kind in kinds[1:]:
        other = _score_thresholds(kind, truths, probabilities)
        gained = _at_best(other, weight) - _at_best(scores, weight)
        if np.average(gained, weights=weight) > 0.5 * _standard_error(gained, weight):
            chosen, scores = kind, other
    lost = _at_best(scores, weight) - scores
    near = np.average(lost, axis=1, weights=weight) <= 0.5 * _standard_error(lost, weight)
    return replace(chosen, threshold=round(float(np.mean(np.array(THRESHOLDS)[near])), 3))


def _score_thresholds(
    kind: OperatingPoint, truths: Sequence[NDArray[np.bool_]], probabilities: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Return F1 of each case at each threshold, (threshold, case)."""
    points = [replace(kind, threshold=value) for value in THRESHOLDS]
    return np.array(
        [f1_per_image(truths, [apply_operating_point(p, point) for p in probabilities]) for point in points]
    )


def _at_best(scores: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the row, (case,), with the best mean."""
    row: NDArray[np.float64] = scores[np.average(scores, axis=1, weights=weight).argmax()]
    return row


def _standard_error(differences: NDArray[np.float64], weight: NDArray[np.float64]) -> Any:
    """Return the standard error of weighted means over the last axis."""
    share = weight / weight.sum()
    mean = np.average(differences, axis=-1, weights=weight)
    return np.sqrt(((share * (differences - mean[..., None])) ** 2).sum(axis=-1))
