"""`WatershedSegmenter` as a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import const

from ..candidates import CandidateSegmenter
from .candidates import model
from .grid import smooth

FAR = np.iinfo(np.int64).max


def watershed_model(segmenter: CandidateSegmenter, *, smoothing: int, rounds: int) -> Any:
    """Return the `onnx.ModelProto` of a `WatershedSegmenter`."""
    grid = segmenter.grid

    def propose(image: Var) -> tuple[Var, Var]:
        grey = smooth(image, grid, smoothing)
        slope = gradient(grey, grid)
        first = basins(slope, grid)

        def body(_: Var, __: Var, regions: Var, used: Var, slope: Var) -> list[Var]:
            regions, used = op.reshape(regions, const(grid)), op.reshape(used, const([]))
            merged, new = merge(regions, op.reshape(slope, const(grid)), grid)
            made = op.cast(new, to=np.int64)
            number = op.mul(made, op.add(used, op.cumsum(made, const(0))))
            layer = op.reshape(op.gather(number, op.reshape(merged, const([-1])), axis=0), const(grid))
            total = op.reduce_sum(made, keepdims=False)
            going = op.greater(op.reshape(total, const([1])), const(0))
            return [going, merged, op.add(used, total), slope, layer]

        basin = op.add(first, const(1))
        used = op.reduce_max(basin, keepdims=False)
        *_, later = op.loop(const([rounds]), const([True], np.bool_), [first, used, slope], body=body)
        later = op.reshape(later, const([-1, *grid]))
        return grey, op.concat([op.unsqueeze(basin, const([0])), later], axis=0)

    return model(segmenter, propose)


def gradient(grey: Var, grid: tuple[int, int]) -> Var:
    """Return |difference over rows| + |that over columns| between a cell's neighbours; borders repeat."""
    padded = op.pad(grey, const([1, 1, 1, 1]), mode="edge")
    up, left, right, down = (window(padded, *start, grid) for start in ((0, 1), (1, 0), (1, 2), (2, 1)))
    return op.add(op.abs(op.sub(down, up)), op.abs(op.sub(right, left)))


def window(padded: Var, row: int, column: int, grid: tuple[int, int]) -> Var:
    """Return the [h, w] part of a larger tensor that starts at (row, column)."""
    return op.slice(padded, const([row, column]), const([row + grid[0], column + grid[1]]), const([0, 1]))


def basins(slope: Var, grid: tuple[int, int]) -> Var:
    """Return catchment basins, int64 [h, w], numbered from 0 in raster order of their minima."""
    cells = grid[0] * grid[1]
    place = const(np.arange(cells).reshape(grid))
    rank = op.pad(op.add(op.mul(slope, const(cells)), place), const([1, 1, 1, 1]), const(FAR))
    lowest = op.min([window(rank, *start, grid) for start in ((1, 1), (0, 1), (1, 0), (1, 2), (2, 1))])
    drain = op.reshape(op.mod(lowest, const(cells)), const([-1]))
    # Each round doubles the way: what lies at most 2 ** 13 cells away needs 13.
    for _ in range(int(np.ceil(np.log2(cells)))):
        drain = op.gather(drain, drain, axis=0)
    minimum = op.cast(op.equal(drain, const(np.arange(cells))), to=np.int64)
    number = op.sub(op.cumsum(minimum, const(0)), const(1))
    return op.reshape(op.gather(number, drain, axis=0), const(grid))


def merge(regions: Var, slope: Var, grid: tuple[int, int]) -> tuple[Var, Var]:
    """Merge pairs that are each other's weakest border: regions int64 [h, w], and which are new, bool [n]."""
    flat = const([-1])
    count = op.add(op.reduce_max(regions, keepdims=False), const(1))
    index = op.range(const(0), count, const(1))
    nothing = op.mul(index, const(0))
    ones = const(np.ones(grid[0] * grid[1]))
    area = op.scatter_elements(nothing, op.reshape(regions, flat), ones, axis=0, reduction="add")
    pairs, heights = [], []
    for axis, cells in enumerate(grid):
        near, far = (
            [op.slice(values, const([start]), const([start + cells - 1]), const([axis])) for start in (0, 1)]
            for values in (regions, slope)
        )
        pairs.append(op.reshape(op.add(op.mul(op.min(near), count), op.max(near)), flat))
        heights.append(op.reshape(op.max(far), flat))
    pair, height = op.concat(pairs, axis=0), op.concat(heights, axis=0)
    square = op.expand(const(0), op.reshape(op.mul(count, count), const([1])))
    side = op.reshape(count, const([1]))
    shape = op.concat([side, side], axis=0)

    def both_ways(values: Var) -> Var:
        matrix = op.reshape(op.scatter_elements(square, pair, values, axis=0, reduction="add"), shape)
        return op.cast(op.add(matrix, op.transpose(matrix, perm=[1, 0])), to=np.float64)

    length = both_ways(op.expand(const(1), op.shape(pair)))
    total = both_ways(height)
    size = op.cast(area, to=np.float64)
    small = op.sqrt(op.min([op.unsqueeze(size, const([1])), size]))
    mean = op.div(total, op.max([length, const(1, np.float64)]))
    apart = op.not_(op.equal(op.unsqueeze(index, const([1])), index))
    borders = op.and_(op.greater(length, const(0, np.float64)), apart)
    cost = op.where(borders, op.mul(mean, small), const(np.inf, np.float64))
    weakest = op.arg_min(cost, axis=1, keepdims=False)
    bounded = op.less(op.reduce_min(cost, const([1]), keepdims=False), const(np.inf, np.float64))
    mutual = op.and_(op.equal(op.gather(weakest, weakest, axis=0), index), bounded)
    parent = op.where(mutual, op.min([index, weakest]), index)
    first = op.equal(parent, index)
    number = op.sub(op.cumsum(op.cast(first, to=np.int64), const(0)), const(1))
    renumbered = op.gather(op.gather(number, parent, axis=0), op.reshape(regions, flat), axis=0)
    return op.reshape(renumbered, const(grid)), op.compress(mutual, first, axis=0)
