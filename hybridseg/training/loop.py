"""Training: sampling, schedule, weight averaging, early stopping, checkpoints.

Everything random derives from (random_state, epoch, position), and a checkpoint holds every variable. So a killed run
that is started again ends with the same weights as an unbroken one on the same machine.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .augment import augment
from .building import check_network
from .checkpoints import CHECKPOINT, Run, TrainingError, read_checkpoint, set_start, write_checkpoint
from .operating import THRESHOLDS, f1_per_image

LOG = logging.getLogger(__name__)
"""One line per epoch, at level INFO."""

Teacher = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.float32]]
"""From an image (S, S), uint8, to a probability (S, S), float32; several teachers draw who answers."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a training, apart from the data; ``network`` says which one."""

    network: dict[str, Any]
    size: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    ema_decay: float
    lesion_free_share: float
    patience: int
    random_state: int
    teacher_share: float = 0.0
    window_share: float = 0.0
    images_per_group: int | None = None


@dataclass
class TrainingData:
    """Working-size cases: images uint8 (n, S, S) in 0..255, masks uint8 (n, S, S) in 0..255 for 0..1.

    The arrays may be files that don't fit in memory. ``cases`` are the rows of them that belong to it, and ``groups``
    number the group (patient, scene) of each case.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    cases: NDArray[np.intp]
    groups: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.cases)

    def select(self, positions: NDArray[np.intp]) -> TrainingData:
        """Return the cases at these positions; the arrays are shared."""
        return TrainingData(self.images, self.masks, self.cases[positions], self.groups[positions])

    @cached_property
    def has_lesion(self) -> NDArray[np.bool_]:
        """Whether each case has a lesion."""
        return np.array([bool(self.masks[case].any()) for case in self.cases])

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over the cases' pixels."""
        digest = hashlib.sha256(repr((len(self), *self.images.shape[1:])).encode())
        for array in (self.images, self.masks):
            for case in self.cases:
                digest.update(array[case].tobytes())
        return digest.hexdigest()


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
    recipe: Recipe, network: Network, data: TrainingData, validation: TrainingData,
    progress: Callable[[int, int, str], None], checkpoint_dir: Path | None,
    teacher: Teacher | None, teacher_hash: str, start: Sequence[NDArray[Any]] | None,
) -> tuple[Any, list[dict[str, float]]]:
    from .loss import bce_dice
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
    model.compile(optimizer=optimizer, loss=bce_dice, jit_compile=keras.backend.backend() == "jax")
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
    recipe: Recipe, data: TrainingData, validation: TrainingData, run: Run,
    model: Any, judge: Any, steps: int, progress: Callable[[int, int, str], None], teacher: Teacher | None,
) -> None:
    start = time.monotonic()
    model.reset_metrics()
    losses = []
    for step, (images, masks) in enumerate(batches(recipe, data, run.epoch, teacher)):
        loss = float(model.train_on_batch(images, masks))
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
    run.history.append({
        "epoch": run.epoch, "loss": float(np.mean(losses)), "validation_f1": float(np.mean(scores)),
        "threshold": threshold, "seconds": round(seconds, 3),
    })
    LOG.info(
        "epoch %d/%d: loss %.3f, validation F1 %.3f, %.0f s",
        run.epoch, recipe.epochs, np.mean(losses), np.mean(scores), seconds,
    )


def epoch_order(recipe: Recipe, data: TrainingData, epoch: int) -> NDArray[np.intp]:
    """Return the positions of an epoch's cases; beyond ``len(data)``, those whose lesion-free window is shown.

    Every lesion case comes once, or ``images_per_group`` of each group. Lesion-free pictures have their share:
    ``window_share`` of them are windows of lesion cases, the others whole lesion-free cases.
    """
    rng = np.random.default_rng([recipe.random_state, epoch])
    lesion, free = rng.permutation(np.flatnonzero(data.has_lesion)), np.flatnonzero(~data.has_lesion)
    windows = len(data) + rng.permutation(lesion)
    if recipe.images_per_group is not None:
        lesion = lesion[_rank_in_group(data.groups[lesion]) < recipe.images_per_group]
    share = recipe.lesion_free_share
    wanted = round(share / (1 - share) * len(lesion)) if len(lesion) else len(free)
    wanted_windows = round(recipe.window_share * wanted)
    wanted = wanted - wanted_windows if len(free) else 0
    drawn = [rng.permutation(free) for _ in range(-(-wanted // max(1, len(free))))]
    order = np.concatenate([lesion, *drawn])[: len(lesion) + wanted]
    return rng.permutation(np.concatenate([order, windows[:wanted_windows]]))


def _rank_in_group(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many of the same group come before each."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    ranks = np.empty(len(groups), np.intp)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    return ranks


def batches(
    recipe: Recipe, data: TrainingData, epoch: int, teacher: Teacher | None = None
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield augmented batches (n, S, S, 1) of an epoch; the next one is prepared while one is used."""
    order = epoch_order(recipe, data, epoch)
    size = min(recipe.batch_size, len(order))

    def prepare(first: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pairs = []
        for position in range(first, first + size):
            rng = np.random.default_rng([recipe.random_state, epoch, position])
            window, place = divmod(order[position], len(data))
            case = data.cases[place]
            image, mask = augment(data.images[case], data.masks[case], rng, recipe.size, window=bool(window))
            if teacher is not None:
                answer = teacher(np.rint(image).astype(np.uint8), rng)
                mask = mask + np.float32(recipe.teacher_share) * (answer - mask)
            pairs.append((image, mask))
        return np.stack([p[0] for p in pairs])[..., None], np.stack([p[1] for p in pairs])[..., None]

    starts = range(0, len(order) - size + 1, size)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(prepare, 0)
        for start in starts:
            batch = coming.result()
            if start + 2 * size <= len(order):
                coming = pool.submit(prepare, start + size)
            yield batch


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
