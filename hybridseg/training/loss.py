"""The training loss, in Keras' backend-neutral operations."""

from __future__ import annotations

from typing import Any

DICE_SMOOTHING_PX = 20.0  # in working pixels: keeps the slope finite where the truth is empty


def loss(truth: Any, probability: Any) -> Any:
    """Return the mean of the batch's losses: cross-entropy and, where it counts, Dice loss.

    Parameters
    ----------
    truth : tensor of shape (N, S, S, 2), float32, in [0, 1]
        Lesion share; then, the same at every pixel, whether Dice loss counts: 1 or 0.
    probability : tensor of shape (N, S, S, 1), float32, in [0, 1]
    """
    from keras import ops

    share, has_dice = truth[..., :1], truth[:, 0, 0, 1]
    return ops.mean(cross_entropy(share, probability) + has_dice * dice_loss(share, probability))


def cross_entropy(truth: Any, probability: Any) -> Any:
    """Return the binary cross-entropy of each image, shape (N,); both are (N, S, S, 1), float32, in [0, 1]."""
    from keras import ops

    p = ops.clip(probability, 1e-6, 1 - 1e-6)
    return -ops.mean(truth * ops.log(p) + (1 - truth) * ops.log(1 - p), axis=(1, 2, 3))


def dice_loss(truth: Any, probability: Any) -> Any:
    """Return the soft Dice loss of each image, shape (N,); both are (N, S, S, 1), float32, in [0, 1].

    Per image, because the headline score is a per-image mean: a small lesion weighs as much as a large one.
    After F. Milletari et al., V-Net (2016, doi 10.1109/3DV.2016.79).
    """
    from keras import ops

    axes = (1, 2, 3)
    overlap = 2 * ops.sum(truth * probability, axis=axes) + DICE_SMOOTHING_PX
    total = ops.sum(truth, axis=axes) + ops.sum(probability, axis=axes) + DICE_SMOOTHING_PX
    return 1 - overlap / total
