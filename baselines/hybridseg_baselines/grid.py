"""A small fixed grid in place of the image: block means there, bilinear interpolation back, integer filters.

Grid images are int64 in sixteenths of a grey level, so that means of speckle keep their fraction. Integer
arithmetic and, on the way back, float32 in a stated order let a graph of standard operators reach the same
bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

FINE = 16
"""Steps per grey level."""


def _blocks(size: int, cells: int) -> tuple[Ints, Ints]:
    """Return first and past-the-end pixel of ``cells`` blocks; they share pixels where ``size < cells``."""
    first: Ints = np.arange(cells, dtype=np.int64) * size // cells
    return first, np.maximum(np.arange(1, cells + 1, dtype=np.int64) * size // cells, first + 1)


def to_grid(image: NDArray[Any], grid: tuple[int, int], scale: int = FINE) -> Ints:
    """Return block means of an integer image (H, W) on the grid, times ``scale``, rounded half up."""
    (top, bottom), (left, right) = _blocks(image.shape[0], grid[0]), _blocks(image.shape[1], grid[1])
    total = np.zeros((image.shape[0] + 1, image.shape[1]), np.int64)
    np.cumsum(image, axis=0, out=total[1:])
    rows = total[bottom] - total[top]
    total = np.zeros((grid[0], image.shape[1] + 1), np.int64)
    np.cumsum(rows, axis=1, out=total[:, 1:])
    sums = total[:, right] - total[:, left]
    area = (bottom - top)[:, None] * (right - left)
    means: Ints = (2 * scale * sums + area) // (2 * area)
    return means


def from_grid(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a float32 grid image at ``shape``: bilinear between cell centres, rows first."""
    for axis in (0, 1):
        cells, size = values.shape[axis], shape[axis]
        place = (2 * np.arange(size, dtype=np.int64) + 1) * cells - size  # in units of 1 / (2 size) cells
        place = np.clip(place, 0, 2 * size * (cells - 1))
        low = np.minimum(place // (2 * size), cells - 2)
        share = ((place - 2 * size * low).astype(np.float32) / np.float32(2 * size)).astype(np.float32)
        share = share[:, None] if axis == 0 else share
        lower, upper = np.take(values, low, axis), np.take(values, low + 1, axis)
        values = lower + (upper - lower) * share
    return values


def box_mean(values: Ints, radius: int) -> Ints:
    """Return the rounded mean over a square of ``2 radius + 1`` cells; the border cells repeat outwards."""
    size = 2 * radius + 1
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis)
        cells = values.shape[axis]
        values = np.take(total, range(size, size + cells), axis) - np.take(total, range(cells), axis)
    return (2 * values + size * size) // (2 * size * size)


def smooth(image: NDArray[np.uint8], grid: tuple[int, int], rounds: int) -> Ints:
    """Return the grid image of a picture after so many 3x3 means."""
    grey = to_grid(image, grid)
    for _ in range(rounds):
        grey = box_mean(grey, 1)
    return grey


def bowl(grid: tuple[int, int], height: float) -> Ints:
    """Return brightness to add away from where lesions lie (middle, 0.42 of the depth): 0 to 2 ``height``."""
    rows = (np.arange(grid[0]) + 0.5) / grid[0] - 0.42
    columns = (np.arange(grid[1]) + 0.5) / grid[1] - 0.5
    rows = np.where(rows < 0, rows / 0.42, rows / 0.58)
    return np.asarray(FINE * height * (rows[:, None] ** 2 + (columns / 0.5) ** 2)).astype(np.int64)


def close(levels: Ints, radius: int) -> Ints:
    """Return the grey closing with a square of ``2 radius + 1`` cells, which cuts thin dark bridges."""
    for choose in (np.maximum, np.minimum):
        for axis in (0, 1):
            pad = [(0, 0), (0, 0)]
            pad[axis] = (radius, radius)
            padded, cells = np.pad(levels, pad, mode="edge"), levels.shape[axis]
            levels = np.take(padded, range(cells), axis)
            for shift in range(1, 2 * radius + 1):
                levels = choose(levels, np.take(padded, range(shift, shift + cells), axis))
    return levels


GRID = (64, 76)
"""The grid of `OtsuSegmenter` and `WatershedSegmenter`. The textbook methods have it, too."""


def _centrality() -> NDArray[np.float32]:
    rows, columns = ((np.minimum(2 * k + 1, 2 * (n - k) - 1) / n) for k, n in ((np.arange(n), n) for n in GRID))
    return np.asarray(rows[:, None] * columns, np.float32)


CENTRALITY = _centrality()
"""What a cell counts for when a region is chosen: from 1 in the middle down to 0 at the edges."""

FAR = np.int64(2**40)
"""Higher than any gradient."""
