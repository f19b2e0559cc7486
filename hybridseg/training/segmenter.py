"""`NetworkSegmenter`: whatever a network needs beside itself. A subclass builds the network."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.fingerprints import join_fingerprints
from ..segmenter import Progress
from .predicting import PredictingNetwork

TRAIN_LINE = 'pip install "hybridseg[train]"'


class NetworkSegmenter(PredictingNetwork):
    """A network that is trained with Keras and run with onnxruntime. A subclass writes `_build`.

    What the scan fills of the image, as `hybridseg.find_scan` finds it, is stretched to a square working size. The
    network gives a probability there, which is stretched back. Around it the probability is 0. A scan of fewer than 32
    grey levels from its darkest to its brightest pixel shows nothing: its probability is 0. A fitted one needs no
    Keras.

    Parameters
    ----------
    size : int
        Side of the working square in pixels.
    epochs, batch_size, learning_rate, weight_decay
        AdamW with one epoch of warm-up, then a cosine down to a hundredth.
    ema_decay : float
        Memory of the weight average, in [0, 1); the averaged weights are the model.
    lesion_free_share : float
        Share of lesion-free pictures among those of an epoch, in [0, 1).
    window_share : float
        Share of these that are windows of lesion images, away from every lesion, in [0, 1]. The others are whole
        lesion-free images, where the training set has any.
    mixed_share : float
        Share of the pictures that take on the looks of another training picture, in [0, 1]: its amplitudes in the
        frequency domain are mixed in. A network trained at one hospital may find more at another.
    images_per_group : int, optional
        Lesion images that an epoch shows of each group (patient, scene), drawn anew each time. Without it an epoch
        shows all. With 1, a hospital with several images of each patient doesn't outweigh another.
    lesion_free_dice : bool
        Whether whole lesion-free images have a Dice loss. It asks that their maps be empty to the last pixel. Then a
        network trained at one hospital is empty wherever it is unsure at another, and misses more lesions there. One
        trained at several parts lesion images from lesion-free ones better with it.
    patience : int
        Epochs in a row whose validation F1 is worse than the best by more than a standard error, before training
        stops. The last epoch that isn't worse is kept.
    validation_share : float
        Share of the groups held out for validation where ``fit`` is given none.
    flip_averaging : bool
        Average the probability with that of the mirrored image; doubles the time.
    teacher : str or sequence of str, optional
        Exported models (``.onnx``) to learn from besides the masks: one of them, drawn at random, answers for each
        augmented picture. Over the epochs the network learns their mean, at one teacher's cost. A teacher looks for the
        scan in the augmented picture again, and leaves out an edge that augmentation has made black.
    teacher_share : float
        Weight of the teacher's answer in the target, in [0, 1]; the mask has the rest.
    start_from : str, optional
        Checkpoint (``checkpoint.npz`` in a ``checkpoint_dir`` that was given) of an earlier training of this network.
        Training starts from its averaged weights; its ``size`` and data may be others. On the same data keep
        ``random_state`` and ``validation_share``, so that what is held out stays unseen.
    random_state : int
    threads : int
        Threads of onnxruntime in ``predict``.
    checkpoint_dir : str, optional
        Folder for checkpoints; a training that finds its own checkpoint there goes on from it. Until it ends, the
        folder also holds its images and masks at ``size``.
    """

    def __init__(
        self,
        *,
        size: int = 192,
        epochs: int = 36,
        batch_size: int = 8,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        ema_decay: float = 0.998,
        lesion_free_share: float = 0.2,
        window_share: float = 0.5,
        mixed_share: float = 0.0,
        images_per_group: int | None = None,
        lesion_free_dice: bool = True,
        patience: int = 20,
        validation_share: float = 0.1,
        flip_averaging: bool = True,
        teacher: str | Sequence[str] | None = None,
        teacher_share: float = 0.5,
        start_from: str | None = None,
        random_state: int = 0,
        threads: int = 1,
        checkpoint_dir: str | None = None,
    ) -> None:
        self.size = size
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.ema_decay = ema_decay
        self.lesion_free_share = lesion_free_share
        self.window_share = window_share
        self.mixed_share = mixed_share
        self.images_per_group = images_per_group
        self.lesion_free_dice = lesion_free_dice
        self.patience = patience
        self.validation_share = validation_share
        self.flip_averaging = flip_averaging
        self.teacher = teacher
        self.teacher_share = teacher_share
        self.start_from = start_from
        self.random_state = random_state
        self.threads = threads
        self.checkpoint_dir = checkpoint_dir

    @abstractmethod
    def _build(self, size: int) -> Any:
        """Return an untrained `keras.Model`: grey levels 0..255 (N, S, S, 1) to probability (N, S, S, 1), float32."""

    def _initialise(self, model: Any) -> None:
        """Set the weights that training starts from, such as pretrained ones. Those of `_build` stay by default."""

    def _fit(
        self,
        images: Sequence[NDArray[np.uint8]],
        masks: Sequence[NDArray[np.bool_]],
        *,
        groups: list[Any] | None,
        validation: tuple[Sequence[NDArray[np.uint8]], Sequence[NDArray[np.bool_]]] | None,
        progress: Progress,
    ) -> None:
        recipe = self._recipe()
        from .augment import STORED_PER_SIDE
        from .cases import NO_LESION, WORKING_FILES, set_apart, working_cases
        from .checkpoints import read_start
        from .loop import train

        start, start_prints = read_start(Path(self.start_from)) if self.start_from is not None else (None, None)
        teacher, teacher_hash, earlier = self._teacher()
        earlier += [] if start is None else [start_prints]
        self.fingerprints_ = join_fingerprints([self.fingerprints_, *earlier])
        folder = Path(self.checkpoint_dir) if self.checkpoint_dir is not None else None
        data = working_cases(images, masks, round(STORED_PER_SIDE * self.size), folder, groups)
        if not data.has_lesion.any():
            raise ValueError(NO_LESION)
        if validation is None:
            data, validation = set_apart(data, images, masks, groups, self.validation_share, self.random_state)
        natives, truths = validation
        validation_data = working_cases(natives, truths, self.size, None)
        model, history = train(
            recipe,
            self,
            data,
            validation_data,
            progress=progress,
            checkpoint_dir=folder,
            teacher=teacher,
            teacher_hash=teacher_hash,
            start=start,
        )
        from .convert import convert_weights

        self.network_ = np.frombuffer(convert_weights(self, model), np.uint8)
        self.history_ = history
        self.validation_images_ = len(validation_data)
        self._tune(natives, truths)
        del data, validation_data
        if folder is not None:
            for name in WORKING_FILES:
                (folder / name).unlink()

    def _teacher(self) -> tuple[Any, str, list[NDArray[np.uint8] | None]]:
        """Return what gives one teacher's answer, drawn at random, their files' SHA-256 (hex), and fingerprints."""
        if self.teacher is None:
            return None, "", []
        from ..onnx import OnnxSegmenter

        paths = [self.teacher] if isinstance(self.teacher, str) else list(self.teacher)
        teachers = [OnnxSegmenter.load(path) for path in paths]
        digest = hashlib.sha256(b"".join(hashlib.sha256(Path(path).read_bytes()).digest() for path in paths))

        def answer(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
            return teachers[rng.integers(len(teachers))].predict_proba(image)

        return answer, digest.hexdigest(), [each.fingerprints for each in teachers]

    def _check_fittable(self) -> None:
        """Refuse early where training can't work, and have TensorFlow say less at its start."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
        for module in ("keras", backend):
            if importlib.util.find_spec(module) is None:
                raise ModuleNotFoundError(
                    f"training {type(self).__name__} needs {module}, which is not installed; run: {TRAIN_LINE}"
                )

    def _recipe(self) -> Any:
        from .sampling import Recipe

        self._check_parameters()
        values = {each.name: getattr(self, each.name) for each in fields(Recipe) if each.name != "network"}
        teacher_share = self.teacher_share if self.teacher is not None else 0.0
        return Recipe(**{**values, "network": self._describe_network(), "teacher_share": teacher_share})

    def _describe_network(self) -> dict[str, Any]:
        """Return what decides which network `_build` makes, beside ``size``."""
        trained_by = NetworkSegmenter.param_names()
        own = {name: value for name, value in self.get_params(deep=False).items() if name not in trained_by}
        return {"class": f"{type(self).__module__}:{type(self).__qualname__}", **own}
