"""What `segment` writes of each frame: one class an output. A new one is a class here and an option of the command."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """What outputs are made from.

    Attributes
    ----------
    data : bytes
        The image's file.
    number : int
        Which frame of the file, from 0.
    image : ndarray of shape (H, W), uint8
    mask : ndarray of shape (H, W), bool
    method : str
        What made the mask, as the person wrote it.
    """

    data: bytes
    number: int
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    method: str


class Output(ABC):
    """A file beside each mask.

    Class attributes
    ----------------
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
        """Raise ImportError if what it needs isn't installed."""
        if self.needs and find_spec(self.needs) is None:
            raise ImportError(f'output `{self.name}` needs {self.needs}: pip install "hybridseg[{self.extra}]"')

    @abstractmethod
    def write(self, path: Path, frame: Frame) -> None:
        """Write the file, whole or not at all."""


class Mask(Output):
    """The mask: 255 where there is lesion. It is always written."""

    name, suffix = "mask", "_mask.png"

    def write(self, path: Path, frame: Frame) -> None:
        """Write a PNG of 0 and 255."""
        from ..images import write_mask

        write_mask(path, frame.mask)


class Overlay(Output):
    """The image with the lesion outlined."""

    name, suffix = "overlay", "_overlay.png"

    def write(self, path: Path, frame: Frame) -> None:
        """Write a PNG in colour."""
        from ..images import overlay, write_image

        write_image(path, overlay(frame.image, frame.mask))


@dataclass(frozen=True)
class DicomSeg(Output):
    """A DICOM SEG of a DICOM image; with ``keep_patient`` it has the image's patient and study fields."""

    name, suffix, endings, needs, extra = "seg", "_seg.dcm", r"\.dcm", "highdicom", "dicom"
    keep_patient: bool = False

    def write(self, path: Path, frame: Frame) -> None:
        """Write a binary segmentation of one frame."""
        from ..images.dicom_seg import write_segmentation
        from ..version import __version__

        write_segmentation(
            path, frame.data, frame.mask,
            frame=frame.number, method=frame.method, version=__version__, keep_patient=self.keep_patient,
        )  # fmt: skip


KINDS: tuple[type[Output], ...] = (Mask, Overlay, DicomSeg)

OUR_OUTPUT = re.compile(
    "|".join(f"{re.escape(kind.suffix.partition('.')[0])}(_[0-9]+)?{kind.endings}$" for kind in KINDS)
)
"""Ends of the names that hybridseg gives to what it writes beside an image."""
