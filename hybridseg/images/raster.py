"""PNG, JPEG, BMP, TIFF and WebP to `Pixels`, through Pillow. Messages here don't name the file: the caller does."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from ..limits import MAX_MEMORY_MB, limit_of
from ..validation import MAX_PIXELS
from .jpeg import check_jpeg
from .pixels import ImageError, Pixels, quiet
from .png import check_png, fill, list_chunks
from .tiff import check_page, count_pages

MAX_FRAMES = 10_000
_BYTES_A_PIXEL = 40  # of memory: DICOM with a window needs most, in float64
MAX_RLE_BYTES = 2**23
"""Longer runs, of a BMP or a DICOM frame, are refused: Python reads them, and a frame has two million pixels."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs of damaged files goes to stderr
_STDERR = threading.Lock()
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
}  # fmt: skip
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
    picture, frames = kept or _open(data)
    chosen = choose_frame(frame, frames)
    if chosen:
        with quiet():
            picture.seek(chosen)
    _check_size(picture)
    raw_modes = {_raw_mode(tile) for tile in picture.tile}
    colours = _count_colours(picture)
    declared = 1
    if picture.format == "TIFF":
        declared = _orientation(picture)  # Pillow turns TIFF itself, in load
        check_page(picture, data)
        by_libtiff = any(tile[0] == "libtiff" for tile in picture.tile)
        with quiet(), _no_stderr() if by_libtiff else contextlib.nullcontext():
            picture.load()
    else:  # the others have warned by now
        if picture.format == "PNG" and frames == 1:
            fill(picture)
        picture.load()
    if kept is None:
        _check_whole(picture, data, colours)
    left = _orientation(picture)  # a PNG's may stand behind its pixels
    pixels = _to_pixels(picture, _TURNS.get(left), raw_modes)
    if picture.format == "WEBP":
        pixels = replace(pixels, file_format="lossy WebP" if b"VP8 " in data else "WebP")
    if chosen + 1 < frames:
        opened.last = data, picture, frames
    return replace(pixels, turned=declared in _TURNS or left in _TURNS)


opened = threading.local()  # its `last`: bytes, open picture, frames of a file whose next frame may be asked for


def _take_kept(data: bytes, frame: int | None) -> tuple[Any, int] | None:
    """Return open picture and frames of ``data`` if an earlier frame was decoded last, else None; it isn't kept on."""
    last, opened.last = getattr(opened, "last", None), None
    if last is None or last[0] is not data or frame is None or frame <= last[1].tell():
        return None
    return last[1], last[2]


def _orientation(picture: Any) -> Any:
    try:
        with quiet():
            return picture.getexif().get(_ORIENTATION, 1)
    except SyntaxError:  # Pillow's for EXIF data that aren't any
        raise ImageError("has damaged EXIF data, which would say how it is turned") from None


def find_format(head: bytes) -> str:
    """Return which of the formats that are read a file's first bytes are of; empty if none."""
    if head[:2] == b"BM":  # two letters alone begin words, too
        return "BMP" if head[14:18] in _BMP_HEADERS else ""
    if head[:4] == b"RIFF":
        return "WEBP" if head[8:12] == b"WEBP" else ""
    return next((name for start, name in _STARTS.items() if head.startswith(start)), "")


def count_frames(data: bytes) -> int:
    """Return how many pages or frames a file has."""
    return 1 if find_format(data) == "JPEG" else _open(data)[1]  # a phone's JPEG with a preview is one image, too


def find_size(data: bytes) -> tuple[int, int]:
    """Return height and width as `decode` would give them, from the header."""
    picture, _ = _open(data)
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
    needed, limit = width * height * _BYTES_A_PIXEL / 1e6, limit_of(MAX_MEMORY_MB)
    if needed > limit:
        pixels = f"{height} x {width} pixels"
        raise ImageError(f"has {pixels}, which may take {needed:.0f} MB of {limit:g} ({MAX_MEMORY_MB})")


def _open(data: bytes) -> tuple[Any, int]:
    """Return the picture, not yet decoded, and its frames; refuse what headers rule out, before Pillow reads them."""
    name = find_format(data)
    if not name:
        raise ImageError("is not a PNG, JPEG, BMP, TIFF, WebP or DICOM image")
    pages = 1
    if name == "PNG":
        list_chunks(data)
    elif name == "JPEG":
        check_jpeg(data)
    elif name == "TIFF":
        pages = count_pages(data, MAX_FRAMES)
    # `Image.open` would load Pillow's other formats too, a fiftieth of what one image takes from process start.
    importlib.import_module(f"PIL.{'WebP' if name == 'WEBP' else name.title()}ImagePlugin")
    with quiet():
        try:
            stream = io.BytesIO(data)
            picture: Any = PngImageFile(stream) if name == "PNG" else Image.open(stream, formats=(name,))
        except (UnidentifiedImageError, SyntaxError):
            raise ImageError(f"is a damaged {name}, or of a kind that isn't read, such as 64-bit floats") from None
        except Image.DecompressionBombError:
            raise ImageError(f"has more than {MAX_PIXELS} pixels") from None
    _check_size(picture)
    if picture.format == "BMP" and picture.tile[0][0] == "bmp_rle" and len(data) > MAX_RLE_BYTES:  # Pillow's is Python
        raise ImageError(f"has BMP runs of {len(data)} bytes, at most {MAX_RLE_BYTES} are read")
    if picture.format in ("PNG", "WEBP"):
        pages = int(picture.n_frames)
    return picture, pages


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


def _raw_mode(tile: Any) -> str:
    """Return how samples lie in the file: Pillow reads 16-bit colour as its upper 8 bits and says nothing."""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _count_colours(picture: Any) -> int:
    """Return how many colours the palette has, before Pillow fills it up with black; 256 without one."""
    if picture.mode not in ("P", "PA"):
        return 256
    palette = picture.palette
    return 0 if palette is None else len(palette.palette) // len((palette.rawmode or palette.mode).partition(";")[0])


def _check_whole(picture: Any, data: bytes, colours: int) -> None:
    """Raise `ImageError` for what Pillow lets pass: a damaged or missing end, colours that aren't in the palette."""
    if picture.format == "PNG":
        check_png(data, picture)
    elif picture.format in ("JPEG", "MPO"):
        _check_jpeg_end(picture, data)
    if colours < 256 and picture.mode == "P" and picture.getextrema()[1] >= colours:
        raise ImageError(f"has colour {picture.getextrema()[1]}, and a palette of {colours}")


def _check_jpeg_end(picture: Any, data: bytes) -> None:
    """Raise `ImageError` if data are missing at the end: libjpeg makes them grey, 128, and more data change that."""
    width, height = picture.size
    corner = picture.crop((max(0, width - 8), max(0, height - 8), width, height))
    if set(corner.tobytes()) != {128}:
        return
    _, _, end = check_jpeg(data)
    longer, _ = _open(data[:end] + bytes(512) + data[end:])
    if longer.tobytes() != picture.tobytes():
        raise ImageError("is a damaged JPEG (its data end too early)")


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
