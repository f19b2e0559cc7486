"""What a built network must be before it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    pictures = np.stack([np.zeros(wanted[1:], np.float32), np.full(wanted[1:], 255, np.float32)])
    probability = np.asarray(model(pictures, training=False), np.float32)
    if not np.isfinite(probability).all():
        raise TrainingError("`_build` must return a network that gives numbers, got NaN or infinity before training")
    low, high = float(probability.min()), float(probability.max())
    if low < 0 or high > 1:
        raise TrainingError(
            f"`_build` must return a network that ends in probabilities in [0, 1], got {low:.3g} to {high:.3g}; "
            "if these are logits, end it with a sigmoid"
        )
    return model
