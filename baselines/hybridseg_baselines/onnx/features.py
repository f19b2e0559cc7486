"""The functions of ``features`` as pieces of a graph: the same integers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import const

from ..features import BANDS, BOXES, RANKS, SPREADS, Box, square
from ..grid import FINE
from .grid import to_grid

LAST = np.iinfo(np.int64).max


def features(image: Var, grid: tuple[int, int]) -> Var:
    """Return the features of the cells of a uint8 [H, W]: float32 [h * w, COUNT], all of them whole numbers."""
    source = maps(image, grid)
    means = {name: BoxMeans(values, grid) for name, values in source.items()}
    columns = []
    for box, minus in BOXES:
        value = means[box.source].mean(box)
        columns.append(value if minus is None else op.sub(value, means[minus.source].mean(minus)))
    for name, radius in SPREADS:
        mean = means[name].mean(square(name, radius))
        squares = means[f"{name}2"].mean(square(f"{name}2", radius))
        columns.append(root(op.sub(squares, op.mul(mean, mean))))
    columns += places(source["rank"], grid)
    levels = brightness(source["grey"], grid)
    flat = const([1, -1])
    stacked = op.concat([op.reshape(column, flat) for column in columns], axis=0)
    everywhere = op.expand(op.unsqueeze(levels, const([1])), const([1 + BANDS, grid[0] * grid[1]]))
    return op.transpose(op.cast(op.concat([stacked, everywhere], axis=0), to=np.float32), perm=[1, 0])


def maps(image: Var, grid: tuple[int, int]) -> dict[str, Var]:
    """Return the grid images that boxes are taken of, int64 [h, w] each."""
    grey = to_grid(image, grid)
    levels = op.cast(image, to=np.int64)
    squares = to_grid(op.mul(levels, levels), grid, scale=FINE * FINE)
    ranks = rank(grey, grid)
    grey2 = op.mul(grey, grey)
    texture = root(op.sub(squares, grey2))
    return {"grey": grey, "rank": ranks, "texture": texture, "grey2": grey2, "rank2": op.mul(ranks, ranks)}


def rank(grey: Var, grid: tuple[int, int]) -> Var:
    """Return each cell's middle rank among the cells."""
    cells = grid[0] * grid[1]
    blank, ones = const(np.zeros(256 * FINE)), const(np.ones(cells))
    histogram = op.scatter_elements(blank, op.reshape(grey, const([-1])), ones, axis=0, reduction="add")
    below = op.sub(op.cumsum(histogram, const(0)), histogram)
    middle = op.div(op.mul(op.add(op.mul(const(2), below), histogram), const(RANKS // 2)), const(cells))
    return op.gather(op.min([middle, const(RANKS - 1)]), grey, axis=0)


def root(values: Var) -> Var:
    """Return the integer part of the square root; 0 below 0."""
    return op.cast(op.sqrt(op.cast(op.max([values, const(0)]), to=np.float64)), to=np.int64)


def places(ranks: Var, grid: tuple[int, int]) -> list[Var]:
    """Return row, column, distance to the nearer side, and the mean rank above and below."""
    height, width = grid
    row, column = np.indices(grid)
    down = op.cumsum(ranks, const(0))
    whole = op.slice(down, const([height - 1]), const([height]), const([0]))
    return [
        const(row),
        const(column),
        const(np.minimum(column, width - 1 - column)),
        op.div(down, const(row + 1)),
        op.div(op.sub(whole, down), const(np.maximum(height - 1 - row, 1))),
    ]


def brightness(grey: Var, grid: tuple[int, int]) -> Var:
    """Return the mean grey of the image and of its bands: int64 [1 + BANDS]."""
    height, width = grid
    edges = [band * height // BANDS for band in range(BANDS + 1)]
    means = [op.div(op.reduce_sum(grey), const(height * width))]
    for top, bottom in pairwise(edges):
        band = op.slice(grey, const([top]), const([bottom]), const([0]))
        means.append(op.div(op.reduce_sum(band), const((bottom - top) * width)))
    return op.reshape(op.concat(means, axis=0), const([-1]))


class BoxMeans:
    """Rounded box means of one map from one table of sums; border cells repeat outwards."""

    def __init__(self, values: Var, grid: tuple[int, int]) -> None:
        boxes = [box for pair in BOXES for box in pair if box is not None]
        self._grid = grid
        self._reach = 1 + max(max(box.ry + abs(box.dy), box.rx + abs(box.dx)) for box in boxes)
        padded = op.pad(values, const([self._reach] * 4), mode="edge")
        framed = op.pad(padded, const([1, 1, 0, 0]))
        self._sums = op.cumsum(op.cumsum(framed, const(0)), const(1))
        self._means: dict[tuple[int, int], Var] = {}

    def mean(self, box: Box) -> Var:
        """Return the box's mean at every cell, rounded half up: int64 [h, w]."""
        top, left = self._reach + box.dy - box.ry, self._reach + box.dx - box.rx
        height, width = self._grid
        every = self._every_mean(2 * box.ry + 1, 2 * box.rx + 1)
        return op.slice(every, const([top, left]), const([top + height, left + width]), const([0, 1]))

    def _every_mean(self, tall: int, wide: int) -> Var:
        """Return the means of the boxes of one size whose first cell is the padded map's cell [r, c]."""
        if (tall, wide) not in self._means:
            total = self._sums
            for axis, size in enumerate((tall, wide)):
                late = op.slice(total, const([size]), const([LAST]), const([axis]))
                early = op.slice(total, const([0]), const([-size]), const([axis]))
                total = op.sub(late, early)
            area = tall * wide
            doubled = op.add(op.mul(const(2), total), const(area))
            self._means[tall, wide] = op.div(doubled, const(2 * area))
        return self._means[tall, wide]
