"""Lesions found, missed and made up: regions of one mask matched with those of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..postprocess import label_components
from .counts import check_pair

LESION_OVERLAP = 0.5
"""A lesion is found if one predicted region has an intersection over union above this with it."""


@dataclass(frozen=True)
class LesionCounts:
    """Regions of one image: lesions found, lesions missed, and predicted regions that find none."""

    found: int
    missed: int
    false: int


def count_lesions(mask_true: NDArray[np.bool_], mask_pred: NDArray[np.bool_]) -> LesionCounts:
    """Return how many lesions a prediction finds, misses and makes up.

    Parameters
    ----------
    mask_true, mask_pred : ndarray of shape (H, W), bool
        Their 8-connected regions are the lesions and what is taken for lesions.

    Notes
    -----
    Above an overlap of a half no region can match two of the other mask, so the matching is the only one
    (A. Kirillov et al. 2019, doi 10.1109/CVPR.2019.00963).

    Examples
    --------
    >>> import numpy as np
    >>> count_lesions(np.array([[True, False, True]]), np.array([[True, False, False]]))
    LesionCounts(found=1, missed=1, false=0)
    """
    check_pair(mask_true, mask_pred)
    labels_true, sizes_true = label_components(mask_true)
    labels_pred, sizes_pred = label_components(mask_pred)
    both = mask_true & mask_pred
    pairs, shared = np.unique(
        labels_true[both].astype(np.int64) * len(sizes_pred) + labels_pred[both], return_counts=True
    )
    united = sizes_true[pairs // len(sizes_pred)] + sizes_pred[pairs % len(sizes_pred)] - shared
    found = int(np.count_nonzero(shared > LESION_OVERLAP * united))
    return LesionCounts(found, len(sizes_true) - 1 - found, len(sizes_pred) - 1 - found)
