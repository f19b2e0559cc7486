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
