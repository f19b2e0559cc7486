"""Folders of small images and masks, and what is read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hybridseg.data import Dataset


def put(path: Path, *lesion: tuple[int, int], shape: tuple[int, int] = (4, 5), colour: bool = False) -> Path:
    """Write a picture that is 255 at the pixels of ``lesion`` and 0 elsewhere."""
    pixels = np.zeros(shape, dtype=np.uint8)
    for row, column in lesion:
        pixels[row, column] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([pixels] * 3, axis=2) if colour else pixels).save(path)
    return path


def ids(dataset: Dataset) -> list[str]:
    return [case.case_id for case in dataset]


def lesion_of(case: Any) -> list[list[int]]:
    return [[int(i) for i in pixel] for pixel in np.argwhere(case.mask)]
