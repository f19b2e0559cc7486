"""The contract: everything that turns a grey ultrasound image into a lesion mask is a `Segmenter`.

Public methods validate, private ones compute. An author of a method writes ``_predict_proba``. A method that learns
also needs ``_fit``, and one that exports ``_to_onnx``. Everything else is the same for all.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .learned import Learned, examine
from .parameters import Parameters, clone
from .postprocess import OperatingPoint, apply_operating_point
from .text import Progress, one_line
from .validation import ModelFormatError, check_image, check_probability, check_training_set

__all__ = ["ModelFormatError", "NotFittedError", "Progress", "Segmenter", "Tags", "clone"]


class NotFittedError(ValueError, AttributeError):
    """A method that has to learn was asked to predict before ``fit``."""


@dataclass(frozen=True)
class Tags:
    """The abilities of a method, declared rather than discovered by a crash.

    Attributes
    ----------
    requires_fit : bool
        ``predict`` raises `NotFittedError` before ``fit``.
    deterministic : bool
        The same training set, parameters and ``random_state`` give the same masks, bit for bit.
    exportable : bool
        ``to_onnx`` works. Where it is false, ``export_reason`` says why.
    export_reason : str
        One line for the person who wanted the file.
    max_differing_pixels : float
        Share of pixels that an exported graph may decide differently from Python, of all compared ones and of each
        image (rounded up to a pixel). 0 means identical masks.
    max_probability_difference : float
        What the graph's probability of any pixel may differ by. The default leaves room for rounding.
    skipped_checks : mapping of check name to reason
        Conformance checks that this method can't meet, each with its reason.
    """

    requires_fit: bool = False
    deterministic: bool = True
    exportable: bool = True
    export_reason: str = ""
    max_differing_pixels: float = 0.0
    max_probability_difference: float = 1e-5
    skipped_checks: dict[str, str] = field(default_factory=dict)


class Segmenter(Parameters, Learned, ABC):
    """A lesion segmentation method for grey breast-ultrasound images.

    Parameters are keyword arguments of ``__init__``, stored as given under their own name; what ``fit``
    learns is stored under names that end in one underscore. Those two rules are all that ``get_params``,
    ``clone``, ``save`` and ``load`` need.

    Attributes
    ----------
    tags : Tags
        What the method is able to do.
    operating_point : OperatingPoint
        Threshold and post-processing used by ``predict`` until ``fit`` sets ``operating_point_``.
    """

    tags: ClassVar[Tags] = Tags()
    operating_point: ClassVar[OperatingPoint] = OperatingPoint()

    def score(self, images: Sequence[Any], masks: Sequence[Any]) -> float:
        """Return the mean per-image IoU of ``predict(images)``; an empty truth met by an empty mask counts 1.

        Here for ``GridSearchCV``; use the benchmark harness for anything that gets published.
        """
        images, masks, _ = check_training_set(images, masks)
        total = 0.0
        for image, mask in zip(images, masks, strict=True):
            predicted = self.predict(image)
            union = int((predicted | mask).sum())
            total += int((predicted & mask).sum()) / union if union else 1.0
        return total / len(images)

    # ---- fit and predict -------------------------------------------------------------------------
    def fit(
        self,
        images: Sequence[Any],
        masks: Sequence[Any],
        *,
        groups: Sequence[Any] | None = None,
        validation: tuple[Sequence[Any], Sequence[Any]] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from images and their masks; a method with nothing to learn returns itself.

        What an earlier ``fit`` learned is forgotten; if this one raises, it is kept.

        Parameters
        ----------
        images : sequence of ndarray of shape (H, W), uint8
            Grey images, of any sizes. A list, tuple or array is checked at once; any other sequence, which may be
            larger than memory (`hybridseg.data.CaseReader`), as it is read.
        masks : sequence of ndarray of shape (H, W), bool
            Ground truth: lesion pixels are true. 0/1 and 0/255 uint8 arrays are taken too.
        groups : sequence of hashable, optional
            One value per image; images that show the same scene share it. Internal splits keep groups
            together.
        validation : tuple of (images, masks), optional
            Held-out cases for early stopping and the operating point. Without it, a method that needs some
            takes whole groups out of the training set.
        progress : callable, optional
            Called as ``progress(done, total, text)``.

        Raises
        ------
        ValueError
            On anything that is not such a training set, naming argument, expectation and what came.
        """
        images, masks, groups = check_training_set(images, masks, groups)
        if validation is not None:
            if not isinstance(validation, Sequence) or len(validation) != 2:
                raise ValueError("`validation` must be a pair (images, masks)")
            validation_images, validation_masks, _ = check_training_set(*validation, name="validation")
            validation = (validation_images, validation_masks)
        if progress is not None and not callable(progress):
            raise ValueError(f"`progress` must be callable, got {type(progress).__name__}")
        self._check_fittable()
        can_learn = type(self)._fit is not Segmenter._fit
        prints, scope = examine([images, *(validation or ())[:1]] if can_learn else [])
        learned = self._state()
        self._forget()
        try:
            if scope is not None:
                self.scope_ = scope
            self.fingerprints_ = prints  # before, so that `_fit` can add what it learns from in other ways
            self._fit(images, masks, groups=groups, validation=validation, progress=progress or _silent)
            if not self._state().keys() - {"fingerprints_", "scope_"}:
                self._forget()  # it has learned nothing
        except BaseException:
            self._forget()
            self._set_state(learned)
            raise
        return self

    def predict_proba(self, image: Any) -> NDArray[np.float32]:
        """Return each pixel's lesion probability at the image's own size.

        Parameters
        ----------
        image : ndarray of shape (H, W), uint8

        Returns
        -------
        ndarray of shape (H, W), float32, in [0, 1]

        Raises
        ------
        ValueError
            If ``image`` is not a uint8 array of two dimensions with at least one pixel.
        NotFittedError
            If the method has to learn first.
        """
        image = check_image(image)
        self.check_fitted()
        return check_probability(self._predict_proba(image), image.shape, type(self).__name__)

    def predict(self, image: Any) -> NDArray[np.bool_]:
        """Return the lesion mask of shape (H, W), bool: threshold, then post-processing.

        Parameters and errors as in `predict_proba`.
        """
        return self.predict_both(image)[0]

    def predict_both(self, image: Any) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return mask and probability, (H, W) each, of one prediction; see `predict_proba`."""
        probability = self.predict_proba(image)
        return self._mask(probability), probability

    def _mask(self, probability: NDArray[np.float32]) -> NDArray[np.bool_]:
        return apply_operating_point(probability, self.current_operating_point)

    @property
    def current_operating_point(self) -> OperatingPoint:
        """The threshold and post-processing that ``predict`` applies now."""
        return getattr(self, "operating_point_", None) or self.operating_point

    def check_fitted(self) -> None:
        """Raise `NotFittedError` if the method has to learn and hasn't."""
        if self.tags.requires_fit and not self.has_learned:
            raise NotFittedError(f"{type(self).__name__} must be fitted, or loaded, before it can predict")

    # ---- files -----------------------------------------------------------------------------------
    def _check_state(self) -> None:
        """Raise ValueError if the loaded state could make ``predict`` hang or fail: anybody may have made the file.

        A subclass extends it where what it has learned says how long a loop runs or where an index points.
        """
        point = getattr(self, "operating_point_", self.operating_point)
        if not isinstance(point, OperatingPoint):
            raise ValueError(f"`operating_point_` is of type {type(point).__name__}")
        self._check_carried()

    def _check_fittable(self) -> None:
        """Raise ImportError, with the line that installs it, if ``fit`` needs a package that isn't installed.

        `fit` asks before it forgets anything, and ``bench`` before a run begins.
        """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write parameters and learned state to one file (a zip of JSON and plain arrays; no pickle).

        The file appears under its name only when it is complete.
        """
        from .modelfile import write_model_file

        write_model_file(path, _class_id(type(self)), self.get_params(deep=False), self._state())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFormatError
            If it isn't a saved model of this class, or is of a newer format.
        """
        from .modelfile import read_model_file

        header, arrays = read_model_file(path)
        mine = _class_id(cls)
        if header["class"] != mine:
            raise ModelFormatError(f"{path}: expected a saved {mine}, got one of {one_line(header['class'])}")
        try:
            model = cls(**header["params"])
        except TypeError as error:
            raise ModelFormatError(f"{path}: its parameters don't fit {mine}: {one_line(error)}") from None
        try:
            model._set_state({**header["state"], **arrays})
            model._check_state()
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
            raise ModelFormatError(f"{path}: what it has learned doesn't fit {mine}: {one_line(error)}") from None
        return model

    def to_onnx(self, path: str | os.PathLike[str], **metadata: str) -> Any:
        """Write the whole pipeline as one ONNX file, kept only if it agrees with this object.

        Input ``image``: uint8 [N, H, W, 1]. Outputs ``mask``: uint8 [N, H, W, 1] in {0, 1} and
        ``probability``: float32 [N, H, W, 1], both at the input's size. ``metadata`` adds ``hybridseg.*``
        entries to the file.

        Returns
        -------
        hybridseg.onnx.ParityReport
            What was compared, and the largest differences.

        Raises
        ------
        NotImplementedError
            If the method can't be exported; the message is the reason in its tags.
        hybridseg.onnx.ParityError
            If masks or probabilities of graph and object disagree by more than the tags allow; no file is left.
        """
        if not self.tags.exportable:
            raise NotImplementedError(f"{type(self).__name__} can't be exported: {self.tags.export_reason}")
        self.check_fitted()
        from .onnx.exporting import export

        return export(self, path, metadata=metadata)

    # ---- what an author writes -------------------------------------------------------------------
    def _fit(
        self,
        images: Sequence[NDArray[np.uint8]],
        masks: Sequence[NDArray[np.bool_]],
        *,
        groups: list[Any] | None,
        validation: tuple[Sequence[NDArray[np.uint8]], Sequence[NDArray[np.bool_]]] | None,
        progress: Progress,
    ) -> None:
        """Learn. The default learns nothing. Images and masks may be read from disk each time they are asked for."""

    @abstractmethod
    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (H, W) in [0, 1] for a uint8 (H, W) image."""

    def _to_onnx(self) -> Any:
        """Return an `onnx.ModelProto` with the file signature (see `to_onnx`)."""
        raise NotImplementedError(f"{type(self).__name__} declares itself exportable but has no _to_onnx")


def _class_id(segmenter_class: type) -> str:
    return f"{segmenter_class.__module__}:{segmenter_class.__qualname__}"


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
