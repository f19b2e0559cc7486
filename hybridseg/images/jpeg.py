"""The headers of a JPEG or JPEG 2000, read before it is decoded: its size, its cost, whether it can be whole.

libjpeg makes grey of missing data and Pillow doesn't tell. For each scan of a progressive file, however short, libjpeg
goes through all blocks again. After ITU-T T.81 (1992), annexes B and G, and T.800 (2002), annex A.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from .pixels import ImageError

MAX_SEGMENTS = 10_000
MAX_SCANS = 1_000
MAX_BLOCK_VISITS = 50_000_000
"""Blocks of 8 x 8, times the scans that go through them: 50 scans of 8,000 x 8,000 pixels."""

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # but for stuffed bytes, fill bytes and restarts
_SCAN, _END, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)
_BASELINE, _PROGRESSIVE, _LOSSLESS, _LS = (0xC0, 0xC1), 0xC2, 0xC3, 0xF7
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # tables, reserved
_J2K_START, _J2K_TILE = b"\xff\x4f\xff\x51", b"\xff\x90\0\x0a"


@dataclass
class _Frame:
    kind: int
    height: int
    width: int
    blocks: dict[int, int]  # of each component
    bits_left: dict[tuple[int, int], int] = field(default_factory=dict)  # of (component, coefficient): lowest bit sent


def check_jpeg(data: bytes) -> tuple[int, int, int]:
    """Return height, width, and where the data end.

    Raises
    ------
    ImageError
        If decoding would take too long, or the data can't be those of so many pixels.
    """
    frame: _Frame | None = None
    at = segments = scans = visits = 0
    found = _MARKER.search(data)
    while found is not None:
        kind, at = data[found.end() - 1], found.end()
        segments += 1
        if segments > MAX_SEGMENTS:
            raise ImageError(f"has more than {MAX_SEGMENTS} JPEG segments")
        if kind == _END:
            break
        if kind not in _WITHOUT_LENGTH:
            body = data[at + 2 : at + int.from_bytes(data[at : at + 2], "big")]
            at += 2 + len(body)
            if (0xC0 <= kind <= 0xCF and kind not in _NO_FRAMES) or kind == _LS:
                frame = _read_frame(kind, body)
        found = _MARKER.search(data, at)
        if kind == _SCAN and frame is not None:
            scans += 1
            length = (len(data) if found is None else found.start()) - at
            visits += _check_scan(frame, body, length)
            if scans > MAX_SCANS or visits > MAX_BLOCK_VISITS:
                raise ImageError(f"has JPEG scans that take too long: {scans} of {frame.height} x {frame.width} pixels")
    if frame is None:
        raise ImageError("is a damaged JPEG (no size in it)")
    if any(frame.bits_left.values()):
        raise ImageError("is a damaged JPEG (a scan is missing)")
    return frame.height, frame.width, len(data) if found is None else found.start()


def check_jpeg_2000(data: bytes) -> tuple[int, int]:
    """Return height and width of a JPEG 2000 stream, in boxes or not; `ImageError` if tiles of it are missing."""
    start = data.find(_J2K_START)
    if start < 0 or len(data) < start + 40:
        raise ImageError("is a damaged JPEG 2000 (no size in it)")
    right, bottom, left, top, across, down, first_left, first_top = struct.unpack_from(">8I", data, start + 8)
    at = data.find(_J2K_TILE, start)
    tiles = set()
    while at >= 0 and data.startswith(_J2K_TILE, at) and len(data) >= at + 12:
        tile, length = struct.unpack_from(">HI", data, at + 4)
        tiles.add(tile)
        at = at + length if length else -1  # 0: as far as the stream goes
    expected = -(-(right - first_left) // max(across, 1)) * -(-(bottom - first_top) // max(down, 1))
    if len(tiles) < expected:
        raise ImageError(f"is a damaged JPEG 2000: it has {len(tiles)} of {expected} tiles")
    return bottom - top, right - left


def _read_frame(kind: int, body: bytes) -> _Frame:
    if kind not in (*_BASELINE, _PROGRESSIVE, _LOSSLESS, _LS):
        raise ImageError(f"is a JPEG of a kind that isn't read (marker {kind:02X})")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    parts = [(part, by >> 4, by & 15) for part, by in zip(body[6::3], body[7::3], strict=False)]
    if not (parts and height and width and all(across and down for _, across, down in parts)):
        raise ImageError("is a damaged JPEG (a size of 0)")
    most_across, most_down = (max(part[side] for part in parts) for side in (1, 2))
    blocks = {
        part: -(-width * across // (8 * most_across)) * -(-height * down // (8 * most_down))
        for part, across, down in parts
    }
    return _Frame(kind, height, width, blocks)


def _check_scan(frame: _Frame, body: bytes, length: int) -> int:
    """Return how many blocks a scan of so many bytes goes through; `ImageError` if it can't hold them."""
    parts = [part for part in body[1 : 1 + 2 * body[0] : 2] if part in frame.blocks] if body else []
    blocks = sum(frame.blocks[part] for part in parts)
    first, last, bits = body[-3:] if len(body) >= 3 else (0, 63, 0)
    least = 0 if frame.kind == _LS else 1  # bits: at least the code of a block's mean
    if frame.kind in _BASELINE:
        least = 2  # and one where the block ends
    elif frame.kind == _PROGRESSIVE:
        least = first == 0
        for coefficient in range(first, min(last, 63) + 1):
            frame.bits_left.update({(part, coefficient): bits & 15 for part in parts})
    if 8 * length < least * blocks:
        raise ImageError(f"is a damaged JPEG: {length} bytes can't hold {frame.height} x {frame.width} pixels")
    return blocks
