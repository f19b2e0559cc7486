"""The training loss, in Keras' backend-neutral operations."""

from __future__ import annotations

from typing import Any

DICE_SMOOTHING_PX = 20.0  # in working pixels: keeps the slope finite where the truth is empty


def bce_dice(truth: Any, probability: Any) -> Any:
    """Return the mean over the batch of binary cross-entropy plus soft Dice loss, each per image.

    Per image, because the headline score is a per-image mean: a small lesion weighs as much as a large one.
    Dice loss after F. Milletari et al., V-Net (2016, doi 10.1109/3DV.2016.79).

    Parameters
    ----------
    truth, probability : tensor of shape (N, S, S, 1), float32, in [0, 1]
    """
    from keras import ops

    axes = (1, 2, 3)
    p = ops.clip(probability, 1e-6, 1 - 1e-6)
    cross_entropy = -ops.mean(truth * ops.log(p) + (1 - truth) * ops.log(1 - p), axis=axes)
    overlap = 2 * ops.sum(truth * probability, axis=axes) + DICE_SMOOTHING_PX
    total = ops.sum(truth, axis=axes) + ops.sum(probability, axis=axes) + DICE_SMOOTHING_PX
    return ops.mean(cross_entropy + 1 - overlap / total)
