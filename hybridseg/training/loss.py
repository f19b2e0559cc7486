"""The training loss, in Keras' backend-neutral operations, and the two channels that a network may have."""

from __future__ import annotations

from typing import Any

DICE_SMOOTHING_PX = 20.0  # in working pixels: keeps the slope finite where the truth is empty
PRESENCE_WEIGHT = 0.5  # of the decision, beside the outline


def loss(truth: Any, output: Any) -> Any:
    """Return the mean over the batch of each image's loss: of an outline, or of an outline and a presence.

    An outline has `bce_dice`. With a presence, whole images without a lesion teach it alone: an outline that learns to
    be empty there learns to be empty wherever it is unsure. Windows teach both.

    Parameters
    ----------
    truth : tensor of shape (N, S, S, 3), float32, in [0, 1]
        Lesion share; then, the same at every pixel: 1 for a picture of a lesion image, 1 for one that shows a lesion.
    output : tensor of shape (N, S, S, 1), the outline, or (N, S, S, 2), with the presence behind it, the same at every
        pixel; float32, in [0, 1]
    """
    from keras import ops

    outline = bce_dice(truth[..., :1], output[..., :1])
    if output.shape[-1] == 1:
        return ops.mean(outline)
    of_lesion_image, present = truth[:, 0, 0, 1], truth[:, 0, 0, 2]
    p = ops.clip(output[:, 0, 0, 1], 1e-6, 1 - 1e-6)
    decision = -(present * ops.log(p) + (1 - present) * ops.log(1 - p))
    return ops.mean(of_lesion_image * outline + PRESENCE_WEIGHT * decision)


def bce_dice(truth: Any, probability: Any) -> Any:
    """Return binary cross-entropy plus soft Dice loss of each image, shape (N,).

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
    return cross_entropy + 1 - overlap / total


def joined(model: Any) -> Any:
    """Return a network of one channel with the same weights: outline times presence, where it has both."""
    import keras

    if model.output_shape[-1] == 1:
        return model
    return keras.Model(model.input, model.output[..., :1] * model.output[..., 1:], name=model.name)
