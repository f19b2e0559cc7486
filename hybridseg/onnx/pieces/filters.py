"""Smoothing filters on one image [H, W] inside a graph."""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from .batch import const
from .morphology import windows


def convolve(image: Var, taps: Var, *, axis: int) -> Var:
    """Correlate a float32 [H, W] with an odd number of float32 taps along one axis; the border repeats."""
    count = taps.unwrap_tensor().shape
    if count is None or not isinstance(count[0], int) or count[0] % 2 == 0:
        raise ValueError(f"`taps` must have a fixed, odd length, got shape {count}")
    radius = count[0] // 2
    pads = [0, 0, 0, 0]
    pads[axis] = pads[2 + axis] = radius
    padded = op.pad(image, const(pads), mode="edge")
    kernel = op.reshape(taps, const([1, 1, -1, 1] if axis == 0 else [1, 1, 1, -1]))
    result = op.conv(op.unsqueeze(padded, const([0, 1])), kernel)
    return op.squeeze(result, const([0, 1]))


def gaussian(image: Var, sigma: float, *, truncate: float = 4.0) -> Var:
    """Smooth a float32 [H, W]: `scipy.ndimage.gaussian_filter` with mode "nearest", to float32 rounding."""
    if not sigma > 0:
        raise ValueError(f"`sigma` must be positive, got {sigma}")
    radius = int(truncate * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = const(taps / taps.sum(), np.float32)
    return convolve(convolve(image, weights, axis=0), weights, axis=1)


def box_mean(image: Var, radius: int) -> Var:
    """Mean over a square of ``2 radius + 1`` pixels of a uint8 [H, W], float32; the border repeats.

    From running sums of integers: its cost doesn't depend on the radius, and the sums are exact.
    """
    size = 2 * radius + 1
    padded = op.pad(image, const([radius + 1, radius + 1, radius, radius]), mode="edge")
    total = op.cumsum(op.cumsum(op.cast(padded, to=np.int64), const(0)), const(1))
    for axis in (0, 1):
        past = const([np.iinfo(np.int64).max])
        late = op.slice(total, const([size]), past, const([axis]))
        early = op.slice(total, const([0]), const([-size]), const([axis]))
        total = op.sub(late, early)
    return op.div(op.cast(total, to=np.float32), const(size * size, np.float32))


def median3(image: Var) -> Var:
    """Median of the 3x3 neighbourhood of a uint8 [H, W]: `scipy.ndimage.median_filter` with mode "nearest".

    Minima and maxima of whole shifted images, after A. W. Paeth, Median finding on a 3x3 grid, in: Graphics
    Gems, 1990.
    """
    p = windows(image, [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)])

    def order(a: int, b: int) -> None:
        p[a], p[b] = op.min([p[a], p[b]]), op.max([p[a], p[b]])

    for first in (0, 3, 6):
        order(first + 1, first + 2)
        order(first, first + 1)
        order(first + 1, first + 2)
    # Columns sorted: the largest of the minima, the median of the medians, the smallest of the maxima remain.
    low = op.max([p[0], p[3], p[6]])
    high = op.min([p[2], p[5], p[8]])
    order(1, 4)
    middle = op.max([p[1], op.min([p[4], p[7]])])
    smaller, larger = op.min([low, middle]), op.max([low, middle])
    return op.max([smaller, op.min([larger, high])])
