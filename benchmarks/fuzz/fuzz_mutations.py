"""Changes anywhere in a file."""

from __future__ import annotations

import random

WORDS = [
    b"..", b"/", b"\\", b"\0", b"\n", b"\r", b'"', b"'", b",", b";", b"[", b"]", b"{", b"}", b"NaN", b"Infinity", b"-1",
    b"1e999", b"null", b"true", b"0", b"9" * 40, b"9" * 5000, b"[" * 3000, b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"../../../../etc/passwd", b"/etc/passwd", b"C:\\a", b"%s%n", b"<b>", b"=1+1", b"a" * 300, b"\x1b[2J",
]  # fmt: skip
NUMBERS = [b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f",
           b"\0\0\0\x80", b"\xff\xff", b"\0\1", b"\1\0", b"\xfe\xff\xff\xff"]  # fmt: skip


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return the bytes changed in one to eight places."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        at = rng.randrange(len(changed) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 32, 200))
        kind = rng.randrange(10)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << rng.randrange(8)
        elif kind == 1 and changed:
            changed[at % len(changed)] = rng.randrange(256)
        elif kind == 2:
            changed[at : at + length] = rng.randbytes(length)
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length] * rng.choice((1, 2, 50))
        elif kind == 5:
            number = rng.choice(NUMBERS)
            changed[at : at + len(number)] = number
        elif kind == 6:
            word = rng.choice(WORDS)
            changed[at : at + rng.choice((0, len(word)))] = word
        elif kind == 7:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            changed[at : at + length] = other[start : start + rng.choice((length, len(other)))]
        elif kind == 8:
            del changed[at:]
        else:
            start = rng.randrange(len(changed) + 1)
            changed[at : at + length] = changed[start : start + length]
    return bytes(changed)
