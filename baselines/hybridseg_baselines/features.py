"""The forest's features of a grid cell: means over boxes of many sizes, near and far, and where the cell lies.

Every feature is an integer that fits in 16 bits, made from sums of integers. So a graph of standard operators computes
the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import FINE, Ints, to_grid

RANKS = 4096
"""A cell's rank among the image's cells is given in so many steps."""


class Box(NamedTuple):
    """A mean over ``2 ry + 1`` rows and ``2 rx + 1`` columns of a map, centred ``dy``, ``dx`` cells away."""

    source: str  # "grey", "rank", "texture", or a square: "grey2", "rank2"
    ry: int
    rx: int
    dy: int = 0
    dx: int = 0


def square(source: str, radius: int, dy: int = 0, dx: int = 0) -> Box:
    """Return a square box."""
    return Box(source, radius, radius, dy, dx)


def _boxes() -> tuple[tuple[Box, Box | None], ...]:
    """Return the box features: a box, or the difference of two."""
    table: list[tuple[Box, Box | None]] = []
    around = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    for source, radii in (
        ("grey", (0, 1, 2, 4, 8, 16, 24)),
        ("rank", (0, 1, 2, 4, 8, 16, 24)),
        ("texture", (0, 1, 2, 4, 8)),
    ):
        table += [(square(source, radius), None) for radius in radii]
    for source in ("grey", "rank"):
        pairs = ((0, 2), (1, 4), (2, 8), (4, 8), (4, 16), (8, 24))
        table += [(square(source, inner), square(source, outer)) for inner, outer in pairs]
        for ry, rx in ((1, 24), (24, 1), (4, 16), (16, 4), (2, 8), (8, 2)):
            table.append((square(source, 1), Box(source, ry, rx)))
    for source, rings in (("rank", ((3, 1), (6, 2), (10, 3), (16, 5), (24, 7))), ("grey", ((6, 2), (16, 5)))):
        for distance, radius in rings:
            centre = square(source, 1 if distance < 10 else 2)
            table += [(square(source, radius, distance * y, distance * x), centre) for y, x in around]
    for distance in (6, 12):
        for y, x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            table.append((square("texture", distance // 3, distance * y, distance * x), square("texture", 2)))
    for distance, radius in ((2, 1), (4, 2), (8, 4)):
        table.append((square("rank", radius, 0, distance), square("rank", radius, 0, -distance)))
        table.append((square("rank", radius, distance, 0), square("rank", radius, -distance, 0)))
    return tuple(table)


BOXES = _boxes()
SPREADS = tuple((source, radius) for source in ("grey", "rank") for radius in (1, 2, 4, 8))
"""Standard deviations over square boxes."""
BANDS = 8
"""Horizontal bands of the image whose mean grey is known to every cell."""
PLACES = 5  # row, column, distance to the nearer side, rank above, rank below
COUNT = len(BOXES) + len(SPREADS) + PLACES + 1 + BANDS


def rank(grey: Ints) -> Ints:
    """Return each cell's middle rank among the cells, 0..RANKS-1: brightness without gain and contrast."""
    histogram = np.bincount(grey.ravel(), minlength=256 * FINE)
    below = np.cumsum(histogram) - histogram
    middle: Ints = ((2 * below + histogram) * (RANKS // 2) // grey.size).clip(0, RANKS - 1)
    return middle[grey]


def maps(image: NDArray[np.uint8], grid: tuple[int, int]) -> dict[str, Ints]:
    """Return the grid images that boxes are taken of: grey, rank, texture (deviation inside a cell), squares."""
    grey = to_grid(image, grid)
    squares = to_grid(image.astype(np.int64) ** 2, grid, scale=FINE * FINE)
    ranks = rank(grey)
    return {
        "grey": grey,
        "rank": ranks,
        "texture": root(squares - grey * grey),
        "grey2": grey * grey,
        "rank2": ranks * ranks,
    }


def root(values: Ints) -> Ints:
    """Return the integer part of the square root; 0 below 0 (rounded means can fall short of a square)."""
    return np.asarray(np.sqrt(np.maximum(values, 0).astype(np.float64)).astype(np.int64))


class BoxMeans:
    """Rounded box means of one map from one table of sums; border cells repeat outwards."""

    def __init__(self, values: Ints) -> None:
        self._shape = values.shape
        self._reach = 1 + max(
            max(box.ry + abs(box.dy), box.rx + abs(box.dx)) for pair in BOXES for box in pair if box is not None
        )
        padded = np.pad(values, self._reach, mode="edge")
        self._sums = np.pad(padded, ((1, 0), (1, 0))).cumsum(0).cumsum(1)

    def mean(self, box: Box) -> Ints:
        """Return the box's mean at every cell, rounded half up."""
        (height, width), sums = self._shape, self._sums
        top, left = self._reach + box.dy - box.ry, self._reach + box.dx - box.rx
        bottom, right = top + 2 * box.ry + 1, left + 2 * box.rx + 1
        total = (
            sums[bottom : bottom + height, right : right + width] - sums[top : top + height, right : right + width]
            - sums[bottom : bottom + height, left : left + width] + sums[top : top + height, left : left + width]
        )  # fmt: skip
        area = (2 * box.ry + 1) * (2 * box.rx + 1)
        rounded: Ints = (2 * total + area) // (2 * area)
        return rounded


def features(image: NDArray[np.uint8], grid: tuple[int, int]) -> NDArray[np.int16]:
    """Return the cells' features.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    grid : (int, int)

    Returns
    -------
    ndarray of shape (COUNT, h * w), int16
    """
    source = maps(image, grid)
    height, width = grid
    means = {name: BoxMeans(values) for name, values in source.items()}
    columns: list[Ints] = []
    for box, minus in BOXES:
        value = means[box.source].mean(box)
        columns.append(value if minus is None else value - means[minus.source].mean(minus))
    for name, radius in SPREADS:
        mean = means[name].mean(square(name, radius))
        columns.append(root(means[f"{name}2"].mean(square(f"{name}2", radius)) - mean * mean))
    row, column = np.indices(grid)
    ranks = source["rank"]
    down = np.cumsum(ranks, axis=0)
    columns += [
        row, column, np.minimum(column, width - 1 - column),
        down // (row + 1), (down[-1] - down) // np.maximum(height - 1 - row, 1),
    ]  # fmt: skip
    levels = [source["grey"].sum() // source["grey"].size]
    for band in range(BANDS):
        rows = source["grey"][band * height // BANDS : (band + 1) * height // BANDS]
        levels.append(rows.sum() // rows.size)
    columns += [np.full(grid, level) for level in levels]
    return np.stack([each.ravel() for each in columns]).astype(np.int16)
