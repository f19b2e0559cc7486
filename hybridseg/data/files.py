"""FileCase: an image with its masks on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..images import read_bytes, read_image, read_mask, shown
from .cases import Case, DataError


@dataclass(frozen=True)
class FileCase(Case):
    """A case in files; no mask file means lesion-free."""

    image_path: Path
    mask_paths: tuple[Path, ...]

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
        mask = np.zeros(image.shape, dtype=np.bool_)
        for path in self.mask_paths:
            part = read_mask(path)
            if part.shape != image.shape:
                raise DataError(
                    f"case `{shown(self.case_id)}`: image {shown(self.image_path.name)} has shape "
                    f"{image.shape}, its mask {shown(path.name)} {part.shape}"
                )
            mask |= part
        return image, mask

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over the bytes of the files."""
        digest = hashlib.sha256()
        for path in (self.image_path, *self.mask_paths):
            digest.update(hashlib.sha256(read_bytes(path)).digest())
        return digest.hexdigest()
