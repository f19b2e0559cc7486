"""UNeXt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import KnownNetwork
from .layers import doubled, finish, halved, image_input, normalised

SHIFTS = (-2, -1, 0, 1, 2)
"""Fifths of the channels move by so many pixels."""


class UNeXtSegmenter(KnownNetwork):
    """UNeXt of Valanarasu and Patel (2022): convolutions, then perceptrons on shifted tokens.

    Parameters
    ----------
    width : int, optional
        Filters of the first published layer, 16 if not given, the others in proportion.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 64.

    References
    ----------
    J. M. J. Valanarasu, V. M. Patel, UNeXt: MLP-based rapid medical image segmentation network, MICCAI 2022,
    doi 10.1007/978-3-031-16443-9_3, arXiv:2203.04967; code https://github.com/jeya-maria-jose/UNeXt-pytorch. The
    paper's network: 16, 32, 128, 160 and 256 channels.
    """

    published_width = 16
    multiple = 64

    def _build(self, size: int) -> Any:
        import keras

        def three(x: Any, filters: int, stride: int = 1) -> Any:
            return keras.layers.Conv2D(filters, 3, strides=stride, padding="same")(x)

        image, x = image_input(size)
        filters = [self.scaled(each) for each in (16, 32, 128, 160, 256)]
        skips = []
        for each in filters[:3]:
            x = keras.layers.ReLU()(halved(normalised(three(x, each))))
            skips.append(x)
        for each in filters[3:]:
            x = _layer_norm(_shifted_perceptron(_layer_norm(three(x, each, 2))))
            skips.append(x)
        skips.pop()  # the last one is where the way back begins
        for each, tokens in zip((*filters[3::-1], filters[0]), (True, True, False, False, False), strict=True):
            x = three(x, each)
            if skips:
                x = normalised(x)
            x = keras.layers.ReLU()(doubled(x, "bilinear"))
            if skips:
                x = keras.layers.Add()([x, skips.pop()])
            if tokens:
                x = _layer_norm(_shifted_perceptron(x))
        return finish(image, x, "unext")


def _layer_norm(x: Any) -> Any:
    import keras

    return keras.layers.LayerNormalization(epsilon=1e-5)(x)


def _shifted_perceptron(x: Any) -> Any:
    """Two dense layers over the channels of each pixel, fifths of them shifted along the rows, then the columns."""
    import keras

    filters = x.shape[-1]
    y = keras.layers.Dense(filters)(shifted(_layer_norm(x), axis=1))
    y = keras.layers.Activation("gelu")(keras.layers.DepthwiseConv2D(3, padding="same")(y))
    y = keras.layers.Dense(filters)(shifted(y, axis=2))
    return keras.layers.Add()([x, y])


def shifted(x: Any, axis: int) -> Any:
    """Return (N, H, W, C) whose fifths of the channels moved along an axis; zeros come in.

    As a depthwise convolution with fixed kernels of one 1 and four 0, which every runtime has.
    """
    import keras

    def kernels(shape: tuple[int, ...], dtype: Any = None) -> NDArray[np.float32]:
        made = np.zeros(shape, dtype)
        channels = np.arange(shape[2])
        moved = np.array(SHIFTS)[channels // -(-shape[2] // len(SHIFTS))]
        taps = 2 - moved
        made[(taps, 0, channels, 0) if axis == 1 else (0, taps, channels, 0)] = 1
        return made

    return keras.layers.DepthwiseConv2D(
        (len(SHIFTS), 1) if axis == 1 else (1, len(SHIFTS)), padding="same", use_bias=False,
        depthwise_initializer=kernels, trainable=False,
    )(x)  # fmt: skip
