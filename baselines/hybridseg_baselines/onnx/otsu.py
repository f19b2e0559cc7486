"""`OtsuSegmenter` as a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import const

from ..candidates import CandidateSegmenter
from ..grid import FINE, bowl
from .candidates import model
from .grid import box_mean, close, smooth


def otsu_model(segmenter: CandidateSegmenter, *, depth: int, surroundings: int, edge: float) -> Any:
    """Return the `onnx.ModelProto` of an `OtsuSegmenter`; ``edge`` is its ``bowl``."""
    grid = segmenter.grid

    def propose(image: Var) -> tuple[Var, Var]:
        grey = smooth(image, grid, 2)
        flat = op.sub(grey, box_mean(grey, grid, surroundings))
        flat = op.add(flat, const(128 * FINE + bowl(grid, edge)))
        bounded = op.min([op.max([flat, const(0)]), const(256 * FINE - 1)])
        levels = op.div(bounded, const(FINE))
        ones = const(np.ones(grid[0] * grid[1]))
        histogram = op.scatter_elements(
            const(np.zeros(256)), op.reshape(levels, const([-1])), ones, axis=0, reduction="add"
        )
        thresholds = recursive_otsu(histogram, depth)
        closed = [close(levels, grid, radius) for radius in (1, 2)]
        each = op.unsqueeze(thresholds, const([1, 2]))
        return grey, op.concat([op.less(dark, each) for dark in closed], axis=0)

    return model(segmenter, propose)


def recursive_otsu(histogram: Var, depth: int) -> Var:
    """Return the ``2 ** depth - 1`` thresholds of ``otsu.recursive_otsu``, unsorted; 0 where there is none.

    Parameters
    ----------
    histogram : Var
        int64 [256].
    """
    low, high = const([0]), const([256])
    found = []
    for _ in range(depth):
        split = otsu_of_classes(histogram, low, high)
        found.append(op.where(op.greater(split, low), split, const(0)))
        # A class that isn't split is its own upper half; the lower one is empty.
        low, high = op.concat([low, split], axis=0), op.concat([split, high], axis=0)
    return op.concat(found, axis=0)


def otsu_of_classes(histogram: Var, low: Var, high: Var) -> Var:
    """Return where classes ``low[i] <= grey < high[i]`` split: the bright part's first level, or low[i]."""
    levels = np.arange(256)
    column = const([1])
    inside = op.and_(
        op.greater_or_equal(const(levels), op.unsqueeze(low, column)),
        op.less(const(levels), op.unsqueeze(high, column)),
    )
    each = op.where(inside, histogram, const(0))
    count = op.cumsum(each, const(1))
    total = op.cumsum(op.mul(each, const(levels)), const(1))
    n, n_total = (op.slice(part, const([255]), const([256]), const([1])) for part in (count, total))
    difference = op.cast(op.sub(op.mul(n, total), op.mul(count, n_total)), to=np.float64)
    both = op.mul(op.cast(count, to=np.float64), op.cast(op.sub(n, count), to=np.float64))
    some = op.max([both, const(1, np.float64)])
    variance = op.where(
        op.greater(both, const(0, np.float64)),
        op.div(op.mul(difference, difference), some),
        const(0, np.float64),
    )
    best = op.add(op.arg_max(variance, axis=1, keepdims=False), const(1))
    splits = op.greater(op.reduce_max(variance, const([1]), keepdims=False), const(0, np.float64))
    return op.where(splits, best, low)
