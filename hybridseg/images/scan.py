"""Where in a picture the scan is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..validation import check_image

DARK_GREY, DARK_ONE_IN = 4, 50
"""In a dark row or column at most one pixel in so many is brighter than this, or than what corners tell."""
FRAME_GREY, FRAME_SPREAD = 32, 2
"""What all corners show is a frame's grey if it is at most the first, and they differ by at most the second."""
GAP_ONE_IN = 64
"""A gap between the scan and what is beside it is one in so many of all rows or columns, dark; at least one."""


def find_scan(image: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and the columns of an image that the scan fills: black frames and captions are around it.

    A column or row is dark if at most every fiftieth of its pixels is brighter than 4. If all corners have one grey of
    at most 32, as black video does (16), 2 more than that grey counts instead of 4. Dark ones at the edge are left
    out. What lies beyond a gap, as captions do, is left out too if at least half of the rest remains. A gap is dark
    and spans at least 1/64 of the side. One across the middle cuts nothing off. If less than an eighth would remain,
    nothing is left out. The columns are found first, then the rows in them, then the columns of these rows. A caption
    below the scan may be wider than it.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8

    Returns
    -------
    (slice, slice)
        ``image[find_scan(image)]`` is the scan.

    Raises
    ------
    ValueError
        If it is no such image.

    Examples
    --------
    >>> framed = np.pad(np.full((40, 60), 90, np.uint8), 10)
    >>> find_scan(framed)
    (slice(10, 50, None), slice(10, 70, None))
    """
    bright = check_image(image) > _frame_grey(image)
    columns = _lit(bright, 1)
    rows = _lit(bright[:, columns], 0)
    inner = _lit(bright[rows, columns], 1)
    return rows, slice(columns.start + inner.start, columns.start + inner.stop)


def _frame_grey(image: NDArray[np.uint8]) -> int:
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]]
    low, high = int(corners.min()), int(corners.max())
    return max(DARK_GREY, high + FRAME_SPREAD) if high <= min(FRAME_GREY, low + FRAME_SPREAD) else DARK_GREY


def _lit(bright: NDArray[np.bool_], axis: int) -> slice:
    return _around_the_middle(DARK_ONE_IN * bright.sum(axis=1 - axis) > bright.shape[1 - axis])


def _around_the_middle(lit: NDArray[np.bool_]) -> slice:
    first, last = int(lit.argmax()), len(lit) - int(lit[::-1].argmax())
    middle, width = (first + last) // 2, max(1, len(lit) // GAP_ONE_IN)
    sums = np.pad(np.cumsum(lit), (1, 0))
    gaps = np.flatnonzero(sums[width:] == sums[:-width])  # where each starts
    before = max(first, int((gaps[gaps < middle] + width).max(initial=0)))
    after = min(last, int(gaps[gaps + width > middle].min(initial=last)))
    if 2 * (after - before) >= last - first:
        first, last = before, after
    return slice(first, last) if 8 * (last - first) >= len(lit) else slice(0, len(lit))
