"""Calibrating a method's confidence on cases that it hasn't learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..confidence import Calibration, raw_confidence
from ..metrics import count_lesions, count_pixels
from ..metrics.calibration import fit_line, is_right
from ..postprocess import label_components

MIN_IMAGES = 50
"""With fewer held-out images nothing is calibrated."""


def fit_calibration(
    truths: Sequence[NDArray[np.bool_]],
    masks: Sequence[NDArray[np.bool_]],
    probabilities: Sequence[NDArray[np.float32]],
    weights: Sequence[float] | None = None,
) -> Calibration | None:
    """Return the meaning of a method's probabilities on held-out cases, or None for fewer than `MIN_IMAGES`.

    Truths, masks and probabilities are (H, W) each, case by case. ``weights``, one above 0 per case, make a few cases
    of one hospital count as much as many of another. Without an empty mask among them, an empty one gets even odds.
    """
    if len(truths) < MIN_IMAGES:
        return None
    weight = np.ones(len(truths)) if weights is None else np.asarray(weights, float)
    cases = list(zip(truths, masks, probabilities, strict=True))
    raw = np.array([raw_confidence(mask, p) for _, mask, p in cases])
    right = np.array([is_right(count_pixels(truth, mask)) for truth, mask, _ in cases])
    has_mask = np.array([bool(mask.any()) for mask in masks])
    regions = [
        (mean, found, heft)
        for (truth, mask, p), heft in zip(cases, weight, strict=True)
        for mean, found in regions_of(truth, mask, p)
    ]
    lesion = tuple(map(np.array, zip(*regions, strict=True))) if regions else (np.array([]),) * 3
    of_lesion, of_mask, of_empty = (
        fit_line(*part) if len(part[0]) else (0.0, 0.0)
        for part in (lesion, *((raw[each], right[each], weight[each]) for each in (has_mask, ~has_mask)))
    )
    return Calibration(of_lesion, of_mask, of_empty, images=len(cases))


def regions_of(
    truth: NDArray[np.bool_], mask: NDArray[np.bool_], probability: NDArray[np.float32]
) -> list[tuple[float, bool]]:
    """Return the mean probability of each 8-connected region of a mask, and whether it finds a lesion."""
    labels, sizes = label_components(mask)
    regions = [labels == number for number in range(1, len(sizes))]
    return [(raw_confidence(region, probability), count_lesions(truth, region).found > 0) for region in regions]
