"""Checks of a network: before Keras trains it, and after another library has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..validation import ModelFormatError
from .checkpoints import TrainingError


def check_network(model: Any, size: int) -> Any:
    """Return what ``_build`` made, if it gives probabilities of two pictures, a black one and a white one.

    Raises
    ------
    TrainingError
        With one line on what is wrong: no `keras.Model`, another shape, not numbers, or logits.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise TrainingError(f"`_build` must return a keras.Model, got {type(model).__name__}")
    wanted = (None, size, size, 1)
    for name in ("input", "output"):
        shape = getattr(model, f"{name}_shape")
        if shape != wanted:
            raise TrainingError(f"`_build` must return a network whose {name} has shape {wanted}, got {shape}")
    _check_probability("_build", np.asarray(model(_two_pictures(size), training=False), np.float32))
    return model


def check_trained(data: Any, size: int) -> bytes:
    """Return what ``_train`` made, if it gives probabilities of two pictures at once, a black one and a white one.

    Raises
    ------
    TrainingError
        With one line on what is wrong: no ONNX, other inputs and outputs, one picture only, another shape, not numbers,
        or logits.
    """
    if not isinstance(data, bytes):
        raise TrainingError(f"`_train` must return the bytes of an ONNX file, got {type(data).__name__}")
    from ..onnx.runtime import open_session, run_session
    from ..onnx.screening import screen_inside

    try:
        screen_inside(data)
        session = open_session(data)
    except ModelFormatError as error:
        raise TrainingError(f"`_train` must return an ONNX file that can be run: {error}") from None
    wanted = (["image"], ["probability"], [size, size, 1])
    sides = list(session.get_inputs()[0].shape)
    got = ([each.name for each in session.get_inputs()], [each.name for each in session.get_outputs()], sides[1:])
    if got != wanted or isinstance(sides[0], int):
        raise TrainingError(
            f"`_train` must return a network from `image` (N, {size}, {size}, 1) to `probability`, for any N, got "
            f"{', '.join(got[0])} {tuple(sides)} to {', '.join(got[1])}"
        )
    (probability,) = run_session(session, ["probability"], {"image": _two_pictures(size)})
    if probability.shape != (2, size, size, 1):
        raise TrainingError(
            f"`_train` must return a network whose output has shape {(2, size, size, 1)} for two pictures, got "
            f"{probability.shape}"
        )
    _check_probability("_train", probability)
    return data


def _two_pictures(size: int) -> NDArray[np.float32]:
    return np.stack([np.full((size, size, 1), grey, np.float32) for grey in (0, 255)])


def _check_probability(maker: str, probability: NDArray[np.float32]) -> None:
    if not np.isfinite(probability).all():
        raise TrainingError(f"`{maker}` must return a network that gives numbers, got NaN or infinity")
    low, high = float(probability.min()), float(probability.max())
    if low < 0 or high > 1:
        raise TrainingError(
            f"`{maker}` must return a network that ends in probabilities in [0, 1], got {low:.3g} to {high:.3g}; "
            "if these are logits, end it with a sigmoid"
        )
