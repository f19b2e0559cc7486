"""The files that `segment` writes of each frame: one class an output. A new one is a class in `formats.FORMATS`."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..confidence import Calibration


@dataclass(frozen=True)
class Frame:
    """A frame with its mask and probability, from which outputs are made.

    Attributes
    ----------
    source : str
        The name of the image's file.
    method : str
        What made the mask, as the person wrote it.
    image : ndarray of shape (H, W), uint8
    mask : ndarray of shape (H, W), bool
    probability : ndarray of shape (H, W), float32, or None
        None where a mask that is there already was read, and no output needs it.
    spacing_mm : tuple of (row, column), or None
    calibration : Calibration or None
        What the method's probabilities meant on held-out cases; None if nobody has measured that.
    in_scope : bool or None
        Whether the image looks like those that the method learned from; None if it doesn't know these.
    """

    source: str
    method: str
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    probability: NDArray[np.float32] | None = None
    spacing_mm: tuple[float, float] | None = None
    calibration: Calibration | None = None
    in_scope: bool | None = None

    @cached_property
    def confidence(self) -> float | None:
        """The chance that the mask is right; None without calibration or probability."""
        if self.calibration is None or self.probability is None:
            return None
        return self.calibration.of_image(self.mask, self.probability)


class Output(ABC):
    """A kind of file that is written of an image.

    Attributes
    ----------
    name : str
    suffix : str
        What follows the image's name in the file's.
    endings : str
        Regular expression of the endings with which a file of such a name counts as an output, not as an image.
    needs : str
        The package that writes it, if that is an extra's; ``extra`` names the extra.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    endings: ClassVar[str] = r"\.[^.]+"
    needs: ClassVar[str] = ""
    extra: ClassVar[str] = ""

    def check(self) -> None:
        """Raise ImportError if a package that it needs isn't installed."""
        if self.needs and find_spec(self.needs) is None:
            raise ImportError(f'output `{self.name}` needs {self.needs}: pip install "hybridseg[{self.extra}]"')


class FrameOutput(Output):
    """A file for each frame of an image. ``predicted``: it shows more than the mask, so the method must run."""

    predicted: ClassVar[bool] = False

    @abstractmethod
    def write(self, path: Path, frame: Frame) -> None:
        """Write the file, whole or not at all."""


class FileOutput(Output):
    """One file for all frames of an image."""

    @abstractmethod
    def write(self, path: Path, data: bytes, masks: Sequence[NDArray[np.bool_]], method: str) -> None:
        """Write the file, whole or not at all, from the image's file and the frames' masks."""


class Mask(FrameOutput):
    """The mask: 255 where there is lesion. It is always written."""

    name, suffix, predicted = "mask", "_mask.png", True

    def write(self, path: Path, frame: Frame) -> None:
        """Write a PNG of 0 and 255."""
        from ..images import write_mask

        write_mask(path, frame.mask)


class Overlay(FrameOutput):
    """The image with the lesion outlined."""

    name, suffix = "overlay", "_overlay.png"

    def write(self, path: Path, frame: Frame) -> None:
        """Write a PNG in colour."""
        from ..images import overlay, write_image

        write_image(path, overlay(frame.image, frame.mask))


class Probability(FrameOutput):
    """The probability of each pixel, ``round(65535 p)`` in 16 bits."""

    name, suffix, predicted = "probability", "_probability.png", True

    def write(self, path: Path, frame: Frame) -> None:
        """Write a grey PNG."""
        from ..images import write_probability

        assert frame.probability is not None  # as `predicted` says
        write_probability(path, frame.probability)


class ProbabilityArray(FrameOutput):
    """The probability of each pixel, float32, as NumPy writes it."""

    name, suffix, predicted = "npy", "_probability.npy", True

    def write(self, path: Path, frame: Frame) -> None:
        """Write an array of shape (H, W)."""
        import numpy as np

        from ..files import write_atomically

        assert frame.probability is not None  # as `predicted` says
        stream = io.BytesIO()
        np.save(stream, frame.probability, allow_pickle=False)
        write_atomically(path, stream.getvalue())


@dataclass(frozen=True)
class DicomSeg(FileOutput):
    """A DICOM SEG of a DICOM image; with ``keep_patient`` it has the image's patient and study fields."""

    name, suffix, endings, needs, extra = "seg", "_seg.dcm", r"\.dcm", "highdicom", "dicom"
    keep_patient: bool = False

    def write(self, path: Path, data: bytes, masks: Sequence[NDArray[np.bool_]], method: str) -> None:
        """Write a binary segmentation of as many frames as the image has."""
        from ..images.dicom_seg import write_segmentation
        from ..version import __version__

        write_segmentation(path, data, masks, method=method, version=__version__, keep_patient=self.keep_patient)
