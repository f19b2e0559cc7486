"""The functions of ``grid`` as pieces of a graph: the same integers, the same float32 steps."""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import const, sides

from ..grid import FINE


def to_grid(image: Var, grid: tuple[int, int], scale: int = FINE) -> Var:
    """Return block means of a uint8 [H, W] on the grid, times ``scale``, rounded half up: int64 [h, w]."""
    height, width = sides(image)
    (top, bottom), (left, right) = _blocks(height, grid[0]), _blocks(width, grid[1])
    padded = op.cast(op.pad(image, const([1, 0, 0, 0])), to=np.int64)
    rows = _between(op.cumsum(padded, const(0)), top, bottom, axis=0)
    sums = _between(op.cumsum(op.pad(rows, const([0, 1, 0, 0])), const(1)), left, right, axis=1)
    area = op.mul(op.unsqueeze(op.sub(bottom, top), const([1])), op.sub(right, left))
    return op.div(op.add(op.mul(const(2 * scale), sums), area), op.mul(const(2), area))


def _blocks(size: Var, cells: int) -> tuple[Var, Var]:
    first = op.div(op.mul(const(np.arange(cells)), size), const(cells))
    last = op.div(op.mul(const(np.arange(1, cells + 1)), size), const(cells))
    return first, op.max([last, op.add(first, const(1))])


def _between(total: Var, low: Var, high: Var, *, axis: int) -> Var:
    return op.sub(op.gather(total, high, axis=axis), op.gather(total, low, axis=axis))


def from_grid(values: Var, grid: tuple[int, int], image: Var) -> Var:
    """Return a float32 [h, w] at the size of ``image``: bilinear between cell centres, rows first."""
    for cells, size in zip(grid, sides(image), strict=True):
        twice = op.mul(const(2), size)
        pixel = op.range(const(0), size, const(1))
        place = op.sub(op.mul(op.add(op.mul(const(2), pixel), const(1)), const(cells)), size)
        place = op.min([op.max([place, const(0)]), op.mul(twice, const(cells - 1))])
        low = op.min([op.div(place, twice), const(cells - 2)])
        rest = op.cast(op.sub(place, op.mul(twice, low)), to=np.float32)
        share = op.unsqueeze(op.div(rest, op.cast(twice, to=np.float32)), const([1]))
        lower = op.gather(values, low, axis=0)
        upper = op.gather(values, op.add(low, const(1)), axis=0)
        # Transposed, the columns' turn copies whole lines too, which is many times faster than single pixels.
        values = op.transpose(op.add(lower, op.mul(op.sub(upper, lower), share)), perm=[1, 0])
    return values


def box_mean(values: Var, grid: tuple[int, int], radius: int) -> Var:
    """Return the rounded mean over a square of ``2 radius + 1`` cells; the border cells repeat outwards."""
    size = 2 * radius + 1
    for axis, cells in enumerate(grid):
        total = op.cumsum(_pad(values, axis, radius + 1, radius), const(axis))
        first = np.arange(cells)
        values = _between(total, const(first), const(first + size), axis=axis)
    return op.div(op.add(op.mul(const(2), values), const(size * size)), const(2 * size * size))


def smooth(image: Var, grid: tuple[int, int], rounds: int) -> Var:
    """Return the grid image of a uint8 [H, W] after so many 3x3 means."""
    grey = to_grid(image, grid)
    for _ in range(rounds):
        grey = box_mean(grey, grid, 1)
    return grey


def close(levels: Var, grid: tuple[int, int], radius: int) -> Var:
    """Return the grey closing with a square of ``2 radius + 1`` cells."""
    for choose in (op.max, op.min):
        for axis, cells in enumerate(grid):
            padded = _pad(levels, axis, radius, radius)
            levels = choose(
                [
                    op.slice(padded, const([shift]), const([shift + cells]), const([axis]))
                    for shift in range(2 * radius + 1)
                ]
            )
    return levels


def _pad(values: Var, axis: int, before: int, after: int) -> Var:
    """Repeat the border cells of [h, w] outwards along one axis."""
    pads = [0, 0, 0, 0]
    pads[axis], pads[2 + axis] = before, after
    return op.pad(values, const(pads), mode="edge")
