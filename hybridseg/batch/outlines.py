"""Lesions of a mask as polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..postprocess import label_components

_STRAIGHT_PX = 0.01
"""Corners nearer than this to the line between their neighbours are left out."""


@dataclass(frozen=True)
class Outline:
    """One lesion as polygons.

    Attributes
    ----------
    rings : tuple of ndarray of shape (K, 2), float64
        Corners (x, y) in pixels from the picture's upper left corner: the outer ring, then those of holes. They run
        midway between pixels inside and outside, so that the pixels with their centre inside are the lesion's.
    area_px : int
    largest_probability : float or None
        None where no probability is given.
    """

    rings: tuple[NDArray[np.float64], ...]
    area_px: int
    largest_probability: float | None


def find_outlines(mask: NDArray[np.bool_], probability: NDArray[np.float32] | None = None) -> list[Outline]:
    """Return the 8-connected regions of a mask, (H, W) bool, as polygons, largest first."""
    from skimage import measure

    find: Any = measure.find_contours
    simplify: Any = measure.approximate_polygon
    labels, sizes = label_components(mask)
    outlines = []
    for number in 1 + np.argsort(-sizes[1:], kind="stable"):
        region = labels == number
        contours = find(np.pad(region, 1).astype(np.float32), 0.5, fully_connected="high")
        rings = [simplify(contour[:-1, ::-1], _STRAIGHT_PX) - 0.5 for contour in contours]
        rings.sort(key=lambda ring: -float(np.ptp(ring, axis=0).prod()))  # a hole spans less than what is around it
        largest = None if probability is None else float(probability[region].max())
        outlines.append(Outline(tuple(rings), int(sizes[number]), largest))
    return outlines
