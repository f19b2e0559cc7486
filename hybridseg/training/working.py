"""Native size <-> the network's working size. Every resize has its inverse beside it.

Pillow's BILINEAR on float pixels, which anti-aliases when it shrinks: the exported graph's Resize computes the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLANK_RANGE = 32
"""Grey levels between the darkest and the brightest pixel below which a scan shows nothing."""


def to_working(image: NDArray[np.uint8] | NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    """Stretch a native image or mask (H, W) to float32 (size, size), in the same units."""
    return resize(image.astype(np.float32), (size, size))


def is_blank(scan: NDArray[np.uint8]) -> bool:
    """Whether a scan (H, W) shows nothing, as empty frames do: networks outline the dark in it."""
    return int(scan.max()) - int(scan.min()) < BLANK_RANGE


def to_native(probability: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Stretch a working probability map (S, S) back to float32 (H, W), in [0, 1]."""
    return np.clip(resize(probability, shape), 0, 1)


def resize(array: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize float32 (H, W) to ``shape``, bilinear, anti-aliased where it shrinks."""
    height, width = shape
    picture = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
