"""Open a file, find out its format, and hand it to the decoder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..files import read_regular
from ..limits import MAX_SECONDS, TimeLimit
from ..text import one_line, printable
from ..validation import MAX_PIXELS
from . import dicom, nifti, raster
from .pixels import ImageError, Pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".dcm", ".dicom", ".nii", ".nii.gz")
"""Endings that a folder reader takes for images (case ignored). The content decides what a file is."""

_HEAD_BYTES = 1024
"""As much of a file tells its format, and what kind of object a DICOM file holds."""

_UNWATCHED_BYTES = 2**18
"""What headers let a smaller file cost is seconds at most: a watching thread would cost more."""

MAX_FILE_BYTES = 5 * MAX_PIXELS
"""Files above this size are refused unread: four bytes a pixel at the largest size, and room for metadata."""


@dataclass(frozen=True)
class FileFacts:
    """Facts that a file tells beside its pixels.

    Attributes
    ----------
    frames : int
        Pages or frames, each an image of its own.
    spacing_mm : tuple of (row, column), or None
        Distance between neighbouring pixels. From DICOM and NIfTI: the dots per inch of other formats are a printer's.
    burnt_in_text : bool
        The pixels may name the patient: a DICOM file says so, or is ultrasound and doesn't deny it.
    """

    frames: int = 1
    spacing_mm: tuple[float, float] | None = None
    burnt_in_text: bool = False


def read_image(path: str | os.PathLike[str], frame: int | None = None) -> NDArray[np.uint8]:
    """Read a file as a grey image.

    Parameters
    ----------
    path : str or path
    frame : int, optional
        Which page or frame, from 0. A file of several is refused where it isn't given.

    Returns
    -------
    ndarray of shape (H, W), uint8

    Raises
    ------
    ImageError
        If it is missing, unreadable, empty, truncated, too large or not an image of a kind that is taken.
    """
    return decode_image(read_bytes(path), printable(path), frame)


def read_mask(path: str | os.PathLike[str], frame: int | None = None) -> NDArray[np.bool_]:
    """Read a file as a mask: see the package's text for the rule.

    Returns
    -------
    ndarray of shape (H, W), bool

    Raises
    ------
    ImageError
        As `read_image`, and for values that are neither labels nor black and white.
    """
    pixels = read_pixels(path, frame)
    try:
        return pixels.to_mask()
    except ValueError as error:
        raise ImageError(f"{printable(path)}: {error}") from error


def read_pixels(path: str | os.PathLike[str], frame: int | None = None) -> Pixels:
    """Read and decode a file; see `read_image` for what is raised."""
    return decode(read_bytes(path), printable(path), frame)


def read_facts(path: str | os.PathLike[str]) -> FileFacts:
    """Read what a file tells beside its pixels; see `read_image` for what is raised."""
    return find_facts(read_bytes(path), printable(path))


def why_no_image(path: str | os.PathLike[str]) -> str:
    """Return why a regular file in a folder isn't to be read as an image; empty if it is.

    Its first bytes decide. A file that only its name makes an image is to be read, too: reading it says what is wrong.

    Raises
    ------
    OSError
        If it can't be read.
    """
    with open(path, "rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head and dicom.is_dicom(head):
        return dicom.why_no_picture(head)
    named = os.fspath(path).lower().endswith(SUFFIXES)
    packed = head.startswith(nifti.GZIP)  # as much else is
    known = raster.find_format(head) or (nifti.is_nifti(head) and not packed)
    return "" if named or known else "is no image of a kind that is read"


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return height and width of an image file, from its header where that tells; see `read_image` for errors."""
    data, name = read_bytes(path), printable(path)
    if _is_dicom(data) or nifti.is_nifti(data):
        return decode_image(data, name).shape
    with _reading(data, name):
        return raster.find_size(data)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file of at most `MAX_FILE_BYTES`; raise `ImageError` otherwise."""
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise ImageError(f"{printable(path)}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{printable(path)}: can't be read: {reason}") from error


def decode(data: bytes, name: str, frame: int | None = None) -> Pixels:
    """Decode the bytes of an image file.

    Parameters
    ----------
    data : bytes
    name : str
        What error messages call it.
    frame : int, optional
        Which page or frame, from 0.

    Raises
    ------
    ImageError
        See `read_image`.
    """
    with _reading(data, name):
        if _is_dicom(data):
            return dicom.decode(data, frame)
        if nifti.is_nifti(data):
            raster.choose_frame(frame, 1)
            return nifti.decode(data)
        return raster.decode(data, frame)


def decode_image(data: bytes, name: str, frame: int | None = None) -> NDArray[np.uint8]:
    """Decode the bytes of an image file as a grey image; see `decode` and `read_image`."""
    pixels = decode(data, name, frame)
    try:
        return pixels.to_grey()
    except ValueError as error:
        raise ImageError(f"{name}: {error}") from error


def find_facts(data: bytes, name: str) -> FileFacts:
    """Return what the bytes of an image file tell beside its pixels; see `read_image` for what is raised."""
    with _reading(data, name):
        if _is_dicom(data):
            return FileFacts(*dicom.find_facts(data))
        if nifti.is_nifti(data):
            return FileFacts(spacing_mm=nifti.find_spacing(data))
        return FileFacts(frames=raster.count_frames(data))


@contextlib.contextmanager
def _reading(data: bytes, name: str) -> Iterator[None]:
    """Make an `ImageError` of whatever a decoder raises, and of a file that takes longer than the limit."""
    limit = TimeLimit(f"reading {name}", stop=lambda: None)
    try:
        with limit if len(data) > _UNWATCHED_BYTES else contextlib.nullcontext():
            yield
    except Exception as error:  # decoders fail on hostile bytes with almost any type
        raise _as_image_error(error, name) from error
    if limit.is_over:
        raise ImageError(f"{name}: reading took more than {limit.seconds:g} s, which is the limit ({MAX_SECONDS})")


def _is_dicom(data: bytes) -> bool:
    if not data:
        raise ImageError("is empty (0 bytes)")
    return dicom.is_dicom(data)


def _as_image_error(error: Exception, name: str) -> ImageError:
    if isinstance(error, ImageError):
        return ImageError(f"{name}: {printable(str(error))}")
    if isinstance(error, MemoryError):
        return ImageError(f"{name}: doesn't fit into memory")
    return ImageError(f"{name}: can't be decoded: {one_line(error)}")
