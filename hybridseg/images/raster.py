"""PNG, JPEG, BMP, TIFF and WebP to `Pixels`, through Pillow. Messages here don't name the file: the caller does."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from ..validation import MAX_PIXELS
from .pixels import ImageError, Pixels, quiet

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_FRAMES = 10_000

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs of damaged files goes to stderr
_STDERR = threading.Lock()
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", *_TIFF_STARTS)
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_MINIMUM_IS_WHITE = 0
_UNSIGNED = 1
_SAMPLE_FORMAT, _PHOTOMETRIC, _ORIENTATION = 339, 262, 0x0112

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what undoes each EXIF orientation; 1 is upright


def decode(data: bytes, frame: int | None) -> Pixels:
    """Decode a file, or one frame of it; frames in their order, of one ``bytes``, cost no more than all at once."""
    kept = _take_kept(data, frame)
    picture = _open(data) if kept is None else kept
    with quiet():
        frames = _frames(picture)
        chosen = choose_frame(frame, frames)
        if chosen:
            picture.seek(chosen)
    _check_size(picture)
    raw_modes = {_raw_mode(tile) for tile in picture.tile}
    declared = 1
    if picture.format == "TIFF":
        declared = _orientation(picture)  # Pillow turns TIFF itself, in load
        by_libtiff = any(tile[0] == "libtiff" for tile in picture.tile)
        with quiet(), _no_stderr() if by_libtiff else contextlib.nullcontext():
            picture.load()
    else:  # the others have warned by now
        picture.load()
    if picture.format == "PNG" and kept is None:
        _check_png(data)
    left = _orientation(picture)  # a PNG's may stand behind its pixels
    pixels = _to_pixels(picture, _TURNS.get(left), raw_modes)
    if picture.format == "WEBP":
        pixels = replace(pixels, file_format="lossy WebP" if b"VP8 " in data else "WebP")
    if chosen + 1 < frames:
        _kept.last = data, picture
    return replace(pixels, turned=declared in _TURNS or left in _TURNS)


_kept = threading.local()  # its `last`: bytes and open picture of a file whose next frame this thread may ask for


def _take_kept(data: bytes, frame: int | None) -> Any:
    """Return the open picture of ``data`` if a frame before this one was decoded last, else None; it isn't kept on."""
    last, _kept.last = getattr(_kept, "last", None), None
    if last is None or last[0] is not data or frame is None or frame <= last[1].tell():
        return None
    return last[1]


def _orientation(picture: Any) -> Any:
    with quiet():
        return picture.getexif().get(_ORIENTATION, 1)


def is_raster(head: bytes) -> bool:
    """Whether a file whose first bytes these are is of one of `FORMATS`."""
    is_bmp = head[:2] == b"BM" and head[14:18] in _BMP_HEADERS  # two letters alone begin words, too
    return head.startswith(_STARTS) or is_bmp or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def count_frames(data: bytes) -> int:
    """Return how many pages or frames a file has."""
    picture = _open(data)
    with quiet():
        return _frames(picture)


def find_size(data: bytes) -> tuple[int, int]:
    """Return height and width as `decode` would give them, from the header."""
    picture = _open(data)
    width, height = picture.size
    return (width, height) if _orientation(picture) in (5, 6, 7, 8) else (height, width)


def choose_frame(frame: int | None, frames: int) -> int:
    """Return which frame is meant."""
    if frames > MAX_FRAMES:
        raise ImageError(f"holds {frames} pages or frames, at most {MAX_FRAMES} are read")
    if frame is None:
        if frames > 1:
            raise ImageError(f"holds {frames} pages or frames, expected one")
        return 0
    if not 0 <= frame < frames:
        raise ImageError(f"has no frame {frame}: it holds {frames}, counted from 0")
    return frame


def check_size(height: int, width: int) -> None:
    """Raise `ImageError` for a picture without pixels or with too many, before any is decoded."""
    if width < 1 or height < 1:
        raise ImageError(f"has no pixels ({height} x {width})")
    if width * height > MAX_PIXELS:
        raise ImageError(f"has {height} x {width} pixels, at most {MAX_PIXELS} are read")


def _open(data: bytes) -> Any:
    """Read the header and refuse what the header already rules out, before any pixel is decoded."""
    with quiet():
        try:
            # `Image.open` would load Pillow's other formats too, a fiftieth of what one image takes from process start.
            is_png = data.startswith(b"\x89PNG\r\n\x1a\n")
            picture = PngImageFile(io.BytesIO(data)) if is_png else Image.open(io.BytesIO(data), formats=FORMATS)
        except (UnidentifiedImageError, SyntaxError):
            if data.startswith(_TIFF_STARTS):
                raise ImageError("is a damaged TIFF, or of a kind that isn't read, such as 64-bit floats") from None
            raise ImageError("is not a PNG, JPEG, BMP, TIFF, WebP or DICOM image") from None
        except Image.DecompressionBombError:
            raise ImageError(f"has more than {MAX_PIXELS} pixels") from None
    _check_size(picture)
    return picture


def _check_size(picture: Any) -> None:
    width, height = picture.size
    check_size(height, width)


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Throw away what C code prints: libtiff does, beside the error that Pillow raises."""
    with _STDERR:
        try:
            kept = os.dup(2)
        except OSError:  # this process has no stderr
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def _frames(picture: Any) -> int:
    # MPO is a phone's JPEG with a preview
    return 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))


def _raw_mode(tile: Any) -> str:
    """Return how samples lie in the file: Pillow reads 16-bit colour as its upper 8 bits and says nothing."""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _check_png(data: bytes) -> None:
    """Raise `ImageError` unless every chunk is whole; Pillow lets a damaged or missing last part pass."""
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImageError(f"is damaged (checksum of PNG chunk {kind!r})")
        if kind == b"IEND":
            return
        at = end
    raise ImageError("is truncated (the PNG's end is missing)")


def _to_pixels(picture: Any, turn: Image.Transpose | None, raw_modes: set[str]) -> Pixels:
    mode = str(picture.mode)
    file_format = "JPEG" if picture.format == "MPO" else str(picture.format)
    tags = getattr(picture, "tag_v2", {})  # of a TIFF
    if turn is not None:
        picture = picture.transpose(turn)
    if mode == "F" or mode.startswith("I;16") or (mode == "I" and file_format == "PNG"):
        return _deep_pixels(picture, file_format, raw_modes, inverted=tags.get(_PHOTOMETRIC) == _MINIMUM_IS_WHITE)
    if mode[0] == "I" or set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))) != {_UNSIGNED}:
        raise ImageError(f"holds signed or 32-bit integers (mode {mode}); 8 and 16 bits without sign are read")
    # A BMP's 16 bits are five a channel.
    shortened = file_format in ("PNG", "TIFF") and any(f";{bits}" in raw for raw in raw_modes for bits in (12, 16, 32))
    opaque = None
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        opaque = np.asarray(picture)[..., 3] > 127
        picture = picture.convert("RGB")
    to_mode = "L" if mode in ("1", "L", "LA") else "RGB"
    return Pixels(np.array(picture.convert(to_mode)), opaque, file_format, mode, shortened=shortened)


def _deep_pixels(picture: Any, file_format: str, raw_modes: set[str], *, inverted: bool) -> Pixels:
    """Return grey of more than 8 bits as it is stored."""
    mode = str(picture.mode)
    if mode == "F":
        if not all(raw.startswith("F;32") for raw in raw_modes):
            raise ImageError("holds floating-point values of another kind than 32-bit ones")
        values = np.array(picture, dtype=np.float32)
        return Pixels(1 - values if inverted else values, None, file_format, mode, bits=32)
    bits = 12 if "I;12" in raw_modes else 16
    deep = np.array(picture).astype(np.uint16)
    opaque = deep != picture.info["transparency"] if "transparency" in picture.info else None
    return Pixels(2**bits - 1 - deep if inverted else deep, opaque, file_format, mode, bits=bits)
