"""Finding the scan inside the graph: the twin of `hybridseg.find_scan`."""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from ...images.scan import DARK_GREY, DARK_ONE_IN, FRAME_GREY, FRAME_SPREAD, GAP_ONE_IN
from .batch import const


def find_scan(image: Var) -> tuple[Var, Var]:
    """Return first row and column of the scan in a uint8 [H, W] and the ones past its last: int64 [2] each.

    The twin of `hybridseg.find_scan`; ``op.slice(image, starts, ends)`` is the scan.
    """
    bright = op.cast(op.greater(image, _frame_grey(image)), to=np.float32)
    left, right = _lit(bright, 1)
    bright = op.slice(bright, left, right, const([1]))
    top, bottom = _lit(bright, 0)
    inner, outer = _lit(op.slice(bright, top, bottom, const([0])), 1)
    return op.concat([top, op.add(left, inner)], axis=0), op.concat([bottom, op.add(left, outer)], axis=0)


def put_back(inside: Var, image: Var, starts: Var, ends: Var) -> Var:
    """Return float32 [H, W], the size of ``image``: ``inside`` where the scan is, 0 around it, as `np.pad` does."""
    return op.pad(inside, op.concat([starts, op.sub(op.shape(image), ends)], axis=0))


def _frame_grey(image: Var) -> Var:
    edges = const([0, -1])
    corners = op.cast(op.gather(op.gather(image, edges, axis=0), edges, axis=1), to=np.int32)
    low, high = op.reduce_min(corners, keepdims=0), op.reduce_max(corners, keepdims=0)
    spread, dark = const(FRAME_SPREAD, np.int32), const(DARK_GREY, np.int32)
    framed = op.less_or_equal(high, op.min([const(FRAME_GREY, np.int32), op.add(low, spread)]))
    return op.cast(op.where(framed, op.max([dark, op.add(high, spread)]), dark), to=np.uint8)


def _lit(lit: Var, axis: int) -> tuple[Var, Var]:
    count = op.mul(op.reduce_sum(lit, const([1 - axis]), keepdims=0), const(DARK_ONE_IN, np.float32))
    across = op.cast(op.gather(op.shape(lit), const(1 - axis)), to=np.float32)
    return _around_the_middle(op.cast(op.greater(count, across), to=np.int32))


def _around_the_middle(lit: Var) -> tuple[Var, Var]:
    """Return first and last-plus-one of an int32 [side] of 0 and 1 that are left, int64 [1] each."""
    zero, two, side = const([0]), const([2]), op.shape(lit)
    first, last = op.arg_max(lit), op.add(op.arg_max(lit, select_last_index=1), const([1]))
    middle = op.div(op.add(first, last), two)
    width = op.max([op.div(side, const([GAP_ONE_IN])), const([1])])
    sums = op.pad(op.cumsum(lit, const(0)), const([1, 0]))
    starts = op.range(const(0), op.squeeze(op.shape(sums)), const(1))
    ends = op.add(starts, width)
    fits = op.less_or_equal(ends, side)
    gap = op.and_(fits, op.equal(op.gather(sums, op.min([ends, side])), sums))
    before = op.reduce_max(op.where(op.and_(gap, op.less(starts, middle)), ends, zero), keepdims=1)
    after = op.reduce_min(op.where(op.and_(gap, op.greater(ends, middle)), starts, side), keepdims=1)
    before, after = op.max([before, first]), op.min([after, last])
    half = op.less_or_equal(op.sub(last, first), op.mul(op.sub(after, before), two))
    first, last = op.where(half, before, first), op.where(half, after, last)
    enough = op.less_or_equal(side, op.mul(op.sub(last, first), const([8])))
    return op.where(enough, first, const([0])), op.where(enough, last, side)
