"""Protobuf's wire format, read strictly and with a bound on how much is read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..validation import ModelFormatError

MAX_FIELDS = 2_000_000
"""Fields that are read of one model. A chain of 20,000 operators takes 120,000."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5

Span = tuple[int, int]


class DamagedError(Exception):
    """The bytes aren't a protobuf message."""


class Reader:
    """Reads messages in ``data``, and counts what it reads of all of them.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = MAX_FIELDS

    def fields(self, span: Span, skip: re.Pattern[bytes] | None = None) -> Iterator[tuple[int, int, int]]:
        """Yield (field number, value, -1) of integers, and (field number, start, stop) of fields with a length.

        Stricter than protobuf, which skips groups (wire types 3 and 4): no ONNX file has them.

        Raises
        ------
        DamagedError
            If what follows isn't a field, or might be read as another one by onnxruntime.
        ModelFormatError
            If more than `MAX_FIELDS` are read.
        """
        data = self.data
        position, end = span
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise ModelFormatError(f"reading it takes more than {MAX_FIELDS:,} fields, which is the limit")
            run = skip.match(data, position, end) if skip else None
            if run:
                position = run.end()
                continue
            tag = data[position]
            if tag < 0x80:  # nearly all: a call for each would be a third of the reading
                position += 1
            else:
                tag, position = _varint(data, position, end)
            number, wire = tag >> 3, tag & 7
            # onnxruntime's protobuf keeps 32 bits of a tag. With more, a field would be another one there than here.
            if tag >= 2**32 or number == 0:
                raise DamagedError
            if wire == _VARINT:
                value, position = _varint(data, position, end)
                yield number, value, -1
            elif wire == _LENGTH:
                length, position = _varint(data, position, end)
                if length > end - position:
                    raise DamagedError
                yield number, position, position + length
                position += length
            elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
                position += 8 if wire == _EIGHT_BYTES else 4
                if position > end:
                    raise DamagedError
            else:
                raise DamagedError

    def within(self, spans: list[Span], *numbers: int) -> list[Span]:
        """Return the messages reached from ``spans`` by following field ``numbers``."""
        for number in numbers:
            found = [each for span in spans for each in self.fields(span)]
            spans = [(start, stop) for field_number, start, stop in found if field_number == number and stop >= 0]
        return spans

    def text(self, span: Span, number: int) -> str:
        """Return the last text in field ``number``, or nothing; `ModelFormatError` if it isn't UTF-8."""
        found = self.within([span], number)
        return decode(self.data[slice(*found[-1])]) if found else ""


def decode(text: bytes) -> str:
    """Return a text that others must read alike; `ModelFormatError` if it isn't UTF-8, which ONNX's texts are."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ModelFormatError(f"a name or an entry in it isn't UTF-8: {text[:40]!r}") from None


def single(fields: Iterator[tuple[int, int, int]], once: frozenset[int]) -> Iterator[tuple[int, int, int]]:
    """Yield ``fields``; raise `ModelFormatError` if one that is in ``once`` comes twice."""
    seen = set()
    for number, start, stop in fields:
        if number in once:
            if number in seen:
                raise ModelFormatError(f"a part that it may have once is there twice: field {number}")
            seen.add(number)
        yield number, start, stop


def _varint(data: bytes, position: int, end: int) -> Span:
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise DamagedError
