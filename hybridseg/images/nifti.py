"""NIfTI files of one 2-D picture to `Pixels`, through nibabel. Messages here don't name the file: the caller does.

The first axis is columns and the second rows, as ITK and nnU-Net write pictures; nothing is turned.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..validation import MAX_PIXELS
from .pixels import ImageError, Pixels, quiet
from .raster import check_size

_MAX_BYTES = 9 * MAX_PIXELS
"""Of an unpacked file: eight bytes a pixel, and room for headers."""

_LOG = logging.getLogger("nibabel.global")  # tells stderr of each header that isn't by the book

GZIP = b"\x1f\x8b"
_MAGICS = (b"n+1\0", b"n+2\0")


def is_nifti(data: bytes) -> bool:
    """Whether these are a NIfTI file's first bytes, packed by gzip or not."""
    return data.startswith(GZIP) or data[344:348] in _MAGICS[:1] or data[4:8] in _MAGICS[1:]


def decode(data: bytes) -> Pixels:
    """Decode a file of one 2-D picture.

    Whole numbers up to 255 are 8-bit values, those up to 65535 16-bit values, whatever type stores them.
    """
    picture, shape = _open(data)
    array = np.asanyarray(picture.dataobj).reshape(shape).T
    if array.dtype.kind not in "uif":
        raise ImageError(f"holds values of type {array.dtype}, expected numbers")
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.rint(array)).all()):
        return Pixels(array.astype(np.float32), None, "NIfTI", str(array.dtype), bits=32)
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 65535:
        raise ImageError(f"holds values from {low} to {high}, expected 0 to 65535")
    deep = high > 255
    return Pixels(
        array.astype(np.uint16 if deep else np.uint8), None, "NIfTI", str(array.dtype), bits=16 if deep else 8
    )


def find_spacing(data: bytes) -> tuple[float, float] | None:
    """Return the distance between pixels (row, column) in mm; None where the file gives no unit or a converter's 1."""
    picture, _ = _open(data)
    column, row = (float(zoom) for zoom in picture.header.get_zooms()[:2])
    if picture.header.get_xyzt_units()[0] != "mm" or (row, column) == (1.0, 1.0) or not min(row, column) > 0:
        return None
    return row, column


def _open(data: bytes) -> tuple[Any, tuple[int, int]]:
    """Return the file, its pixels unread, and its picture's (columns, rows)."""
    try:
        import nibabel
    except ImportError:
        raise ImageError('is NIfTI, which needs nibabel: pip install "hybridseg[nifti]"') from None
    if data.startswith(GZIP):
        with gzip.open(io.BytesIO(data)) as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ImageError(f"is larger than {_MAX_BYTES} bytes when unpacked")
    kind = nibabel.Nifti1Image if data[344:348] in _MAGICS[:1] else nibabel.Nifti2Image
    with quiet(), _unlogged():
        picture = kind.from_bytes(data)
    shape = tuple(picture.shape)
    if len(shape) < 2 or any(length != 1 for length in shape[2:]):
        raise ImageError(f"holds an array of shape {shape}, expected one 2-D picture")
    check_size(shape[1], shape[0])
    return picture, (shape[0], shape[1])


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    was, _LOG.disabled = _LOG.disabled, True
    try:
        yield
    finally:
        _LOG.disabled = was
