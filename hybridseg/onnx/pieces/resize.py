"""Resizing inside the graph, there and back, and mirroring."""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from .batch import const


def resize(image: Var, size: Var) -> Var:
    """Stretch a float32 [H, W] to ``size`` (int64 [2]) as Pillow's BILINEAR does on mode F.

    Antialiased where it shrinks, bilinear between pixel centres where it grows. The border counts only what
    lies inside the image (``exclude_outside``), as in Pillow. On grey levels 0..255 the two agree to 2e-3.
    """
    resized = op.resize(
        op.unsqueeze(image, const([0, 1])),
        sizes=op.concat([const([1, 1]), size], axis=0),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
        antialias=1,
        exclude_outside=1,
    )
    return op.reshape(resized, size)


def resize_batch(pictures: Var, side: int) -> Var:
    """Stretch float32 [N, S, S, 1] to [N, ``side``, ``side``, 1], as `resize` does."""
    planes = op.transpose(pictures, perm=[0, 3, 1, 2])
    resized = op.resize(
        planes,
        sizes=op.concat([op.slice(op.shape(planes), const([0]), const([2])), const([side, side])], axis=0),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
        antialias=1,
        exclude_outside=1,
    )
    return op.reshape(resized, const([-1, side, side, 1]))


def flip_columns(image: Var, axis: int = 1) -> Var:
    """Return a tensor [H, W, C], or another with columns along ``axis``, mirrored left to right."""
    last = np.iinfo(np.int64).min
    return op.slice(image, const([-1]), const([last]), const([axis]), const([-1]))
