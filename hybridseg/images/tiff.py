"""The directories of a TIFF, read before it is decoded: how many pages it has, and whether a page is whole.

Pillow looks each page up among all before it, and leaves black what no strip covers. After TIFF 6.0 (Adobe 1992).
"""

from __future__ import annotations

import struct
from typing import Any

from .jpeg import check_jpeg
from .pixels import ImageError

MAX_TAGS = 1_000
MAX_STRIPS = 300_000
"""In one page: 8,000 x 8,000 pixels in tiles of 16 x 16 are 250,000."""

_SHORT, _LONG, _LONG8 = 3, 4, 16
_ONE_NUMBER = (256, 257, 259, 262, 277, 278, 284, 322, 323)  # size, compression, colours, planes, strips and tiles
_NUMBERS = (*_ONE_NUMBER, 258, 273, 279, 324, 325, 339)  # bits, places and sizes of strips and tiles, sample format
_OFFSETS, _COUNTS = (273, 324), (279, 325)  # of strips, of tiles
_TILE_WIDTH, _TILE_HEIGHT, _ROWS_PER_STRIP = 322, 323, 278
_COMPRESSION, _BY_JPEG = 259, 7


def count_pages(data: bytes, most: int) -> int:
    """Return how many pages a TIFF has, as far as ``most`` + 1.

    Raises
    ------
    ImageError
        If a page has too many tags or strips, or a tag that decides what its pixels are is damaged.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    start, pointer = (8, struct.Struct(f"{order}Q")) if is_big else (4, struct.Struct(f"{order}I"))
    number, entry = (pointer, f"{order}HHQ8x") if is_big else (struct.Struct(f"{order}H"), f"{order}HHI4x")
    seen: set[int] = set()
    try:
        (at,) = pointer.unpack_from(data, start)
        while at and at not in seen and len(seen) <= most:
            seen.add(at)
            (tags,) = number.unpack_from(data, at)
            if tags > MAX_TAGS:
                raise ImageError(f"has a TIFF page of {tags} tags, at most {MAX_TAGS} are read")
            at += number.size
            end = at + tags * struct.calcsize(entry)
            _check_tags(list(struct.iter_unpack(entry, data[at:end])))
            (at,) = pointer.unpack_from(data, end)
    except struct.error:
        raise ImageError("is a damaged TIFF (a directory is cut off)") from None
    return len(seen)


def _check_tags(entries: list[tuple[int, int, int]]) -> None:
    """Refuse too many strips, and damaged tags that Pillow passes over: the pixels would come out otherwise."""
    seen = set()
    for tag, kind, count in entries:
        if tag not in _NUMBERS:
            continue
        if tag in (*_OFFSETS, *_COUNTS) and count > MAX_STRIPS:
            raise ImageError(f"has a TIFF page of {count} strips or tiles, at most {MAX_STRIPS} are read")
        if tag in seen or kind not in (_SHORT, _LONG, _LONG8) or (tag in _ONE_NUMBER and count != 1):
            raise ImageError(f"is a damaged TIFF (its tag {tag} is there twice, or of another type or count)")
        seen.add(tag)


def check_page(picture: Any, data: bytes) -> None:
    """Raise `ImageError` if strips or tiles of the current page are missing, or are JPEGs of another size."""
    width, height = picture.size
    areas = {tuple(tile[1]) for tile in picture.tile}
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in areas)
    tags = picture.tag_v2
    offsets, counts = ([*(tags.get(strips) or tags.get(tiles) or ())] for strips, tiles in (_OFFSETS, _COUNTS))
    if covered < width * height or not all(offsets):
        raise ImageError("is a damaged TIFF (strips or tiles are missing)")
    if tags.get(_COMPRESSION) != _BY_JPEG:
        return
    across = tags.get(_TILE_WIDTH, width)
    down = tags.get(_TILE_HEIGHT) or min(tags.get(_ROWS_PER_STRIP, height), height)
    in_plane = -(-width // across) * -(-height // down)
    for number, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        least = down if _TILE_HEIGHT in tags else min(down, height - number % in_plane * down)
        tall, wide, _ = check_jpeg(data[offset : offset + count if count else None])
        if tall < least or wide < across:
            raise ImageError(f"is a damaged TIFF: it holds a JPEG of {tall} x {wide} for {least} x {across} pixels")
