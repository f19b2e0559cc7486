"""U-Net, Attention U-Net, U-Net++, and the network of the earlier project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import KnownNetwork
from .layers import conv, doubled, finish, halved, image_input, joined, normalised, twice


class PlainUNetSegmenter(KnownNetwork):
    """U-Net of Ronneberger et al. (2015): five levels of two convolutions, 64 filters at the first.

    With batch normalisation, padded convolutions and 2x2 transposed convolutions.

    Parameters
    ----------
    width : int, optional
        Filters of the first level, 64 if not given; they double at each level.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 16.

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox, U-Net: convolutional networks for biomedical image segmentation, MICCAI 2015,
    doi 10.1007/978-3-319-24574-4_28, arXiv:1505.04597.
    """

    published_width = 64

    def _build(self, size: int) -> Any:
        import keras

        image, x = image_input(size)
        filters = [self.current_width * 2**level for level in range(5)]
        x, skips = _encoded(x, filters)
        for each, skip in zip(filters[-2::-1], reversed(skips), strict=True):
            x = keras.layers.Conv2DTranspose(each, 2, strides=2)(x)
            x = twice(joined([skip, x]), each)
        return finish(image, x, "unet_2015")


class AttentionUNetSegmenter(KnownNetwork):
    """Attention U-Net of Oktay et al. (2018): gates from below weigh each skip connection.

    In the variant of 34.9 million parameters that later papers compare with: nearest up-sampling and a convolution,
    gates at every level.

    Parameters
    ----------
    width : int, optional
        Filters of the first level, 64 if not given; they double at each level.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 16.

    References
    ----------
    O. Oktay et al., Attention U-Net: learning where to look for the pancreas, MIDL 2018, arXiv:1804.03999; code
    https://github.com/LeeJunHyun/Image_Segmentation.
    """

    published_width = 64

    def _build(self, size: int) -> Any:
        image, x = image_input(size)
        filters = [self.current_width * 2**level for level in range(5)]
        x, skips = _encoded(x, filters)
        for each, skip in zip(filters[-2::-1], reversed(skips), strict=True):
            x = conv(doubled(x), each)
            x = twice(joined([_gated(skip, x, max(1, each // 2)), x]), each)
        return finish(image, x, "attention_unet")


def _encoded(x: Any, filters: Sequence[int]) -> tuple[Any, list[Any]]:
    """Return the lowest level of a U-Net's way down, and what each level above gives to its skip connection."""
    skips = []
    for each in filters[:-1]:
        skips.append(twice(x, each))
        x = halved(skips[-1])
    return twice(x, filters[-1]), skips


def _gated(skip: Any, signal: Any, filters: int) -> Any:
    """Weigh a skip connection by what the level below says: additive attention."""
    import keras

    both = keras.layers.Add()([conv(signal, filters, 1, activation=None), conv(skip, filters, 1, activation=None)])
    gate = normalised(keras.layers.Conv2D(1, 1)(keras.layers.ReLU()(both)))
    return keras.layers.Multiply()([skip, keras.layers.Activation("sigmoid")(gate)])


class UNetPlusPlusSegmenter(KnownNetwork):
    """U-Net++ of Zhou et al. (2018): nested, dense skip connections, 32 filters at the first level.

    The output of the last node, without deep supervision; bilinear up-sampling.

    Parameters
    ----------
    width : int, optional
        Filters of the first level, 32 if not given; they double at each level.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 16.

    References
    ----------
    Z. Zhou et al., UNet++: a nested U-Net architecture for medical image segmentation, DLMIA 2018,
    doi 10.1007/978-3-030-00889-5_1, arXiv:1807.10165; code https://github.com/4uiiurz1/pytorch-nested-unet.
    """

    published_width = 32

    def _build(self, size: int) -> Any:
        image, x = image_input(size)
        nodes: dict[tuple[int, int], Any] = {}
        for depth in range(5):
            for column in range(depth + 1):
                level = depth - column
                if column:
                    before = [nodes[level, k] for k in range(column)]
                    below = joined([*before, doubled(nodes[level + 1, column - 1], "bilinear")])
                else:
                    below = halved(nodes[level - 1, 0]) if level else x
                nodes[level, column] = twice(below, self.current_width * 2**level)
        return finish(image, nodes[0, 4], "unet_plus_plus")


class DeepUNetSegmenter(KnownNetwork):
    """The earlier project's network: six stages of convolution, norm, ReLU and pooling, and back, without skips.

    Stages have 64, 128, 256, 512, 1024 and 2048 filters. The way back halves them: up-sampling and a convolution with
    norm and ReLU per stage. No paper describes it, so no published count stands beside it.

    Parameters
    ----------
    width : int, optional
        Filters of the first stage, 64 if not given; they double at each stage.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of 64.
    """

    published_width = 64
    multiple = 64

    def _build(self, size: int) -> Any:
        image, x = image_input(size)
        filters = [self.current_width * 2**stage for stage in range(6)]
        for each in filters:
            x = halved(conv(x, each))
        for each in reversed(filters):
            x = conv(doubled(x), max(1, each // 2))
        return finish(image, x, "deep_unet")
