"""FileCase: an image with its masks on disk; and writing cases as a folder that is read as FileCases."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..files import is_part, remove_parts
from ..images import read_bytes, read_facts, read_image, read_pixels, write_image
from ..text import Progress, printable
from .cases import Case, DataError, Dataset
from .mask_values import BY_FILE, MaskReading, join_ignored, read_mask_as


@dataclass(frozen=True)
class FileCase(Case):
    """A case in files; no mask file means lesion-free.

    With ``on_black``, the image is black where its file is transparent; otherwise transparency doesn't count. What the
    masks' values mean is in ``reading``.
    """

    image_path: Path
    mask_paths: tuple[Path, ...]
    on_black: bool = field(default=False, kw_only=True)
    reading: MaskReading = field(default=BY_FILE, kw_only=True)

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return image (H, W) uint8 and the OR of its masks (H, W) bool.

        Raises
        ------
        ImageError
            If a file can't be read.
        DataError
            If a mask's size isn't its image's.
        """
        image = read_image(self.image_path)
        if self.on_black and (opaque := read_pixels(self.image_path).opaque) is not None:
            image[~opaque] = 0
        mask = np.zeros(image.shape, dtype=np.bool_)
        for path in self.mask_paths:
            part, _ = read_mask_as(path, self.reading)
            if part.shape != image.shape:
                raise DataError(
                    f"case `{printable(self.case_id)}`: image {printable(self.image_path.name)} has shape "
                    f"{image.shape}, its mask {printable(path.name)} {part.shape}"
                )
            mask |= part
        return image, mask

    @property
    def ignored(self) -> NDArray[np.bool_] | None:
        """Pixels that some mask ignores and none calls lesion, (H, W) bool; None where the reading ignores no value."""
        return join_ignored(self.mask_paths, self.reading)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Distance between neighbouring pixels (row, column) in mm, as the source says, else as a DICOM image does."""
        return super().spacing_mm or read_facts(self.image_path).spacing_mm

    @property
    def may_name_patient(self) -> bool:
        """Whether the image is DICOM that may have the patient's name in the picture."""
        return read_facts(self.image_path).burnt_in_text

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over the bytes of the files, and how masks are read if not by their own values."""
        digest = hashlib.sha256()
        for path in (self.image_path, *self.mask_paths):
            digest.update(hashlib.sha256(read_bytes(path)).digest())
        if not self.reading.by_file:
            digest.update(self.reading.how.encode())
        return digest.hexdigest()


def write_folder(dataset: Dataset, folder: str | os.PathLike[str], progress: Progress | None = None) -> None:
    """Write cases as BUSI does: ``<label>/<case_id>.png`` and ``<label>/<case_id>_mask.png``.

    Parameters
    ----------
    dataset : Dataset
    folder : str or path
        Made if missing; may hold these very cases, as a killed process leaves them, but nothing else, which would join
        the dataset.
    progress : callable, optional
        ``progress(done, total, text)``.

    Raises
    ------
    DataError
        If the folder holds something else, can't be made, or a case's name or label can't be a file's.
    ImageError
        If a file can't be written.
    """
    folder = Path(folder)
    for case in dataset:
        for name in (case.case_id, case.label):
            if name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
                raise DataError(f"case `{printable(case.case_id)}`: `{printable(name)}` can't be a file's name")
    places = {folder / case.label for case in dataset}
    ours = places | {folder / case.label / f"{case.case_id}{end}" for case in dataset for end in (".png", "_mask.png")}
    if any(path not in ours and not is_part(path.name) for path in folder.rglob("*")):
        raise DataError(f"{printable(folder)}: is not empty")
    try:
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
            remove_parts(place, older_than_s=0)
    except OSError as error:
        raise DataError(f"{printable(folder)}: can't be written: {error.strerror or error}") from error
    for done, case in enumerate(dataset, 1):
        image, mask = case.read()
        _write_once(folder / case.label / f"{case.case_id}.png", image)
        _write_once(folder / case.label / f"{case.case_id}_mask.png", np.where(mask, np.uint8(255), np.uint8(0)))
        if progress is not None:
            progress(done, len(dataset), "writing")


def _write_once(path: Path, pixels: NDArray[np.uint8]) -> None:
    if not path.exists():
        write_image(path, pixels)
    elif not np.array_equal(read_image(path), pixels):
        raise DataError(f"{printable(path)}: is there already, another picture than the one to be written")
