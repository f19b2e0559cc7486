"""The known networks have the parameters and multiply-adds that were published for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

pytest.importorskip("tensorflow")

import keras
import numpy as np
from hybridseg_networks.cmunext import CMUNeXtSegmenter, CMUNeXtSSegmenter
from hybridseg_networks.mobilenet import MobileNetV2UNetSegmenter
from hybridseg_networks.unets import (
    AttentionUNetSegmenter,
    DeepUNetSegmenter,
    PlainUNetSegmenter,
    UNetPlusPlusSegmenter,
)
from hybridseg_networks.unext import UNeXtSegmenter, shifted

SIZE = 256
"""All published figures are for 256 x 256 pixels in three channels."""
WITHIN = 0.02
ULTRASEG = "https://github.com/AI-thpremed/ultraseg (arXiv:2602.04381), its README's UNet-B"
LOMIX = "M. M. Rahman, R. Marculescu, LoMix (https://github.com/SLDGroup/LoMix), table S3"
CMUNEXT = "F. Tang et al. (ISBI 2024, arXiv:2308.01239), table 1"
BENCHMARKS = "https://github.com/FengheTan9/Medical-Image-Segmentation-Benchmarks, README, results on BUSI"


@dataclass(frozen=True)
class Published:
    """Millions of parameters, thousand millions of multiply-adds, and where both stand."""

    parameters: float
    multiply_adds: float
    source: str


PUBLISHED = {
    PlainUNetSegmenter: Published(31.04, 54.8, ULTRASEG),
    UNetPlusPlusSegmenter: Published(9.16, 34.65, LOMIX),
    AttentionUNetSegmenter: Published(34.87, 66.63, BENCHMARKS),
    UNeXtSegmenter: Published(1.47, 0.58, BENCHMARKS),
    CMUNeXtSegmenter: Published(3.14, 7.41, BENCHMARKS),
    CMUNeXtSSegmenter: Published(0.41, 1.09, CMUNEXT),
}


def leaves(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def parameters(model: keras.Model) -> int:
    """What PyTorch counts: trained weights; those of the two colours that a grey picture hasn't are added."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights) + math.prod(colours(model))


def colours(model: keras.Model) -> tuple[int, int, int]:
    """Kernel area and filters of the first convolution, and the two channels that it would see more."""
    first = next(layer for layer in leaves(model) if isinstance(layer, keras.layers.Conv2D))
    return math.prod(first.kernel_size), first.filters, 2


def multiply_adds(model: keras.Model) -> int:
    """What `thop` counts, which those papers used: convolutions and dense layers at the size of their outputs, a bias
    for each value, two for each normalised value, eleven for each bilinear one."""
    first = next(layer for layer in leaves(model) if isinstance(layer, keras.layers.Conv2D))
    total = math.prod(colours(model)) * math.prod(first.output.shape[1:3])
    for layer in leaves(model):
        values = math.prod(layer.output.shape[1:])
        match layer:
            case keras.layers.BatchNormalization() | keras.layers.LayerNormalization():
                total += 2 * values
            case keras.layers.UpSampling2D(interpolation="bilinear"):
                total += 11 * values
            case keras.layers.DepthwiseConv2D(trainable=False):
                pass  # UNeXt's shift, which multiplies nothing
            case keras.layers.Conv2D() | keras.layers.DepthwiseConv2D() | keras.layers.Dense():
                total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3]) + values
            case keras.layers.Conv2DTranspose():
                total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3]) + values
            case _:
                pass
    return total


@pytest.mark.parametrize("method", PUBLISHED, ids=lambda method: method.__name__)
def test_counts_are_the_published_ones(method: type) -> None:
    published = PUBLISHED[method]
    model = method()._build(SIZE)
    assert parameters(model) / 1e6 == pytest.approx(published.parameters, rel=WITHIN), published.source
    assert multiply_adds(model) / 1e9 == pytest.approx(published.multiply_adds, rel=WITHIN), published.source


def test_unext_moves_fifths_of_the_channels() -> None:
    pictures = keras.Input((5, 6, 10))
    down, right = (keras.Model(pictures, shifted(pictures, axis)) for axis in (1, 2))
    x = np.random.default_rng(0).random((1, 5, 6, 10), np.float32)
    for axis, moved in ((1, np.asarray(down(x))), (2, np.asarray(right(x)))):
        for channel in range(10):
            shift = channel // 2 - 2
            expected = np.roll(x[0, ..., channel], shift, axis - 1)
            gone = slice(0, shift) if shift > 0 else slice(expected.shape[axis - 1] + shift, None)
            expected[(gone,) if axis == 1 else (slice(None), gone)] = 0
            np.testing.assert_array_equal(moved[0, ..., channel], expected)


def test_mobilenets_encoder_has_the_published_count() -> None:
    # torchvision's mobilenet_v2 has 3,504,872; encoder and head of 1280 features and 1000 classes together.
    model = MobileNetV2UNetSegmenter()._build(32)
    (encoder,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert parameters(encoder) + 320 * 1280 + 2 * 1280 + 1281 * 1000 == 3_504_872


def test_the_earlier_projects_network_has_six_stages_without_skips() -> None:
    model = DeepUNetSegmenter()._build(64)
    filters = [layer.filters for layer in leaves(model) if isinstance(layer, keras.layers.Conv2D)]
    assert filters == [64, 128, 256, 512, 1024, 2048, 1024, 512, 256, 128, 64, 32, 1]
    assert not any(isinstance(layer, keras.layers.Concatenate | keras.layers.Add) for layer in leaves(model))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"width": 0}, "`width` must be None or an integer of at least 1, got 0"),
        ({"size": 40}, "`size` must be a multiple of 16, got 40"),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PlainUNetSegmenter(**params)._check_parameters()
