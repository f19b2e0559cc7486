"""From a probability map to a mask: the same few steps for every method."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

PROBABILITY_STEPS = 2**16  # of the probability in the size of a component


@dataclass(frozen=True)
class OperatingPoint:
    """The threshold of a method, and the tidying afterwards. Applied in the order of the attributes.

    Attributes
    ----------
    threshold : float
        A pixel is lesion where its probability is at least this, or this share of the image's largest (`relative`).
    fill_holes : bool
        Background that isn't 4-connected to the border becomes lesion.
    largest_only : bool
        Keep the 8-connected component that is expected to hold the most lesion pixels. It has the largest sum of
        probability, and is the first in row order among equals.
    min_area_fraction : float
        Components smaller than this share of the image's pixels are removed, those around the scan counted.
    presence_threshold : float
        The mask is emptied unless the largest probability inside it reaches this: the presence decision.
    relative : bool
        ``threshold`` is a share of the image's largest probability. Then how sure a method is decides whether there is
        a mask, and not how large it is.
    """

    threshold: float = 0.5
    fill_holes: bool = True
    largest_only: bool = False
    min_area_fraction: float = 0.0
    presence_threshold: float = 0.0
    relative: bool = False

    def __post_init__(self) -> None:
        for name in ("threshold", "min_area_fraction", "presence_threshold"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise ValueError(f"`{name}` must be a number in [0, 1], got {value!r}")
            if not 0.0 <= float(value) <= 1.0:
                raise ValueError(f"`{name}` must lie in [0, 1], got {value}")
        for name in ("fill_holes", "largest_only", "relative"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"`{name}` must be true or false, got {getattr(self, name)!r}")


def apply_operating_point(probability: NDArray[np.float32], point: OperatingPoint) -> NDArray[np.bool_]:
    """Return the mask (H, W), bool, of a float32 probability map of that shape.

    Comparisons are made in float32, so that an exported graph can make the same ones.
    """
    whole = probability.max() if point.relative else np.float32(1)
    mask: NDArray[np.bool_] = probability >= np.float32(point.threshold) * whole
    if point.relative:
        mask &= probability > 0
    if not mask.any():
        return mask
    if point.fill_holes:
        mask = fill_holes(mask)
    if point.largest_only:
        mask = largest_component(mask, probability)
    if point.min_area_fraction > 0.0:
        mask = remove_small(mask, min_area_px=smallest_area(mask.size, point.min_area_fraction))
    if point.presence_threshold > 0.0 and mask.any():
        inside = float(probability[mask].max())
        if inside < np.float32(point.presence_threshold):
            mask = np.zeros_like(mask)
    return mask


def smallest_area(pixels: int, fraction: float) -> int:
    """Return the pixel count below which a component is too small: ``ceil(pixels * fraction)`` in float32."""
    return int(np.ceil(np.float32(pixels) * np.float32(fraction)))


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill background that isn't 4-connected to the image border."""
    from scipy import ndimage

    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(mask)
    return filled


def label_components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Return 8-connected component labels (1..K in row order, 0 outside) and their sizes.

    Sizes are in pixels, one per label; the first counts what is outside.
    """
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=np.ones((3, 3), bool), output=np.int32)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)


def largest_component(mask: NDArray[np.bool_], probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Keep the 8-connected component with the largest sum of probability; the first in row order among equals.

    The sum is the expected number of lesion pixels, so that a smaller sure region outweighs a larger doubtful one. It
    is taken in whole `PROBABILITY_STEPS`, whose order of summing doesn't matter; the probability must be finite.
    """
    labels, sizes = label_components(mask)
    if len(sizes) <= 2:
        return mask
    steps = (probability * np.float32(PROBABILITY_STEPS)).astype(np.int64)
    expected = np.bincount(labels.ravel(), weights=steps.ravel())
    largest: NDArray[np.bool_] = labels == 1 + expected[1:].argmax()
    return largest


def remove_small(mask: NDArray[np.bool_], *, min_area_px: int) -> NDArray[np.bool_]:
    """Remove 8-connected components of fewer than ``min_area_px`` pixels."""
    labels, sizes = label_components(mask)
    keep = sizes >= min_area_px
    keep[0] = False
    kept: NDArray[np.bool_] = keep[labels]
    return kept
