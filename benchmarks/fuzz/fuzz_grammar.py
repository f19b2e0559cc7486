"""Changes that know a format: what is damaged is a field, and a reader goes on into the file around it."""

from __future__ import annotations

import lzma
import random
import struct
import zipfile
import zlib
from typing import Any

from fuzz_mutations import mutate
from fuzz_parts import FORMATS, Part

NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_UNREADABLE = (struct.error, IndexError, ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error,
               lzma.LZMAError)  # fmt: skip


def mutate_inside(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return a file with one to four of its parts changed; any bytes of it if `fuzz_parts` can't take it apart."""
    for is_it, split, join in FORMATS:
        if not is_it(data):
            continue
        try:
            parts = split(data)
        except _UNREADABLE:
            break
        for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
            parts = _change_parts(parts, others, rng)
        return join(data, parts)
    return mutate(data, others, rng)


def _change_parts(parts: list[Part], others: list[bytes], rng: random.Random) -> list[Part]:
    """Drop, double, move, exchange, rename or fill one part."""
    if not parts:
        return parts
    parts = [list(part) for part in parts]
    at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    kind = rng.randrange(8)
    if kind == 0:
        del parts[at]
    elif kind == 1:
        parts[at:at] = [list(parts[at]) for _ in range(rng.choice((1, 1, 2, 40)))]
    elif kind == 2:
        parts.insert(other, parts.pop(at))
    elif kind == 3:
        if type(parts[at][-1]) is type(parts[other][-1]):
            parts[at][-1], parts[other][-1] = parts[other][-1], parts[at][-1]
    elif kind == 4:
        field = rng.randrange(len(parts[at]) - 1)
        parts[at][field] = _rename(parts[at][field], parts[other][field], rng)
    else:
        parts[at][-1] = _refill(parts[at][-1], others, rng)
    return parts


def _rename(old: Any, another: Any, rng: random.Random) -> Any:
    if rng.random() < 0.5 or isinstance(old, str):
        return another
    if isinstance(old, int):
        return _renumber(old, rng)
    return bytes(rng.choice((each, rng.randrange(256))) for each in old)


def _refill(content: Any, others: list[bytes], rng: random.Random) -> Any:
    if isinstance(content, int):
        return _renumber(content, rng)
    if isinstance(content, list):
        return _change_parts(content, others, rng)
    kind = rng.randrange(4)
    if kind == 0:
        size = len(content) if len(content) in (1, 2, 4, 8) else rng.choice((1, 2, 4))
        return (rng.choice(NUMBERS) % 256**size).to_bytes(size, rng.choice(("little", "big")))
    if kind == 1:
        return content * rng.choice((0, 2, 3, 20))
    return mutate(content, others, rng)


def _renumber(number: int, rng: random.Random) -> int:
    return int(rng.choice((*NUMBERS, number + 1, max(number - 1, 0), number ^ 1 << rng.randrange(32))))
