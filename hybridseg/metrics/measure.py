"""Lesions in a mask: area and two diameters, in pixels and where the spacing is given in mm; largest probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..validation import check_mask, check_spacing

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class Lesion:
    """One connected region of a mask.

    Attributes
    ----------
    row, column : float
        Centre of mass, in pixels from the first pixel's centre.
    area_px : int
    long_px, short_px : float
        Greatest distance between two points of the region, and its extent at right angles to that, both with the
        pixels' own width. In distances between pixel centres times the spacing they'd be a pixel too small.
    area_mm2, long_mm, short_mm : float or None
        None where the spacing isn't known. With pixels that aren't square the axes in mm need not be those in
        pixels.
    largest_probability, mean_probability : float or None
        Of the region's pixels; None where no probability is given. They aren't calibrated: no chance of being a lesion.
    """

    row: float
    column: float
    area_px: int
    long_px: float
    short_px: float
    area_mm2: float | None = None
    long_mm: float | None = None
    short_mm: float | None = None
    largest_probability: float | None = None
    mean_probability: float | None = None


def measure_lesions(
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float] | None = None,
    probability: NDArray[np.float32] | None = None,
) -> list[Lesion]:
    """Return the 8-connected regions of a mask, largest first.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool
    spacing_mm : tuple of (row, column), optional
        Distance between neighbouring pixels.
    probability : ndarray of shape (H, W), float32, optional
        What the mask was made from.

    Raises
    ------
    ValueError
        If ``mask`` isn't a mask, the spacing not two positive numbers, or ``probability`` not of the mask's shape.
    """
    from scipy import ndimage

    mask = check_mask(mask)
    check_spacing(spacing_mm)
    if probability is not None and probability.shape != mask.shape:
        raise ValueError(f"`probability` must have the mask's shape {mask.shape}, got {probability.shape}")
    labels, _ = ndimage.label(mask, structure=_EIGHT_NEIGHBOURS)
    lesions = []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        rows, columns = np.nonzero(labels[place] == number)
        rows, columns = rows + place[0].start, columns + place[1].start
        corners = _corners(rows, columns)
        long_px, short_px = _diameters(corners)
        area_mm2 = long_mm = short_mm = None
        if spacing_mm is not None:
            area_mm2 = len(rows) * spacing_mm[0] * spacing_mm[1]
            long_mm, short_mm = _diameters(corners * np.array(spacing_mm))
        centre = (float(rows.mean()), float(columns.mean()))
        largest = mean = None
        if probability is not None:
            inside = probability[rows, columns]
            largest, mean = float(inside.max()), float(inside.mean(dtype=np.float64))
        lesions.append(Lesion(*centre, len(rows), long_px, short_px, area_mm2, long_mm, short_mm, largest, mean))
    return sorted(lesions, key=lambda lesion: (-lesion.area_px, lesion.row, lesion.column))


def _corners(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the corners of the first and the last pixel of each row, (K, 2): their hull is the region's."""
    used, starts = np.unique(rows, return_index=True)  # pixels come row by row
    first, last = columns[starts], columns[np.append(starts[1:], len(columns)) - 1]
    points = [(used + dy, side + dx) for dy in (-0.5, 0.5) for side, dx in ((first, -0.5), (last, 0.5))]
    return np.concatenate([np.stack(point, axis=1) for point in points])


def _diameters(points: NDArray[np.float64]) -> tuple[float, float]:
    """Return the greatest distance between two of the points, and their extent at right angles to it."""
    from scipy.spatial import ConvexHull

    hull = points[ConvexHull(points).vertices]
    between = hull[:, None] - hull[None]
    lengths = np.hypot(between[..., 0], between[..., 1])
    at = np.unravel_index(lengths.argmax(), lengths.shape)
    direction = between[at] / lengths[at]
    across = hull @ np.array([-direction[1], direction[0]])
    return float(lengths[at]), float(across.max() - across.min())
