"""From probability to mask inside the graph: the twin of `hybridseg.postprocess.apply_operating_point`."""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from ..postprocess import OperatingPoint
from .batch import const
from .components import fill_holes, keep_components


def apply_operating_point(probability: Var, point: OperatingPoint) -> Var:
    """Return the bool mask [H, W] of a float32 probability [H, W], bit for bit as Python decides it."""
    mask = op.greater_or_equal(probability, const(point.threshold, np.float32))
    if point.fill_holes:
        mask = fill_holes(mask)
    if point.largest_only or point.min_area_fraction > 0.0:
        area = smallest_area(mask, point.min_area_fraction) if point.min_area_fraction > 0.0 else None
        mask = keep_components(mask, largest_only=point.largest_only, min_area_px=area)
    if point.presence_threshold > 0.0:
        inside = op.reduce_max(op.where(mask, probability, const(0.0, np.float32)), keepdims=False)
        mask = op.and_(mask, op.greater_or_equal(inside, const(point.presence_threshold, np.float32)))
    return mask


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
