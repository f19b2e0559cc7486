"""Whether a PNG is whole. Pillow lets pass a damaged or missing end, and rows that are missing.

After the PNG specification, third edition (W3C 2025), clauses 5, 7 and 8.
"""

from __future__ import annotations

import zlib
from typing import Any

from PIL import Image

from .pixels import ImageError

MAX_CHUNKS = 100_000
"""A file of the greatest size in chunks of 8 kB, as libpng writes them, has 40,000."""

_HEADER_BYTES = 13
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_WHOLE = ((0, 0, 1, 1),)


def list_chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return kind, start and end of each chunk's body, as far as they are whole.

    Raises
    ------
    ImageError
        If there are too many, or the first one isn't the header, or the header or EXIF data are there twice: readers
        disagree on which counts.
    """
    chunks = []
    at = 8
    while at + 12 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        chunks.append((kind, at + 8, end))
        if len(chunks) > MAX_CHUNKS:
            raise ImageError(f"has more than {MAX_CHUNKS} PNG chunks")
        if kind == b"IEND":
            break
        at = end + 4
    headers = [(number, end - start) for number, (kind, start, end) in enumerate(chunks) if kind == b"IHDR"]
    if chunks and headers != [(0, _HEADER_BYTES)]:
        raise ImageError("is a damaged PNG (its header isn't first, or is there twice)")
    if sum(kind == b"eXIf" for kind, _, _ in chunks) > 1:
        raise ImageError("is a damaged PNG (its EXIF data are there twice)")
    return chunks


def fill(picture: Any) -> None:
    """Make a picture white before it is decoded, so that `check_png` sees at once whether rows are missing."""
    picture.im = _blank(picture.mode, picture.size).im


def _blank(mode: str, size: tuple[int, int]) -> Image.Image:
    return Image.new(mode, size, 255 if mode == "P" else "white")


def check_png(data: bytes, picture: Any) -> None:
    """Raise `ImageError` unless every chunk and every row of a decoded picture's file is there."""
    chunks = list_chunks(data)
    for kind, start, end in chunks:
        if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ImageError(f"is damaged (checksum of PNG chunk {kind!r})")
    if not chunks or chunks[-1][0] != b"IEND":
        raise ImageError("is truncated (the PNG's end is missing)")
    width, height = picture.size
    last_row = picture.crop((0, height - 1, width, height)).tobytes()
    is_interlaced = data[28] == 1
    if is_interlaced or picture.n_frames > 1 or last_row == _blank(picture.mode, (width, 1)).tobytes():
        packed = b"".join(data[start:end] for kind, start, end in chunks if kind == b"IDAT")
        if not _unpacks_to(packed, _count_bytes(data)):
            raise ImageError("is damaged (rows of the PNG are missing)")


def _count_bytes(data: bytes) -> int:
    """Return the size of the unpacked rows, each with a byte in front that names its filter."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = data[24] * _CHANNELS[data[25]]
    size = 0
    for left, top, across, down in _PASSES if data[28] == 1 else _WHOLE:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        size += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
    return size


def _unpacks_to(packed: bytes, size: int) -> bool:
    """Whether there are so many bytes; a megabyte at a time."""
    unpacking = zlib.decompressobj()
    while size > 0 and (part := unpacking.decompress(packed, 2**20)):
        packed = unpacking.unconsumed_tail
        size -= len(part)
    return size <= 0
