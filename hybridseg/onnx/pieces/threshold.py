"""From probability to mask inside the graph: the twin of `hybridseg.postprocess.apply_operating_point`."""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from ...postprocess import PROBABILITY_STEPS, OperatingPoint
from .batch import const
from .components import fill_holes, keep_components


def apply_operating_point(probability: Var, point: OperatingPoint) -> Var:
    """Return the bool mask [H, W] of a float32 probability [H, W], bit for bit as Python decides it."""
    threshold = const(point.threshold, np.float32)
    if point.relative:
        threshold = op.mul(threshold, op.reduce_max(probability, keepdims=False))
    whole = op.greater_or_equal(probability, threshold)
    if point.relative:
        whole = op.and_(whole, op.greater(probability, const(0.0, np.float32)))
    # Nothing below changes a pixel outside the box around the mask, and most lesions are small.
    begin, end = bounding_box(whole)
    mask, inside = (op.slice(plane, begin, end, const([0, 1])) for plane in (whole, probability))
    if point.fill_holes:
        mask = fill_holes(mask)
    if point.largest_only or point.min_area_fraction > 0.0:
        area = smallest_area(whole, point.min_area_fraction) if point.min_area_fraction > 0.0 else None
        steps = op.cast(op.mul(inside, const(PROBABILITY_STEPS, np.float32)), to=np.int64)
        mask = keep_components(mask, largest_by=steps if point.largest_only else None, min_area_px=area)
    if point.presence_threshold > 0.0:
        highest = op.reduce_max(op.where(mask, inside, const(0.0, np.float32)), keepdims=False)
        mask = op.and_(mask, op.greater_or_equal(highest, const(point.presence_threshold, np.float32)))
    return op.pad(mask, op.concat([begin, op.sub(op.shape(whole), end)], axis=0))


def bounding_box(mask: Var) -> tuple[Var, Var]:
    """Return the first row and column of the true part of a bool [H, W], and those past its last: int64 [2] each.

    It is the first pixel's where nothing is true.
    """
    begin, end = [], []
    for axis in (1, 0):
        line = op.reduce_max(op.cast(mask, to=np.uint8), const([axis]), keepdims=False)
        first, last = (
            op.arg_max(op.cast(line, to=np.int32), axis=0, keepdims=True, select_last_index=last) for last in (0, 1)
        )
        found = op.cast(op.reduce_max(line, keepdims=True), to=np.int64)
        begin.append(first)
        end.append(op.add(op.mul(last, found), const([1])))
    return op.concat(begin, axis=0), op.concat(end, axis=0)


def smallest_area(image: Var, fraction: float) -> Var:
    """Return ``ceil(pixels * fraction)``, computed in float32, as an int64 scalar."""
    pixels = op.cast(op.size(image), to=np.float32)
    return op.cast(op.ceil(op.mul(pixels, const(fraction, np.float32))), to=np.int64)


def histogram(image: Var) -> Var:
    """Return how many pixels of a uint8 [H, W] have each grey level: int64 [256]."""
    levels = op.cast(op.reshape(image, const([-1])), to=np.int32)
    ones = op.expand(const(1, np.int32), op.shape(levels))
    counts = op.scatter_elements(const(np.zeros(256), np.int32), levels, ones, axis=0, reduction="add")
    return op.cast(counts, to=np.int64)


def otsu_threshold(image: Var) -> Var:
    """Return Otsu's threshold of a uint8 [H, W], int64: as `skimage.filters.threshold_otsu`, to the bit.

    Dark is ``image <= threshold``. A constant image has its own value as threshold: all of it is dark.

    References
    ----------
    N. Otsu (1979), doi:10.1109/TSMC.1979.4310076.
    """
    counts = histogram(image)
    levels = const(np.arange(256))
    below = op.cumsum(counts, const(0))
    total = op.cumsum(op.mul(counts, levels), const(0))
    n, sum_all = (op.gather(values, const(255), axis=0) for values in (below, total))
    above = op.sub(n, below)
    split = op.and_(op.greater(below, const(0)), op.greater(above, const(0)))

    def double(values: Var) -> Var:
        return op.cast(values, to=np.float64)

    mean_below = op.div(double(total), double(op.max([below, const(1)])))
    mean_above = op.div(double(op.sub(sum_all, total)), double(op.max([above, const(1)])))
    # scikit-image keeps the two weights in float32; their product is rounded there.
    weights = op.mul(op.cast(below, to=np.float32), op.cast(above, to=np.float32))
    difference = op.sub(mean_below, mean_above)
    variance = op.mul(double(weights), op.mul(difference, difference))
    variance = op.where(split, variance, const(-1.0, np.float64))
    best = op.arg_max(variance, axis=0, keepdims=False)
    only = op.cast(op.reduce_max(image, keepdims=False), to=np.int64)
    constant = op.not_(op.cast(op.reduce_max(op.cast(split, to=np.int32), keepdims=False), to=np.bool_))
    return op.where(constant, only, best)
