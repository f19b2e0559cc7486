"""How fuzz.py changes a file: anywhere, or behind what would give the change away."""

from __future__ import annotations

import io
import random
import zipfile
import zlib

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


def mutate_inside(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return the bytes changed behind what would give a change away: a PNG's checksums, a zip's members."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        chosen = rng.choice(sorted(members))
        members[chosen] = mutate(members[chosen], list(members.values()), rng)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return stream.getvalue()
    if data.startswith(b"\x89PNG"):
        chunks, at = [], 8
        while at + 12 <= len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
            at += 12 + length
        chosen = rng.randrange(len(chunks))
        kind, body = chunks[chosen]
        if kind == b"IDAT":
            chunks[chosen] = (kind, zlib.compress(mutate(zlib.decompress(body), [body], rng)))
        else:
            chunks[chosen] = (kind, mutate(body, others, rng))
        return data[:8] + b"".join(
            len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
            for kind, body in chunks
        )
    return mutate(data, others, rng)
