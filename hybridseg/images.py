"""Files to arrays and back: grey images as uint8 (H, W), masks as bool (H, W), overlays. numpy and Pillow.

Taken: PNG, JPEG, BMP and TIFF with at most 8 bits a channel and one page.

- Colour becomes grey with Pillow's weights (ITU-R 601-2: 0.299 R + 0.587 G + 0.114 B): equal channels stay.
- The alpha channel of an image is ignored: the stored colours are what the scanner wrote.
- An EXIF orientation is applied, to images and masks alike: what a viewer shows is what is segmented.
- In a mask a pixel is lesion where its brightest channel is above 127 and it isn't transparent. A lossless
  mask that has no value above `MAX_LABEL` holds label numbers: every one but 0 is lesion.
- 16-bit and float files, several pages, files that end too early and the rest are refused with one line.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .validation import MAX_PIXELS, check_image, check_mask, write_atomically

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""Endings that a folder reader takes for images (case ignored). The content decides what a file is."""

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
MAX_FILE_BYTES = 5 * MAX_PIXELS
"""Files above this size are refused unread: four bytes a pixel at the largest size, and room for metadata."""

MAX_LABEL = 15
"""A lossless mask whose brightest value is at most this holds label numbers, not grey values."""

PREDICTION_COLOUR = (230, 159, 0)
TRUTH_COLOUR = (86, 180, 233)
# Orange and sky blue of the palette of Okabe and Ito (2008), told apart with any form of colour blindness.

_warnings_lock = threading.Lock()  # warnings.catch_warnings changes the state of the whole process

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what undoes each EXIF orientation; 1 is upright


class ImageError(ValueError):
    """An image can't be read or written. The message is one line with path and reason."""


@dataclass(frozen=True)
class Pixels:
    """A decoded file, before it becomes an image or a mask.

    Attributes
    ----------
    array : ndarray of shape (H, W) or (H, W, 3), uint8
        Stored values, orientation applied; 1-bit files hold 0 and 255.
    opaque : ndarray of shape (H, W), bool, or None
        False where the file is transparent; None if it has no alpha channel.
    file_format, mode : str
        Pillow's names, for example ``PNG`` and ``RGBA``.
    """

    array: NDArray[np.uint8]
    opaque: NDArray[np.bool_] | None
    file_format: str
    mode: str

    @property
    def coloured(self) -> bool:
        """Whether some pixel's channels differ: a coloured overlay or a Doppler image."""
        return self.array.ndim == 3 and bool((self.array != self.array[..., :1]).any())

    def to_grey(self) -> NDArray[np.uint8]:
        """Return the grey image, (H, W) uint8."""
        if self.array.ndim == 2:
            return self.array
        return np.array(Image.fromarray(self.array).convert("L"))

    def to_values(self) -> NDArray[np.uint8]:
        """Return the brightest channel, 0 where transparent, (H, W) uint8: what a mask's rule looks at."""
        values = self.array
        if values.ndim == 3:  # ten times faster than max(axis=2)
            values = np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])
        return values if self.opaque is None else np.where(self.opaque, values, np.uint8(0))

    def to_mask(self) -> NDArray[np.bool_]:
        """Return the lesion, (H, W) bool, by the rule of this module.

        Raises
        ------
        ValueError
            If the brightest value lies between `MAX_LABEL` and 128: neither labels nor black and white.
        """
        values = self.to_values()
        brightest = int(values.max())
        if brightest > 127 or self.file_format == "JPEG":
            return values > 127
        if brightest > MAX_LABEL:
            raise ValueError(f"expected 0 and 255 or labels up to {MAX_LABEL}, got at most {brightest}")
        return values > 0


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a file as a grey image.

    Returns
    -------
    ndarray of shape (H, W), uint8

    Raises
    ------
    ImageError
        If it is missing, unreadable, empty, truncated, too large or not an image of a kind that is taken.
    """
    return read_pixels(path).to_grey()


def read_mask(path: str | os.PathLike[str]) -> NDArray[np.bool_]:
    """Read a file as a mask: see this module's text for the rule.

    Returns
    -------
    ndarray of shape (H, W), bool

    Raises
    ------
    ImageError
        As `read_image`, and for values that are neither labels nor black and white.
    """
    pixels = read_pixels(path)
    try:
        return pixels.to_mask()
    except ValueError as error:
        raise ImageError(f"{shown(path)}: {error}") from error


def read_pixels(path: str | os.PathLike[str]) -> Pixels:
    """Read and decode a file; see `read_image` for what is raised."""
    return decode(read_bytes(path), shown(path))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file of at most `MAX_FILE_BYTES`; raise `ImageError` otherwise."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{shown(path)}: is a folder, expected an image file")
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would hang or never end
            raise ImageError(f"{shown(path)}: is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(f"{shown(path)}: has {status.st_size} bytes, at most {MAX_FILE_BYTES} are read")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{shown(path)}: no such file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{shown(path)}: can't be read: {reason}") from error


def decode(data: bytes, name: str) -> Pixels:
    """Decode the bytes of an image file.

    Parameters
    ----------
    data : bytes
    name : str
        What error messages call it.

    Raises
    ------
    ImageError
        See `read_image`.
    """
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes)")
    try:
        picture = _open(data, name)
        picture.load()
        if picture.format == "PNG":
            _check_png(data, name)
        with _quiet():  # after load, where Pillow has turned TIFF itself
            turn = _TURNS.get(picture.getexif().get(0x0112, 1))
        return _to_pixels(picture, turn)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name}: doesn't fit into memory") from None
    except Exception as error:  # decoders fail on hostile bytes with almost any type
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(f"{name}: can't be decoded: {reason}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings about sizes and metadata: both are decided here."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(data: bytes, name: str) -> Any:
    """Read the header and refuse what the header already rules out, before any pixel is decoded."""
    with _quiet():
        try:
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            raise ImageError(f"{name}: is not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
        except Image.DecompressionBombError:
            raise ImageError(f"{name}: has more than {MAX_PIXELS} pixels") from None
        pages = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    width, height = picture.size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: has no pixels ({height} x {width})")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: has {height} x {width} pixels, at most {MAX_PIXELS} are read")
    if pages > 1:
        raise ImageError(f"{name}: holds {pages} pages or frames, expected one")
    # Pillow reads 16-bit colour as its upper 8 bits and says nothing: the raw mode tells.
    deep = any(f";{bits}" in str(tile[3]) for tile in picture.tile for bits in (12, 16, 32))
    if deep or picture.mode[:1] in "IF":
        raise ImageError(f"{name}: has more than 8 bits a channel (mode {picture.mode}); convert it to 8")
    return picture


def _check_png(data: bytes, name: str) -> None:
    """Raise `ImageError` unless every chunk is whole; Pillow lets a damaged or missing last part pass."""
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImageError(f"{name}: is damaged (checksum of PNG chunk {kind!r})")
        if kind == b"IEND":
            return
        at = end
    raise ImageError(f"{name}: is truncated (the PNG's end is missing)")


def _to_pixels(picture: Any, turn: Image.Transpose | None) -> Pixels:
    mode = str(picture.mode)
    file_format = "JPEG" if picture.format == "MPO" else str(picture.format)  # a phone's JPEG with a preview
    if turn is not None:
        picture = picture.transpose(turn)
    opaque = None
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        opaque = np.asarray(picture)[..., 3] > 127
        picture = picture.convert("RGB")
    if mode in ("1", "L", "LA"):
        return Pixels(np.array(picture.convert("L")), opaque, file_format, mode)
    return Pixels(np.array(picture.convert("RGB")), opaque, file_format, mode)


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


def _write_png(path: str | os.PathLike[str], array: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format="PNG")
    try:
        write_atomically(path, stream.getvalue())
    except OSError as error:
        raise ImageError(f"{shown(path)}: can't be written: {error.strerror or error}") from error


def overlay(image: Any, mask_pred: Any, mask_true: Any | None = None) -> NDArray[np.uint8]:
    """Draw outlines over a grey image: ground truth in sky blue, prediction in orange over it.

    The truth's line is twice as wide, so that both are seen where they coincide.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8
    mask_pred : ndarray of shape (H, W), bool
    mask_true : ndarray of shape (H, W), bool, optional

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    image = check_image(image)
    mask_pred = check_mask(mask_pred, image.shape, "mask_pred")
    drawn = np.repeat(image[..., None], 3, axis=2)
    width = max(1, round(min(image.shape) / 250))
    if mask_true is not None:
        drawn[_outline(check_mask(mask_true, image.shape, "mask_true"), 2 * width)] = TRUTH_COLOUR
    drawn[_outline(mask_pred, width)] = PREDICTION_COLOUR
    return drawn


def _outline(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of ``mask`` within ``width`` steps (up, down, left, right) of its outside."""
    inner = np.pad(mask, 1)  # what lies beyond the picture is outside
    for _ in range(width):
        shrunk = inner.copy()
        shrunk[1:-1, 1:-1] &= inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
        inner = shrunk
    return mask & ~inner[1:-1, 1:-1]


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as one printable line: a newline in a name must not break a message in two."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in os.fspath(path))
