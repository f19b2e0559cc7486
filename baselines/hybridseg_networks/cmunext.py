"""CMUNeXt and CMUNeXt-S."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import KnownNetwork
from .layers import conv, doubled, finish, halved, image_input, joined, normalised


class CMUNeXtSegmenter(KnownNetwork):
    """CMUNeXt of Tang et al. (2024): large depthwise kernels, skips fused by grouped convolutions.

    Parameters
    ----------
    width : int, optional
        Filters of the first level, 16 if not given, the others in proportion.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 16.

    References
    ----------
    F. Tang et al., CMUNeXt: an efficient medical image segmentation network based on large kernel and skip fusion,
    ISBI 2024, arXiv:2308.01239; code https://github.com/FengheTan9/CMUNeXt.
    """

    published_width = 16
    filters: ClassVar[tuple[int, ...]] = (16, 32, 128, 160, 256)
    depths: ClassVar[tuple[int, ...]] = (1, 1, 1, 3, 1)
    kernels: ClassVar[tuple[int, ...]] = (3, 3, 7, 7, 7)

    def _build(self, size: int) -> Any:
        image, x = image_input(size)
        filters = [self.scaled(each) for each in self.filters]
        x = conv(x, filters[0])
        skips = []
        for level, each in enumerate(filters):
            if level:
                skips.append(x)
                x = halved(x)
            for _ in range(self.depths[level]):
                x = _block(x, self.kernels[level])
            x = conv(x, each)
        for each, skip in zip(filters[-2::-1], reversed(skips), strict=True):
            x = _fused(joined([skip, conv(doubled(x, "bilinear"), each)]), each)
        return finish(image, x, type(self).__name__.removesuffix("Segmenter").lower())


class CMUNeXtSSegmenter(CMUNeXtSegmenter):
    """CMUNeXt-S of Tang et al. (2024): the small variant of CMUNeXt.

    Parameters
    ----------
    width : int, optional
        Filters of the first level, 8 if not given, the others in proportion.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 16.

    References
    ----------
    As for `CMUNeXtSegmenter`.
    """

    published_width = 8
    filters = (8, 16, 32, 64, 128)
    depths = (1, 1, 1, 1, 1)
    kernels = (3, 3, 7, 7, 9)


def _gelu_norm(x: Any) -> Any:
    import keras

    return normalised(keras.layers.Activation("gelu")(x))


def _block(x: Any, kernel: int) -> Any:
    """Depthwise convolution beside a shortcut, then four times wider and back."""
    import keras

    filters = x.shape[-1]
    x = keras.layers.Add()([x, _gelu_norm(keras.layers.DepthwiseConv2D(kernel, padding="same")(x))])
    x = _gelu_norm(keras.layers.Conv2D(4 * filters, 1)(x))
    return _gelu_norm(keras.layers.Conv2D(filters, 1)(x))


def _fused(x: Any, filters: int) -> Any:
    """Each half of the channels by itself, then four times wider and back."""
    import keras

    half = x.shape[-1] // 2
    parts = [x[..., :half], x[..., half:]]
    x = joined([keras.layers.Conv2D(half, 3, padding="same")(part) for part in parts])
    x = _gelu_norm(keras.layers.Conv2D(4 * filters, 1)(_gelu_norm(x)))
    return _gelu_norm(keras.layers.Conv2D(filters, 1)(x))
