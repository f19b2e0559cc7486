"""Counts first, ratios second: every ratio is recomputed from the four counts, and every empty case is decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counts:
    """Pixels of one image, or of several added up: true positive, false positive, false negative, true negative."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __post_init__(self) -> None:
        for name in ("tp", "fp", "fn", "tn"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0, got {getattr(self, name)}")

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)


def check_pair(mask_true: NDArray[np.bool_], mask_pred: NDArray[np.bool_]) -> None:
    """Raise ValueError unless both are bool arrays of one 2-D shape."""
    for name, mask in (("mask_true", mask_true), ("mask_pred", mask_pred)):
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.ndim != 2:
            got = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise ValueError(f"`{name}` must be a bool array of shape (H, W), got {got}")
    if mask_true.shape != mask_pred.shape:
        raise ValueError(f"`mask_pred` must have the truth's shape {mask_true.shape}, got {mask_pred.shape}")


def count_pixels(mask_true: NDArray[np.bool_], mask_pred: NDArray[np.bool_]) -> Counts:
    """Return the pixel counts of a prediction.

    Parameters
    ----------
    mask_true, mask_pred : ndarray of shape (H, W), bool

    Examples
    --------
    >>> import numpy as np
    >>> count_pixels(np.array([[True, True, False]]), np.array([[True, False, False]]))
    Counts(tp=1, fp=0, fn=1, tn=1)
    """
    check_pair(mask_true, mask_pred)
    tp = int(np.count_nonzero(mask_true & mask_pred))
    fp = int(np.count_nonzero(mask_pred)) - tp
    fn = int(np.count_nonzero(mask_true)) - tp
    return Counts(tp, fp, fn, mask_true.size - tp - fp - fn)


def iou(counts: Counts, *, empty: float = 1.0) -> float:
    """Return intersection over union, ``tp / (tp + fp + fn)`` (Jaccard 1912, doi 10.1111/j.1469-8137.1912.tb05611.x).

    ``empty`` is the value where truth and prediction are both empty.
    """
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn, empty)


def f1(counts: Counts, *, empty: float = 1.0) -> float:
    """Return F1, ``2 tp / (2 tp + fp + fn)`` (Dice 1945, doi 10.2307/1932409).

    ``empty`` is the value where truth and prediction are both empty.
    """
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn, empty)


def precision(counts: Counts, *, empty: float = 1.0) -> float:
    """Return ``tp / (tp + fp)``. ``empty`` is the value of an empty prediction, whatever the truth."""
    return _ratio(counts.tp, counts.tp + counts.fp, empty)


def recall(counts: Counts, *, empty: float = 1.0) -> float:
    """Return ``tp / (tp + fn)``. ``empty`` is the value of an empty truth, whatever the prediction."""
    return _ratio(counts.tp, counts.tp + counts.fn, empty)


def mean_iou_two_class(counts: Counts, *, empty: float = 1.0) -> float:
    """Return the mean of lesion IoU and background IoU, as Keras' ``MeanIoU(2)`` does over all its pixels.

    Only to compare with tables that were made so: an empty prediction scores nearly a half. Keras leaves a class
    that occurs in neither mask out of the mean; so does this where ``empty`` is NaN.
    """
    classes = [iou(counts, empty=empty), _ratio(counts.tn, counts.tn + counts.fp + counts.fn, empty)]
    present = [value for value in classes if not np.isnan(value)]
    return float(np.mean(present)) if present else float("nan")


def _ratio(numerator: int, denominator: int, empty: float) -> float:
    return numerator / denominator if denominator else empty
