"""Choosing the operating point on validation cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..postprocess import OperatingPoint, apply_operating_point

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
PRESENCE = (0.0, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
MIN_AREAS = (0.0, 0.001, 0.002, 0.004)


def f1_per_image(truths: Sequence[NDArray[np.bool_]], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Return F1 of each pair; an empty truth met by an empty mask scores 1."""
    scores = np.empty(len(truths))
    for k, (truth, mask) in enumerate(zip(truths, masks, strict=True)):
        area = int(truth.sum()) + int(mask.sum())
        scores[k] = 2 * int((truth & mask).sum()) / area if area else 1.0
    return scores


def choose_operating_point(
    truths: Sequence[NDArray[np.bool_]], probabilities: Sequence[NDArray[np.float32]]
) -> OperatingPoint:
    """Return the threshold, smallest area and presence threshold with the best mean F1 over all cases.

    The threshold comes first, from the lesion cases alone; the two others follow, from all cases, so that a mask on
    a lesion-free image costs as much as a lesion lost. Neighbouring thresholds within half a standard error of the
    best are averaged: with few cases the best one alone is chance. Among equals the gentlest wins.
    """
    lesions = [k for k, truth in enumerate(truths) if truth.any()]
    threshold = 0.5
    if lesions:
        scores = np.array([
            f1_per_image(
                [truths[k] for k in lesions],
                [apply_operating_point(probabilities[k], OperatingPoint(value)) for k in lesions],
            )
            for value in THRESHOLDS
        ])
        means = scores.mean(axis=1)
        best = int(means.argmax())
        spread = (scores - scores[best]).std(axis=1) / np.sqrt(len(lesions))
        near = means >= means[best] - 0.5 * spread
        threshold = round(float(np.mean(np.array(THRESHOLDS)[near])), 3)
    candidates = [
        OperatingPoint(threshold, min_area_fraction=area, presence_threshold=presence)
        for presence in PRESENCE if presence == 0 or presence > threshold
        for area in MIN_AREAS
    ]
    means = np.array([
        f1_per_image(truths, [apply_operating_point(p, point) for p in probabilities]).mean() for point in candidates
    ])
    return candidates[int(means.argmax())]
