"""The methods of ``textbook`` as graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import (
    apply_operating_point,
    assemble,
    const,
    dilate,
    erode,
    fill_holes,
    find_scan,
    keep_components,
    put_back,
)
from hybridseg.postprocess import PROBABILITY_STEPS

from ..grid import CENTRALITY, FAR, FINE, GRID
from .grid import from_grid, smooth
from .otsu import otsu_of_classes
from .watershed import gradient, window


def model(segmenter: Any, region: Callable[[Var], Var]) -> Any:
    """Return the `onnx.ModelProto` of a `TextbookSegmenter`; ``region`` is the twin of its ``_region``."""

    def single(image: Var) -> tuple[Var, Var]:
        starts, ends = find_scan(image)
        scan = op.slice(image, starts, ends)
        cells = op.cast(region(smooth(scan, GRID, segmenter.smoothing)), to=np.float32)
        probability = put_back(from_grid(cells, GRID, scan), image, starts, ends)
        return apply_operating_point(probability, segmenter.current_operating_point), probability

    return assemble(single)


def dark_middle(grey: Var, opening: int) -> Var:
    """Return `textbook.dark_middle` of an int64 [h, w]: bool [h, w]."""
    levels = op.div(grey, const(FINE))
    ones = const(np.ones(GRID[0] * GRID[1]))
    histogram = op.scatter_elements(
        const(np.zeros(256)), op.reshape(levels, const([-1])), ones, axis=0, reduction="add"
    )
    threshold = otsu_of_classes(histogram, const([0]), const([256]))
    dark = op.cast(op.less(levels, threshold), to=np.uint8)
    opened = dilate(erode(dark, opening, shape="square"), opening, shape="square")
    filled = fill_holes(op.cast(opened, to=np.bool_))
    weights = (CENTRALITY * np.float32(PROBABILITY_STEPS)).astype(np.int64)
    return keep_components(filled, largest_by=const(weights))


def flooded(grey: Var, opening: int, margin: int) -> Var:
    """Return the region of `TextbookWatershedSegmenter` in an int64 [h, w]: bool [h, w]."""
    middle = op.cast(dark_middle(grey, opening), to=np.uint8)
    shrunk = erode(middle, margin, shape="square")
    inside = op.cast(op.where(op.equal(op.reduce_max(shrunk), const(0, np.uint8)), middle, shrunk), to=np.bool_)
    outside = op.not_(op.cast(dilate(middle, margin, shape="square"), to=np.bool_))
    slope = gradient(grey, GRID)
    return op.less(passes(slope, inside), passes(slope, outside))


def passes(slope: Var, marker: Var) -> Var:
    """Return `textbook.passes`: int64 [h, w]."""

    def body(_: Var, __: Var, reached: Var, slope: Var) -> list[Var]:
        reached = op.reshape(reached, const(GRID))
        padded = op.pad(reached, const([1, 1, 1, 1]), const(FAR))
        around = op.min([window(padded, *start, GRID) for start in ((0, 1), (2, 1), (1, 0), (1, 2))])
        lower = op.min([reached, op.max([around, op.reshape(slope, const(GRID))])])
        changed = op.greater(op.reduce_max(op.sub(reached, lower), keepdims=False), const(0))
        return [op.reshape(changed, const([1])), lower, slope]

    start, slope = (op.reshape(each, const(GRID)) for each in (op.where(marker, const(0), const(FAR)), slope))
    # A round reaches one cell further, and no way is longer than there are cells.
    reached, *_ = op.loop(const([GRID[0] * GRID[1]]), const([True], np.bool_), [start, slope], body=body)
    return op.reshape(reached, const(GRID))
