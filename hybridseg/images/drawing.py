"""Outlines over an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..validation import check_image, check_mask

PREDICTION_COLOUR = (230, 159, 0)
TRUTH_COLOUR = (86, 180, 233)
# Orange and sky blue of the palette of Okabe and Ito (2008), told apart with any form of colour blindness.


def overlay(image: Any, mask_pred: Any, mask_true: Any | None = None) -> NDArray[np.uint8]:
    """Draw outlines over a grey image: ground truth in sky blue, prediction in orange over it.

    The truth's line is twice as wide, so that both are seen where they coincide.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    mask_pred : ndarray of shape (H, W), bool
    mask_true : ndarray of shape (H, W), bool, optional

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    image = check_image(image)
    mask_pred = check_mask(mask_pred, image.shape, "mask_pred")
    drawn = np.repeat(image[..., None], 3, axis=2)
    width = max(1, round(min(image.shape) / 250))
    if mask_true is not None:
        drawn[_outline(check_mask(mask_true, image.shape, "mask_true"), 2 * width)] = TRUTH_COLOUR
    drawn[_outline(mask_pred, width)] = PREDICTION_COLOUR
    return drawn


def _outline(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of ``mask`` within ``width`` steps (up, down, left, right) of its outside."""
    inner = np.pad(mask, 1)  # what lies beyond the picture is outside
    for _ in range(width):
        shrunk = inner.copy()
        shrunk[1:-1, 1:-1] &= inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
        inner = shrunk
    return mask & ~inner[1:-1, 1:-1]
