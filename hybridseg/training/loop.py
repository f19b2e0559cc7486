"""Training: schedule, weight averaging, early stopping, checkpoints.

Everything random derives from (random_state, epoch, position), and a checkpoint holds every variable. So a killed run
that is started again ends with the same weights as an unbroken one on the same machine.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .building import check_network
from .checkpoints import CHECKPOINT, Run, TrainingError, read_checkpoint, set_start, write_checkpoint
from .operating import THRESHOLDS, f1_per_image
from .sampling import Recipe, Teacher, TrainingData, batches, epoch_order

LOG = logging.getLogger(__name__)
"""One line per epoch, at level INFO."""


class Network(Protocol):
    """The method in training: it builds its untrained network, and sets the weights that training starts from."""

    @property
    def fingerprints(self) -> NDArray[np.uint8] | None: ...

    def _build(self, size: int) -> Any: ...

    def _initialise(self, model: Any) -> None: ...


def train(
    recipe: Recipe,
    network: Network,
    data: TrainingData,
    validation: TrainingData,
    *,
    progress: Callable[[int, int, str], None],
    checkpoint_dir: Path | None = None,
    teacher: Teacher | None = None,
    teacher_hash: str = "",
    start: Sequence[NDArray[Any]] | None = None,
) -> tuple[Any, list[dict[str, float]]]:
    """Return the trained `keras.Model`, holding the averaged weights of the epoch it keeps, and the history.

    Python's and numpy's global generators, which Keras seeds and draws from, come back as they were. A teacher sees
    the augmented pictures, and its answer, at the recipe's share, is mixed into the target (consistent teaching:
    L. Beyer et al., CVPR 2022, doi 10.1109/CVPR52688.2022.01065). ``start``, from `read_start`, are the weights to
    begin with.

    Raises
    ------
    ValueError
        If there is no lesion in the training part, or none in the validation part.
    TrainingError
        If the loss stops being a number, the checkpoint belongs to another training, or ``start`` to another
        architecture.
    """
    for name, part in (("masks", data), ("validation masks", validation)):
        if not part.has_lesion.any():
            raise ValueError(f"`{name}` must hold at least one lesion pixel, got only empty masks")
    state = random.getstate(), np.random.get_state()
    try:
        return _train(recipe, network, data, validation, progress, checkpoint_dir, teacher, teacher_hash, start)
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])


def _train(
    recipe: Recipe,
    network: Network,
    data: TrainingData,
    validation: TrainingData,
    progress: Callable[[int, int, str], None],
    checkpoint_dir: Path | None,
    teacher: Teacher | None,
    teacher_hash: str,
    start: Sequence[NDArray[Any]] | None,
) -> tuple[Any, list[dict[str, float]]]:
    from .loss import loss
    from .quiet import import_keras

    keras = import_keras()

    keras.utils.set_random_seed(recipe.random_state)
    model = check_network(network._build(recipe.size), recipe.size)
    judge = network._build(recipe.size)
    if start is not None:
        set_start(model, start)
    else:
        network._initialise(model)
    steps = max(1, len(epoch_order(recipe, data, 0)) // recipe.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 50,
        decay_steps=max(1, steps * max(1, recipe.epochs - 1)),
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=steps,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer=optimizer, loss=loss, jit_compile=keras.backend.backend() == "jax")
    optimizer.build(model.trainable_variables)

    parts = [asdict(recipe), data.content_hash(), validation.content_hash(), teacher_hash]
    parts += [hashlib.sha256(array.tobytes()).hexdigest() for array in start or ()]
    identity = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    run = Run(0, model.get_weights(), model.get_weights(), 0, [], [])
    if checkpoint_dir is not None:
        checkpoint_dir.mkdir(parents=True, exist_ok=True)
        if (checkpoint_dir / CHECKPOINT).exists():
            run = read_checkpoint(checkpoint_dir / CHECKPOINT, identity, model, optimizer)
    while run.epoch < recipe.epochs and run.epoch - run.best_epoch < recipe.patience:
        _one_epoch(recipe, data, validation, run, model, judge, steps, progress, teacher)
        if checkpoint_dir is not None:
            write_checkpoint(checkpoint_dir / CHECKPOINT, identity, run, model, optimizer, network.fingerprints)
    judge.set_weights(run.best)
    return judge, run.history


def _one_epoch(
    recipe: Recipe,
    data: TrainingData,
    validation: TrainingData,
    run: Run,
    model: Any,
    judge: Any,
    steps: int,
    progress: Callable[[int, int, str], None],
    teacher: Teacher | None,
) -> None:
    start = time.monotonic()
    model.reset_metrics()
    losses = []
    for step, (images, taught) in enumerate(batches(recipe, data, run.epoch, teacher)):
        loss = float(model.train_on_batch(images, taught))
        done = run.epoch * steps + step + 1
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in epoch {run.epoch + 1}, step {step + 1}; "
                f"lower learning_rate (now {recipe.learning_rate:g})"
            )
        # The average starts short and grows to its full memory, so that it forgets the untrained weights.
        decay = min(recipe.ema_decay, (1 + done) / (10 + done))
        for k, current in enumerate(model.get_weights()):
            run.averaged[k] = decay * run.averaged[k] + (1 - decay) * current
        losses.append(loss)
        progress(done, recipe.epochs * steps, f"epoch {run.epoch + 1}/{recipe.epochs} loss {loss:.3f}")
    judge.set_weights(run.averaged)
    scores, threshold = validation_scores(judge, validation)
    run.epoch += 1
    if not is_worse(scores, run.reference):
        run.best, run.best_epoch = list(run.averaged), run.epoch
    if not run.reference or np.mean(scores) >= np.mean(run.reference):
        run.reference = scores
    seconds = time.monotonic() - start
    run.history.append(
        {
            "epoch": run.epoch,
            "loss": float(np.mean(losses)),
            "validation_f1": float(np.mean(scores)),
            "threshold": threshold,
            "seconds": round(seconds, 3),
        }
    )
    LOG.info(
        "epoch %d/%d: loss %.3f, validation F1 %.3f, %.0f s",
        run.epoch,
        recipe.epochs,
        np.mean(losses),
        np.mean(scores),
        seconds,
    )


def predict_working(model: Any, images: NDArray[np.uint8], batch_size: int = 8) -> NDArray[np.float32]:
    """Return probabilities (n, S, S) of working-size images (n, S, S)."""
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size].astype(np.float32)[..., None]
        missing = batch_size - len(batch)  # one batch shape, so that the backend compiles once
        padded = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), np.float32)])
        parts.append(np.asarray(model.predict_on_batch(padded))[: len(batch), ..., 0])
    return np.concatenate(parts)


def validation_scores(model: Any, validation: TrainingData) -> tuple[list[float], float]:
    """Return F1 of each lesion case at working size, at the threshold with the best mean, and that threshold."""
    lesions = validation.cases[validation.has_lesion]
    truths = list(validation.masks[lesions] > 127)
    probabilities = predict_working(model, validation.images[lesions])
    scores = [f1_per_image(truths, list(probabilities >= value)) for value in THRESHOLDS]
    best = int(np.argmax([values.mean() for values in scores]))
    return scores[best].tolist(), THRESHOLDS[best]


def is_worse(scores: Sequence[float], reference: Sequence[float]) -> bool:
    """Say whether an epoch's scores are below the best epoch's by more than one standard error of the difference.

    An epoch that isn't takes over. With some dozen validation cases the highest mean alone is chance, and a later
    average has seen lower learning rates (the one-standard-error rule of L. Breiman et al., CART, 1984).
    """
    if len(reference) == 0:
        return False
    difference = np.asarray(scores) - np.asarray(reference)
    return bool(difference.mean() < -difference.std() / np.sqrt(len(difference)))
