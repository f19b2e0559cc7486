"""The networks, on Keras' public API only, so that any Keras backend can train them.

Input: float32 (N, S, S, 1), grey values 0..255. Output: float32 (N, S, S, 1), lesion probability. The last decoder
level works at half the input's size. Outlines there are smoother than the annotations' own scatter. The level that is
left out would cost more than all others together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..onnx.storing import SMALLEST_QUANTISED
from .imagenet import load_lite0

Levels = tuple[tuple[int, int], ...]
"""Filters and convolutions of each level of a decoder, from the deepest on."""

# (filters, kernel, stride, expansion, repeats): EfficientNet-Lite0, after M. Tan and Q. Le, EfficientNet (ICML 2019,
# arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, as published with the Lite variants.
LITE0_STAGES = (
    (16, 3, 1, 1, 1),
    (24, 3, 2, 6, 2),
    (40, 5, 2, 6, 2),
    (80, 3, 2, 6, 3),
    (112, 5, 1, 6, 3),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)
LITE0_DECODER = ((128, 2), (64, 2), (32, 1), (16, 1))  # (filters, convolutions), from 1/16 of the input's size to 1/2
# The short one ends with the second block of the sixth stage, decodes with separable convolutions and is trained for
# kernels of 4 bits: two fifths of the parameters, in a quarter of the bytes that the whole one takes in 8 bits.
SHORT_STAGES = (*LITE0_STAGES[:5], (192, 5, 2, 6, 2))
SHORT_DECODER = ((96, 2), (64, 2), (32, 1), (16, 1))


def build_network(encoder: str, size: int, width: int = 16) -> Any:
    """Return an untrained `keras.Model`.

    Parameters
    ----------
    encoder : str
        A name of `ENCODERS`. ``none`` is the plain U-Net of O. Ronneberger et al. (MICCAI 2015, doi
        10.1007/978-3-319-24574-4_28) with batch normalisation and bilinear up-sampling.
    size : int
        Side of the square input, in pixels; a multiple of 32.
    width : int
        Filters of the plain U-Net's first level; the pretrained encoders ignore it.
    """
    import keras

    check_shape(encoder, size, width)
    image = keras.Input((size, size, 1), name="image")
    # EfficientNet-Lite0's own normalisation, (x - 127) / 128, is part of the network.
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="normalise")(image)
    chosen = ENCODERS[encoder]
    x, skips = chosen.build(x, width)
    for level, ((filters, convolutions), skip) in enumerate(zip(chosen.decoder(width), reversed(skips), strict=True)):
        x = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"decoder_{level}_up")(x)
        x = keras.layers.Concatenate(name=f"decoder_{level}_join")([x, skip])
        for k in range(convolutions):
            x = chosen.block(x, filters, 3, f"decoder_{level}_{k}", f"decoder_{level}_{k}_bn", relu=keras.layers.ReLU)
    x = keras.layers.Conv2D(1, 3, padding="same", name="logit")(x)
    x = keras.layers.UpSampling2D(2, interpolation="bilinear", name="logit_up")(x)
    x = keras.layers.Activation("sigmoid", name="probability", dtype="float32")(x)
    return keras.Model(image, x, name=f"unet_{encoder.replace('-', '_')}_{size}")


def check_shape(encoder: str, size: int, width: int) -> None:
    """Raise ValueError for an encoder, a size or a width that `build_network` doesn't know."""
    if encoder not in ENCODERS:
        raise ValueError(f"`encoder` must be one of {', '.join(ENCODERS)}, got {encoder!r}")
    if size < 32 or size % 32:
        raise ValueError(f"`size` must be a positive multiple of 32, got {size}")
    if width < 1:
        raise ValueError(f"`width` must be at least 1, got {width}")


def _conv(
    x: Any,
    filters: int,
    kernel: int,
    name: str,
    bn_name: str,
    *,
    stride: int = 1,
    relu: Any = None,
    four_bits: bool = False,
) -> Any:
    """Convolution, batch normalisation, and an activation layer if given; kernels that a file would keep in 4 bits,
    as it would keep them."""
    import keras

    from .batchnorm import FusedBatchNormalization

    layer = keras.layers.Conv2D
    if four_bits and kernel * kernel * x.shape[-1] * filters >= SMALLEST_QUANTISED:
        from .fourbit import FourBitConv2D

        layer = FourBitConv2D
    x = layer(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    x = FusedBatchNormalization(epsilon=1e-3, name=bn_name)(x)
    return relu(name=f"{name}_relu")(x) if relu else x


_four_bit_conv = partial(_conv, four_bits=True)


def _separable_conv(x: Any, filters: int, kernel: int, name: str, bn_name: str, *, relu: Any = None) -> Any:
    """Depthwise, then pointwise convolution, batch normalisation, and an activation layer if given."""
    import keras

    x = keras.layers.DepthwiseConv2D(kernel, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    return _four_bit_conv(x, filters, 1, name, bn_name, relu=relu)


def _lite0(x: Any, stages: tuple[tuple[int, int, int, int, int], ...], conv: Any) -> tuple[Any, list[Any]]:
    """EfficientNet-Lite0 without its head, or the first blocks of its stages; skips are what each halving starts from.

    Layers are named after the published weights' tensors, which is what `imagenet.load_lite0` goes by.
    """
    import keras

    from .batchnorm import FusedBatchNormalization

    def relu6(name: str) -> Any:
        return keras.layers.ReLU(6.0, name=name)

    x = conv(x, 32, 3, "encoder__conv_stem", "encoder__bn0", stride=2, relu=relu6)
    skips = []
    for k, (filters, kernel, first_stride, expansion, repeats) in enumerate(stages):
        published_before = sum(stage[-1] for stage in LITE0_STAGES[:k])
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            if stride == 2:
                skips.append(x)
            name = f"encoder__blocks-{published_before + repeat}-"
            shortcut, channels = x, x.shape[-1]
            if expansion > 1:
                x = conv(x, channels * expansion, 1, f"{name}_expand_conv", f"{name}_bn0", relu=relu6)
            x = keras.layers.DepthwiseConv2D(
                kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
            )(x)
            x = FusedBatchNormalization(epsilon=1e-3, name=f"{name}_bn1")(x)
            x = relu6(f"{name}_depthwise_relu")(x)
            x = conv(x, filters, 1, f"{name}_project_conv", f"{name}_bn2")
            if stride == 1 and channels == filters:
                x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return x, skips


def _plain_encoder(x: Any, width: int) -> tuple[Any, list[Any]]:
    """Two convolutions a level, halving by stride; skips at 1/2 to 1/16 of the input's size."""
    import keras

    skips = []
    x = _conv(x, width, 3, "level_0_0", "level_0_0_bn", stride=2, relu=keras.layers.ReLU)
    for level in range(1, 5):
        skips.append(x)
        x = _conv(x, width * 2**level, 3, f"level_{level}_0", f"level_{level}_0_bn", stride=2, relu=keras.layers.ReLU)
        x = _conv(x, width * 2**level, 3, f"level_{level}_1", f"level_{level}_1_bn", relu=keras.layers.ReLU)
    return x, skips


@dataclass(frozen=True)
class Encoder:
    """What stands in `build_network` for the name of an encoder.

    Attributes
    ----------
    build : callable
        ``build(x, width)`` returns the deepest level and the skips, one from before each halving but the first.
    decoder : callable
        ``decoder(width)`` returns its `Levels`, as many as there are skips.
    block : callable
        A convolution of the decoder.
    load_pretrained : callable or None
        ``load_pretrained(model)`` sets the encoder's layers to published weights. None: there are none.
    """

    build: Callable[[Any, int], tuple[Any, list[Any]]]
    decoder: Callable[[int], Levels]
    block: Callable[..., Any] = _conv
    load_pretrained: Callable[[Any], None] | None = None


ENCODERS = {
    "efficientnet-lite0": Encoder(
        lambda x, width: _lite0(x, LITE0_STAGES, _conv), lambda width: LITE0_DECODER, load_pretrained=load_lite0
    ),
    "efficientnet-lite0-short": Encoder(
        lambda x, width: _lite0(x, SHORT_STAGES, _four_bit_conv),
        lambda width: SHORT_DECODER,
        _separable_conv,
        load_lite0,
    ),
    "none": Encoder(_plain_encoder, lambda width: tuple((width * 2**k, 1) for k in (3, 2, 1, 0))),
}
