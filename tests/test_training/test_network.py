"""What `NetworkSegmenter` says of a network that can't be trained, before it trains."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
from keras import layers

from hybridseg import NetworkSegmenter, Segmenter
from hybridseg.training.building import check_network
from hybridseg.training.checkpoints import TrainingError

SIZE = 32


def network(last: str | None = "sigmoid", *, channels: int = 1, pooled: int = 1, kernel: str = "ones") -> keras.Model:
    image = keras.Input((SIZE, SIZE, 1))
    x = layers.AveragePooling2D(pooled)(image)
    return keras.Model(image, layers.Conv2D(channels, 1, activation=last, kernel_initializer=kernel)(x))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: "a network", r"must return a keras.Model, got str"),
        (lambda: network(channels=2), r"whose output has shape \(None, 32, 32, 1\), got \(None, 32, 32, 2\)"),
        (lambda: network(pooled=2), r"whose output has shape \(None, 32, 32, 1\), got \(None, 16, 16, 1\)"),
        (lambda: network(None), r"probabilities in \[0, 1\], got 0 to 255; if these are logits, end it with a sigmoid"),
        (lambda: network(kernel=keras.initializers.Constant(float("nan"))), "gives numbers, got NaN or infinity"),
    ],
)
def test_a_network_that_cant_be_trained_is_told_in_one_line(made, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        check_network(made(), SIZE)
    assert "\n" not in str(caught.value)


def test_a_sound_network_passes() -> None:
    model = network()
    assert check_network(model, SIZE) is model


def test_gelu_is_converted() -> None:
    from hybridseg.training.convert import network_to_onnx  # compares with Keras

    image = keras.Input((SIZE, SIZE, 1))
    x = layers.Activation("gelu")(layers.Conv2D(2, 3, padding="same")(layers.Rescaling(1 / 64)(image)))
    assert network_to_onnx(keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x)))


class Logits(NetworkSegmenter):
    """A network without its sigmoid."""

    def _build(self, size: int) -> keras.Model:
        return network(None)


def test_fit_tells_before_it_trains() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    texts: list[str] = []
    with pytest.raises(TrainingError, match="end it with a sigmoid"):
        Logits(size=SIZE).fit([image] * 4, [mask] * 4, progress=lambda done, total, text: texts.append(text))
    assert not any("loss" in text for text in texts)


def test_parameters_that_an_init_passes_on_are_the_methods_too() -> None:
    class Wide(NetworkSegmenter):
        def __init__(self, *, width: int = 4, **training: object) -> None:
            super().__init__(**training)
            self.width = width

        def _build(self, size: int) -> keras.Model:
            return network()

    assert set(Wide.param_names()) == {"width", *NetworkSegmenter.param_names()}
    assert repr(Wide(size=64, width=5)) == "Wide(size=64, width=5)"
    assert isinstance(Wide(), Segmenter)
