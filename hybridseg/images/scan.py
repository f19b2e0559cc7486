"""Where in a picture the scan is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DARK_GREY, DARK_ONE_IN = 4, 50
"""In a dark row or column at most one pixel in so many is brighter than this."""
GAP_ONE_IN = 64
"""A gap between the scan and what is beside it is one in so many of all rows or columns, dark; at least one."""


def find_scan(image: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and the columns of an image (H, W) that the scan fills: what is around it is left out.

    A column or row is dark where at most every fiftieth of its pixels is brighter than 4. Dark ones at the edge are
    left out. What lies beyond a gap, as captions do, is left out too if at least half of the rest remains; a gap is a
    64th of the side, dark. If less than an eighth of the side would remain, nothing is left out. First the columns are
    found so, then the rows in them.
    """
    found = [slice(0, side) for side in image.shape]
    for axis in (1, 0):
        shown = image[:, found[1]] > DARK_GREY
        found[axis] = _around_the_middle(DARK_ONE_IN * shown.sum(axis=1 - axis) > shown.shape[1 - axis])
    return found[0], found[1]


def _around_the_middle(lit: NDArray[np.bool_]) -> slice:
    first, last = int(lit.argmax()), len(lit) - int(lit[::-1].argmax())
    middle, width = (first + last) // 2, max(1, len(lit) // GAP_ONE_IN)
    sums = np.pad(np.cumsum(lit), (1, 0))
    gaps = np.flatnonzero(sums[width:] == sums[:-width])  # where each starts
    before = max(first, int((gaps[gaps + width <= middle] + width).max(initial=0)))
    after = min(last, int(gaps[gaps >= middle].min(initial=last)))
    if 2 * (after - before) >= last - first:
        first, last = before, after
    return slice(first, last) if 8 * (last - first) >= len(lit) else slice(0, len(lit))
