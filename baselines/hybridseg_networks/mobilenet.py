"""U-Net on MobileNetV2."""

from __future__ import annotations

from typing import Any

from .base import KnownNetwork
from .layers import conv, doubled, finish, image_input, joined

SKIPS = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu")
"""Layers at 1/2 to 1/16 of the input's size."""


class MobileNetV2UNetSegmenter(KnownNetwork):
    """U-Net whose encoder is MobileNetV2 of Sandler et al. (2018), not pretrained.

    The encoder ends with its 320 channels; the decoder has five levels of up-sampling and two convolutions.

    Parameters
    ----------
    width : int, optional
        Filters of the last level of the decoder, 16 if not given, the others and the encoder's in proportion.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 32.

    References
    ----------
    M. Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, CVPR 2018,
    doi 10.1109/CVPR.2018.00474, arXiv:1801.04381 (encoder). O. Ronneberger et al., MICCAI 2015,
    doi 10.1007/978-3-319-24574-4_28 (decoder).
    """

    published_width = 16
    multiple = 32

    def _build(self, size: int) -> Any:
        import keras

        image, x = image_input(size)
        alpha = self.current_width / self.published_width
        encoder = keras.applications.MobileNetV2((size, size, 1), alpha=alpha, include_top=False, weights=None)
        ends = [encoder.get_layer(name).output for name in (*SKIPS, "block_16_project_BN")]
        *skips, x = keras.Model(encoder.input, ends)(x)
        for each, skip in zip((256, 128, 64, 32, 16), (*reversed(skips), None), strict=True):
            x = doubled(x, "bilinear")
            x = joined([skip, x]) if skip is not None else x
            x = conv(conv(x, self.scaled(each)), self.scaled(each))
        return finish(image, x, "mobilenet_v2_unet")
