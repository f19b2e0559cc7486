"""Convolutions trained with the kernels that a file stores in 4 bits."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..onnx.storing import LARGEST_CODE, SMALLEST_KEPT


class FourBitConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution whose kernel takes 15 values in each output channel, those of `storing.quantise` with 4 bits.

    Its weights are single-precision numbers. The rounded values act, in training, too. Their slope passes through the
    rounding (straight-through estimator: Y. Bengio et al. 2013, arXiv:1308.3432; quantisation-aware training: B. Jacob
    et al., CVPR 2018, doi 10.1109/CVPR.2018.00286).
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve with the rounded kernel (rows, columns, in, out)."""
        largest = ops.max(ops.abs(kernel), axis=(0, 1, 2), keepdims=True)
        scale = ops.where(largest > SMALLEST_KEPT, largest / LARGEST_CODE[4], 1.0)
        rounded = ops.round(kernel / scale) * scale
        return super().convolution_op(inputs, kernel + ops.stop_gradient(rounded - kernel))
