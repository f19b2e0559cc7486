"""A decoded file before it becomes an image or a mask, and the rules by which it becomes one."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_LABEL = 15
"""A lossless mask whose brightest value is at most this holds label numbers, not grey values."""

LOSSY = ("JPEG", "lossy WebP")
"""Formats that change values a little: what is stored isn't taken for label numbers."""

MIN_BRIGHTEST = 16
"""A picture of more than 8 bits whose brightest grey is below this after mapping isn't believed."""

_warnings_lock = threading.Lock()  # warnings.catch_warnings changes the state of the whole process


class ImageError(ValueError):
    """An image can't be read or written. The message is one line with path and reason."""


@dataclass(frozen=True)
class Pixels:
    """A decoded file, before it becomes an image or a mask.

    Attributes
    ----------
    array : ndarray of shape (H, W) or (H, W, 3), uint8; or (H, W), uint16 or float32
        Stored values, orientation applied; 1-bit files hold 0 and 255.
    opaque : ndarray of shape (H, W), bool, or None
        False where the file is transparent; None if it has no alpha channel.
    file_format, mode : str
        For example ``PNG`` and ``RGBA``; a WebP file says whether it is `LOSSY`.
    bits : int
        Bits of the declared range: 8, or 10 to 16 for uint16, or 32 for float32 in [0, 1].
    shortened : bool
        The decoder has kept only the upper eight bits of a deeper range.
    turned : bool
        The file has an orientation, and it was applied.
    """

    array: NDArray[Any]
    opaque: NDArray[np.bool_] | None
    file_format: str
    mode: str
    bits: int = 8
    shortened: bool = False
    turned: bool = False

    @property
    def coloured(self) -> bool:
        """Whether some pixel's channels differ: a coloured overlay or a Doppler image."""
        return self.array.ndim == 3 and bool((self.array != self.array[..., :1]).any())

    @property
    def white(self) -> int:
        """The greatest value of the declared range."""
        return 1 if self.array.dtype.kind == "f" else 2**self.bits - 1

    def to_grey(self) -> NDArray[np.uint8]:
        """Return the grey image, (H, W) uint8, by the rule of this package.

        Raises
        ------
        ValueError
            If floats leave [0, 1], or deep integers don't fill their range.
        """
        grey = self.array
        if grey.dtype.kind == "f":
            self._check_floats()
            return np.rint(grey * np.float32(255)).astype(np.uint8)
        if grey.dtype == np.uint16:
            if 0 < int(grey.max()) < MIN_BRIGHTEST << (self.bits - 8):
                raise ValueError(
                    f"values end at {grey.max()} of {self.white}: its true range isn't known; convert it to 8 bits"
                )
            return (grey >> np.uint16(self.bits - 8)).astype(np.uint8)
        if self.shortened and int(grey.max()) < MIN_BRIGHTEST:
            raise ValueError("values fill less than a sixteenth of their range; convert it to 8 bits")
        if grey.ndim == 2:
            return grey
        return np.array(Image.fromarray(grey).convert("L"))

    def to_values(self) -> NDArray[Any]:
        """Return the brightest channel, 0 where transparent, (H, W): what a mask's rule looks at."""
        values = self.array
        if values.ndim == 3:  # ten times faster than max(axis=2)
            values = np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])
        return values if self.opaque is None else np.where(self.opaque, values, values.dtype.type(0))

    def to_mask(self) -> NDArray[np.bool_]:
        """Return the lesion, (H, W) bool, by the rule of this package.

        Raises
        ------
        ValueError
            If the values are neither labels nor black and white.
        """
        if self.array.dtype.kind == "f":
            self._check_floats()
        values = self.to_values()
        brightest = values.max()
        if 2 * float(brightest) > self.white or self.file_format in LOSSY:
            return values > self.white / 2
        if self.shortened:
            raise ValueError("a mask of more than 8 bits with no value above half its range; convert it to 8 bits")
        if brightest == 255:  # an 8-bit mask in a deeper file
            return values > 127
        if brightest > MAX_LABEL or (values.dtype.kind == "f" and brightest > 0):
            raise ValueError(f"expected 0 and {self.white} or labels up to {MAX_LABEL}, got at most {brightest}")
        return values > 0

    def _check_floats(self) -> None:
        low, high = float(self.array.min()), float(self.array.max())
        if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails
            raise ValueError(f"floating-point values must lie in [0, 1], got {low:.4g} to {high:.4g}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence decoders' warnings about sizes and metadata: both are decided here."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
