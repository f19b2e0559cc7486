"""Layers of the networks, named as in the papers and sized as in PyTorch: biases stay before a norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def image_input(size: int) -> tuple[Any, Any]:
    """Return a Keras input of grey levels (S, S, 1), and them in [-1, 1]."""
    import keras

    image = keras.Input((size, size, 1), name="image")
    return image, keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)


def finish(image: Any, x: Any, name: str) -> Any:
    """Return the `keras.Model` whose probability is the sigmoid of one last 1x1 convolution."""
    import keras

    x = keras.layers.Conv2D(1, 1, name="logit")(x)
    return keras.Model(image, keras.layers.Activation("sigmoid", dtype="float32", name="probability")(x), name=name)


def conv(x: Any, filters: int, kernel: int = 3, *, activation: str | None = "relu", **options: Any) -> Any:
    """Convolution with a bias, batch normalisation, activation."""
    import keras

    x = keras.layers.Conv2D(filters, kernel, padding="same", **options)(x)
    x = normalised(x)
    return keras.layers.Activation(activation)(x) if activation else x


def normalised(x: Any) -> Any:
    """Batch normalisation with PyTorch's constants."""
    import keras

    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def twice(x: Any, filters: int) -> Any:
    """Two 3x3 convolutions, each with norm and ReLU: a level of a U-Net."""
    return conv(conv(x, filters), filters)


def halved(x: Any) -> Any:
    """2x2 maximum pooling."""
    import keras

    return keras.layers.MaxPooling2D(2)(x)


def doubled(x: Any, interpolation: str = "nearest") -> Any:
    """Up-sampling by two."""
    import keras

    return keras.layers.UpSampling2D(2, interpolation=interpolation)(x)


def joined(parts: Sequence[Any]) -> Any:
    """Concatenation of channels."""
    import keras

    return keras.layers.Concatenate()(list(parts))
