"""The declarations of an ONNX file, read before any of it is run: size, operators, files it wants, signature.

Reads protobuf's wire format (field numbers as in onnx.proto), so that running a file needs no package but onnxruntime.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..files import read_regular
from ..validation import ModelFormatError

MAX_FILE_BYTES = 2**30
DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
"""The standard's own operator sets."""
MAX_DEPTH = 32
"""Graphs within graphs; ours have three."""
ORT_MARK = b"ORTM"
"""As bytes 4 to 8 it makes onnxruntime take a file for its own format, whatever else the file is."""

_MODEL = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
"""The fields of a model in onnx.proto."""
# Fields that a message has once. Protobuf joins a second graph to the first, and takes the last of two texts.
_ONCE_IN_MODEL = _MODEL - {8, 14, 20, 25, 26}
_ONCE_IN_GRAPH = frozenset({2, 10})
# Of two weights of one name onnxruntime takes the last, and another reader may take the first.
_NAMED_IN_GRAPH = {5: ("weights", (8,)), 11: ("inputs", (1,)), 12: ("outputs", (1,)), 15: ("weights", (1, 8))}
_ONCE_IN_NODE = frozenset({3, 4, 6, 7, 8})
_ONCE_IN_ATTRIBUTE = frozenset({1, 2, 3, 4, 5, 6, 13, 14, 20, 21, 22})

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_NAMES = {1: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "double"}
# A forest is hundreds of thousands of `ints`, `floats` and short `strings` in attributes: passed over run by run.
_SHORT = b"|".join(re.escape(bytes([length])) + b".{%d}" % length for length in range(16))
_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d.{4}|\x4a(?:" + _SHORT + rb"))+", re.DOTALL)

Span = tuple[int, int]


class _DamagedError(Exception):
    """The bytes aren't a protobuf message."""


@dataclass
class Declared:
    """The declarations of a file.

    Attributes
    ----------
    inputs, outputs : dict of str to (str, list)
        Element type, such as ``uint8``, and sides: a number, a name, or None.
    external : list of str
        Files with weights, as the file names them.
    """

    inputs: dict[str, tuple[str, list[int | str | None]]] = field(default_factory=dict)
    outputs: dict[str, tuple[str, list[int | str | None]]] = field(default_factory=dict)
    external: list[str] = field(default_factory=list)


def screen(path: str | os.PathLike[str]) -> tuple[bytes, Declared]:
    """Return an ONNX file's bytes and declarations, if it may be given to onnxruntime.

    Raises
    ------
    ModelFormatError
        If it is no regular file, is larger than `MAX_FILE_BYTES`, isn't ONNX, has operators outside the standard's
        domains, functions of its own, or weights in a file outside its folder. One line says which.
    """
    path = Path(path)
    try:
        data = read_regular(path, MAX_FILE_BYTES)
        declared = _read_model(data)
        for name in declared.external:
            _check_external(name, path.parent)
    except _DamagedError:
        raise ModelFormatError(f"{path}: not an ONNX file, or a truncated one") from None
    except ValueError as error:
        raise ModelFormatError(f"{path}: {error}") from None
    return data, declared


def screen_inside(data: bytes) -> None:
    """Raise `ModelFormatError` unless a network inside another file may be run: as `screen`, and whole in itself."""
    try:
        declared = _read_model(data)
    except _DamagedError:
        raise ModelFormatError("its network is not ONNX, or truncated") from None
    if declared.external:
        raise ModelFormatError(f"its network has weights in another file, {declared.external[0]!r}")


def _check_external(name: str, folder: Path) -> None:
    """Refuse a file with weights that isn't a regular file below ``folder``, links resolved."""
    if "*" in name:  # onnxruntime's own names of places in memory, such as */_ORT_MEM_ADDR_/*
        raise ModelFormatError(f"its weights are at an address in memory, {name!r}, expected a file")
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.anchor or ".." in (*posix.parts, *windows.parts) or "\0" in name:
        raise ModelFormatError(f"its weights are outside its folder, in {name!r}")
    real = Path(os.path.realpath(folder / name))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise ModelFormatError(f"its weights are outside its folder, in {name!r}")
    if not real.is_file():
        raise ModelFormatError(f"its weights are missing: no file {name!r} beside it")
    if real.stat().st_size > MAX_FILE_BYTES:
        raise ModelFormatError(f"its weights, in {name!r}, are larger than {MAX_FILE_BYTES} bytes")


def _read_model(data: bytes) -> Declared:
    if data[4:8] == ORT_MARK:
        raise ModelFormatError("it is marked as a file of onnxruntime's own format (ORTM), expected ONNX")
    declared = Declared()
    version = opsets = graphs = 0
    weights: set[str] = set()
    entries: set[str] = set()
    for number, value, stop in _single(_fields(data, (0, len(data))), _ONCE_IN_MODEL):
        if number not in _MODEL:
            raise ModelFormatError(f"something follows its model, or is mixed into it: a field {number}")
        if number == 1 and stop < 0:
            version = value
        elif number == 8 and stop >= 0:
            opsets += 1
        elif number == 7 and stop >= 0:
            graphs += 1
            _read_graph(data, (value, stop), declared, 0)
            _read_signature(data, (value, stop), declared, weights)
        elif number == 14 and stop >= 0:
            _read_entry(data, (value, stop), entries)
        elif number in (20, 25) and stop >= 0:
            raise ModelFormatError("it has functions or training steps of its own, which aren't run")
    if not (version and opsets and graphs):
        raise _DamagedError
    for name in weights & set(declared.inputs):
        del declared.inputs[name]
    return declared


def _read_entry(data: bytes, span: Span, seen: set[str]) -> None:
    """Refuse metadata that onnxruntime takes for settings or can't show, and a second entry of one name."""
    name, _ = (_text(data, span, number) for number in (1, 2))
    if name == "ort_config":
        raise ModelFormatError("its metadata holds settings for onnxruntime, `ort_config`, which aren't taken")
    if name in seen:
        raise ModelFormatError(f"an entry of its metadata is there twice: {name[:100]!r}")
    seen.add(name)


def _read_signature(data: bytes, span: Span, declared: Declared, weights: set[str]) -> None:
    """Collect a graph's inputs and outputs, and the names of its initializers."""
    for number, value, stop in _fields(data, span):
        if stop < 0:
            continue
        if number == 5:
            weights.add(_text(data, (value, stop), 8))
        elif number in (11, 12):
            kind, sides = "unknown", []
            for tensor in _within(data, [(value, stop)], 2, 1):
                kinds = [code for number, code, stop in _fields(data, tensor) if number == 1 and stop < 0]
                kind = _NAMES.get(kinds[-1], f"type {kinds[-1]}") if kinds else kind
                sides = [_side(data, side) for side in _within(data, [tensor], 2, 1)]
            (declared.inputs if number == 11 else declared.outputs)[_text(data, (value, stop), 1)] = (kind, sides)


def _side(data: bytes, span: Span) -> int | str | None:
    for number, value, stop in _fields(data, span):
        if number == 1 and stop < 0:
            return value
        if number == 2 and stop >= 0:
            return _decode(data[value:stop])
    return None


def _read_graph(data: bytes, span: Span, declared: Declared, depth: int) -> None:
    """Check a graph's operators and collect the files that its tensors are in, bodies of loops included."""
    if depth > MAX_DEPTH:
        raise ModelFormatError(f"its graphs are nested more than {MAX_DEPTH} deep")
    names: set[tuple[str, str]] = set()
    for number, value, stop in _single(_fields(data, span), _ONCE_IN_GRAPH):
        if stop < 0:
            continue
        if number == 1:
            _read_node(data, (value, stop), declared, depth)
        elif number == 5:
            _read_tensor(data, (value, stop), declared)
        elif number == 15:
            _read_sparse(data, (value, stop), declared)
        if number in _NAMED_IN_GRAPH:
            kind, (*way, last) = _NAMED_IN_GRAPH[number]
            for part in _within(data, [(value, stop)], *way):
                name = _text(data, part, last)
                if (kind, name) in names:
                    raise ModelFormatError(f"two {kind} of a graph have one name: {name[:100]!r}")
                names.add((kind, name))


def _read_node(data: bytes, span: Span, declared: Declared, depth: int) -> None:
    for number, value, stop in _single(_fields(data, span), _ONCE_IN_NODE):
        if stop < 0:
            continue
        if number == 7 and data[value:stop] not in DOMAINS:
            operator, domain = _text(data, span, 4), _decode(data[value:stop])
            raise ModelFormatError(f"operator {operator!r} of {domain!r}: only those of ai.onnx and ai.onnx.ml are run")
        if number == 5:
            _read_attribute(data, (value, stop), declared, depth)


def _read_attribute(data: bytes, span: Span, declared: Declared, depth: int) -> None:
    for number, value, stop in _single(_fields(data, span, skip=_NUMBERS), _ONCE_IN_ATTRIBUTE):
        if stop < 0:
            continue
        if number in (6, 11):
            _read_graph(data, (value, stop), declared, depth + 1)
        elif number in (5, 10):
            _read_tensor(data, (value, stop), declared)
        elif number in (22, 23):
            _read_sparse(data, (value, stop), declared)


def _read_sparse(data: bytes, span: Span, declared: Declared) -> None:
    for part in (*_within(data, [span], 1), *_within(data, [span], 2)):
        _read_tensor(data, part, declared)


def _read_tensor(data: bytes, span: Span, declared: Declared) -> None:
    for entry in _within(data, [span], 13):
        if _text(data, entry, 1) == "location":
            declared.external.append(_text(data, entry, 2))


def _within(data: bytes, spans: list[Span], *numbers: int) -> list[Span]:
    """Return the messages reached from ``spans`` by following field ``numbers``."""
    for number in numbers:
        found = [each for span in spans for each in _fields(data, span)]
        spans = [(start, stop) for field_number, start, stop in found if field_number == number and stop >= 0]
    return spans


def _text(data: bytes, span: Span, number: int) -> str:
    found = _within(data, [span], number)
    return _decode(data[slice(*found[-1])]) if found else ""


def _decode(text: bytes) -> str:
    """Return a text that others must read alike; `ModelFormatError` if it isn't UTF-8, which ONNX's texts are."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ModelFormatError(f"a name or an entry in it isn't UTF-8: {text[:40]!r}") from None


def _single(fields: Iterator[tuple[int, int, int]], once: frozenset[int]) -> Iterator[tuple[int, int, int]]:
    """Yield ``fields``; raise `ModelFormatError` if one that is in ``once`` comes twice."""
    seen = set()
    for number, start, stop in fields:
        if number in once:
            if number in seen:
                raise ModelFormatError(f"a part that it may have once is there twice: field {number}")
            seen.add(number)
        yield number, start, stop


def _fields(data: bytes, span: Span, skip: re.Pattern[bytes] | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, value, -1) of integers, and (field number, start, stop) of fields with a length.

    Stricter than protobuf, which skips groups (wire types 3 and 4): no ONNX file has them.

    Raises
    ------
    _DamagedError
        If what follows isn't a field, or might be read as another one by onnxruntime.
    """
    position, end = span
    while position < end:
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
        # onnxruntime's protobuf keeps 32 bits of a tag: with more of them a field would be another one there than here.
        if tag >= 2**32 or number == 0:
            raise _DamagedError
        if wire == _VARINT:
            value, position = _varint(data, position, end)
            yield number, value, -1
        elif wire == _LENGTH:
            length, position = _varint(data, position, end)
            if length > end - position:
                raise _DamagedError
            yield number, position, position + length
            position += length
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            position += 8 if wire == _EIGHT_BYTES else 4
            if position > end:
                raise _DamagedError
        else:
            raise _DamagedError


def _varint(data: bytes, position: int, end: int) -> Span:
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise _DamagedError
