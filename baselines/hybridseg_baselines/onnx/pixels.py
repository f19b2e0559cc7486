"""`PixelForestSegmenter` as a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import (
    apply_operating_point,
    assemble,
    const,
    convolve,
    find_scan,
    gaussian,
    put_back,
    sum_of_trees,
)

from ..grid import FINE
from ..multiscale import SIGMAS, scales
from ..trees import FULL, FlatTrees
from .forest import own_numbers
from .grid import from_grid, to_grid


def pixel_forest_model(segmenter: Any, forest: FlatTrees) -> Any:
    """Return the `onnx.ModelProto` of a fitted `PixelForestSegmenter` and its trees."""
    grid = segmenter.grid
    trees = own_numbers(forest)

    def single(image: Var) -> tuple[Var, Var]:
        starts, ends = find_scan(image)
        scan = op.slice(image, starts, ends)
        picture = op.div(op.cast(to_grid(scan, grid), to=np.float32), const(255 * FINE, np.float32))
        total = op.cast(sum_of_trees(multiscale(picture), trees), to=np.int64)
        mean = op.reshape(op.div(total, const(len(trees.sizes))), const(grid))
        cells = op.div(op.cast(mean, to=np.float32), const(FULL, np.float32))
        probability = put_back(from_grid(cells, grid, scan), image, starts, ends)
        return apply_operating_point(probability, segmenter.current_operating_point), probability

    return assemble(single)


def multiscale(picture: Var) -> Var:
    """Return `pixels.multiscale` of a float32 [h, w], one row a pixel: float32 [h * w, F], whole numbers."""
    columns = []
    for sigma in SIGMAS:
        smoothed = gaussian(picture, sigma)
        down, right = _gradient(smoothed, 0), _gradient(smoothed, 1)
        columns += [smoothed, _sobel(smoothed)]
        columns += _eigenvalues(_gradient(down, 0), _gradient(down, 1), _gradient(right, 1))
    rows = op.concat([op.reshape(column, const([-1, 1])) for column in columns], axis=1)
    return op.round(op.mul(rows, const(scales(), np.float32)))


def _gradient(values: Var, axis: int) -> Var:
    """`np.gradient` of [h, w] along an axis: half the difference of neighbours, one-sided at the edges."""
    last = np.iinfo(np.int64).max

    def part(start: int, end: int) -> Var:
        return op.slice(values, const([start]), const([end]), const([axis]))

    middle = op.mul(op.sub(part(2, last), part(0, -2)), const(0.5, np.float32))
    return op.concat([op.sub(part(1, 2), part(0, 1)), middle, op.sub(part(-1, last), part(-2, -1))], axis=axis)


def _sobel(values: Var) -> Var:
    """`skimage.filters.sobel`; its border reflects, which for three taps is repeating."""
    smoothing, edge = const([0.25, 0.5, 0.25], np.float32), const([1, 0, -1], np.float32)
    down = convolve(convolve(values, edge, axis=0), smoothing, axis=1)
    right = convolve(convolve(values, edge, axis=1), smoothing, axis=0)
    squares = op.add(op.mul(down, down), op.mul(right, right))
    return op.mul(op.sqrt(squares), const(np.sqrt(0.5), np.float32))


def _eigenvalues(rows: Var, mixed: Var, columns: Var) -> list[Var]:
    half = const(0.5, np.float32)
    mean, apart = op.mul(op.add(rows, columns), half), op.mul(op.sub(rows, columns), half)
    root = op.sqrt(op.add(op.mul(mixed, mixed), op.mul(apart, apart)))
    return [op.add(mean, root), op.sub(mean, root)]
