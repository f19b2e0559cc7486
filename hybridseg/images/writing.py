"""Masks and pictures as PNG, whole or not at all."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..files import write_atomically
from ..text import printable
from ..validation import check_image, check_mask
from .pixels import ImageError


def write_mask(path: str | os.PathLike[str], mask: Any) -> None:
    """Write a mask, bool (H, W), as an 8-bit PNG of 0 and 255, whole or not at all.

    Raises
    ------
    ValueError
        If ``mask`` isn't a mask.
    ImageError
        If the file can't be written.
    """
    _write_png(path, np.where(check_mask(mask), np.uint8(255), np.uint8(0)))


def write_image(path: str | os.PathLike[str], image: Any) -> None:
    """Write uint8 of shape (H, W) or (H, W, 3) as PNG; see `write_mask`."""
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        check_image(image)
    elif image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"`image` must be uint8 (H, W) or (H, W, 3), got {image.dtype} {image.shape}")
    _write_png(path, image)


def write_probability(path: str | os.PathLike[str], probability: NDArray[np.float32]) -> None:
    """Write probabilities in [0, 1], (H, W), as a 16-bit PNG of ``round(65535 p)``; see `write_mask`."""
    _write_png(path, np.rint(probability * np.float32(65535)).astype(np.uint16))


def _write_png(path: str | os.PathLike[str], array: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    stream = io.BytesIO()
    stream.name = "mask.png"  # given ``format``, Pillow would load its other formats too
    Image.fromarray(array).save(stream)
    try:
        write_atomically(path, stream.getvalue())
    except OSError as error:
        raise ImageError(f"{printable(path)}: can't be written: {error.strerror or error}") from error
