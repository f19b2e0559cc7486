"""The declarations of an ONNX file, read before any of it is run: size, operators, files it wants, signature.

Field numbers are those of onnx.proto, read without it: running a file needs no package but onnxruntime.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..files import read_regular
from ..validation import ModelFormatError
from .wire import DamagedError, Reader, Span, decode, single

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

_NAMES = {1: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "double"}
# A forest is hundreds of thousands of `ints`, `floats` and short `strings` in attributes: passed over run by run.
_SHORT = b"|".join(re.escape(bytes([length])) + b".{%d}" % length for length in range(16))
_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d.{4}|\x4a(?:" + _SHORT + rb"))+", re.DOTALL)


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
        domains, functions of its own, more fields than `wire.MAX_FIELDS`, or weights in a file outside its folder. One
        line says which.
    """
    path = Path(path)
    try:
        data = read_regular(path, MAX_FILE_BYTES)
        declared = _read_model(Reader(data))
        for name in declared.external:
            _check_external(name, path.parent)
    except DamagedError:
        raise ModelFormatError(f"{path}: not an ONNX file, or a truncated one") from None
    except ValueError as error:
        raise ModelFormatError(f"{path}: {error}") from None
    return data, declared


def screen_inside(data: bytes) -> None:
    """Raise `ModelFormatError` unless a network inside another file may be run: as `screen`, and whole in itself."""
    try:
        declared = _read_model(Reader(data))
    except DamagedError:
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


def _read_model(reader: Reader) -> Declared:
    if reader.data[4:8] == ORT_MARK:
        raise ModelFormatError("it is marked as a file of onnxruntime's own format (ORTM), expected ONNX")
    declared = Declared()
    version = opsets = graphs = 0
    weights: set[str] = set()
    entries: set[str] = set()
    for number, value, stop in single(reader.fields((0, len(reader.data))), _ONCE_IN_MODEL):
        if number not in _MODEL:
            raise ModelFormatError(f"not an ONNX file, or something is mixed into it or follows it: field {number}")
        if number == 1 and stop < 0:
            version = value
        elif number == 8 and stop >= 0:
            opsets += 1
        elif number == 7 and stop >= 0:
            graphs += 1
            _read_graph(reader, (value, stop), declared, 0)
            _read_signature(reader, (value, stop), declared, weights)
        elif number == 14 and stop >= 0:
            _read_entry(reader, (value, stop), entries)
        elif number in (20, 25) and stop >= 0:
            raise ModelFormatError("it has functions or training steps of its own, which aren't run")
    if not (version and opsets and graphs):
        raise DamagedError
    for name in weights & set(declared.inputs):
        del declared.inputs[name]
    return declared


def _read_entry(reader: Reader, span: Span, seen: set[str]) -> None:
    """Refuse metadata that onnxruntime takes for settings or can't show, and a second entry of one name."""
    name, _ = (reader.text(span, number) for number in (1, 2))
    if name == "ort_config":
        raise ModelFormatError("its metadata holds settings for onnxruntime, `ort_config`, which aren't taken")
    if name in seen:
        raise ModelFormatError(f"an entry of its metadata is there twice: {name[:100]!r}")
    seen.add(name)


def _read_signature(reader: Reader, span: Span, declared: Declared, weights: set[str]) -> None:
    """Collect a graph's inputs and outputs, and the names of its initializers."""
    for number, value, stop in reader.fields(span):
        if stop < 0:
            continue
        if number == 5:
            weights.add(reader.text((value, stop), 8))
        elif number in (11, 12):
            kind, sides = "unknown", []
            for tensor in reader.within([(value, stop)], 2, 1):
                kinds = [code for number, code, stop in reader.fields(tensor) if number == 1 and stop < 0]
                kind = _NAMES.get(kinds[-1], f"type {kinds[-1]}") if kinds else kind
                sides = [_side(reader, side) for side in reader.within([tensor], 2, 1)]
            (declared.inputs if number == 11 else declared.outputs)[reader.text((value, stop), 1)] = (kind, sides)


def _side(reader: Reader, span: Span) -> int | str | None:
    for number, value, stop in reader.fields(span):
        if number == 1 and stop < 0:
            return value
        if number == 2 and stop >= 0:
            return decode(reader.data[value:stop])
    return None


def _read_graph(reader: Reader, span: Span, declared: Declared, depth: int) -> None:
    """Check a graph's operators and collect the files that its tensors are in, bodies of loops included."""
    if depth > MAX_DEPTH:
        raise ModelFormatError(f"its graphs are nested more than {MAX_DEPTH} deep")
    names: set[tuple[str, str]] = set()
    for number, value, stop in single(reader.fields(span), _ONCE_IN_GRAPH):
        if stop < 0:
            continue
        if number == 1:
            _read_node(reader, (value, stop), declared, depth)
        elif number == 5:
            _read_tensor(reader, (value, stop), declared)
        elif number == 15:
            _read_sparse(reader, (value, stop), declared)
        if number in _NAMED_IN_GRAPH:
            kind, (*way, last) = _NAMED_IN_GRAPH[number]
            for part in reader.within([(value, stop)], *way):
                name = reader.text(part, last)
                if (kind, name) in names:
                    raise ModelFormatError(f"two {kind} of a graph have one name: {name[:100]!r}")
                names.add((kind, name))


def _read_node(reader: Reader, span: Span, declared: Declared, depth: int) -> None:
    for number, value, stop in single(reader.fields(span), _ONCE_IN_NODE):
        if stop < 0:
            continue
        if number == 7 and reader.data[value:stop] not in DOMAINS:
            operator, domain = reader.text(span, 4), decode(reader.data[value:stop])
            raise ModelFormatError(f"operator {operator!r} of {domain!r}: only those of ai.onnx and ai.onnx.ml are run")
        if number == 5:
            _read_attribute(reader, (value, stop), declared, depth)


def _read_attribute(reader: Reader, span: Span, declared: Declared, depth: int) -> None:
    for number, value, stop in single(reader.fields(span, skip=_NUMBERS), _ONCE_IN_ATTRIBUTE):
        if stop < 0:
            continue
        if number in (6, 11):
            _read_graph(reader, (value, stop), declared, depth + 1)
        elif number in (5, 10):
            _read_tensor(reader, (value, stop), declared)
        elif number in (22, 23):
            _read_sparse(reader, (value, stop), declared)


def _read_sparse(reader: Reader, span: Span, declared: Declared) -> None:
    for part in (*reader.within([span], 1), *reader.within([span], 2)):
        _read_tensor(reader, part, declared)


def _read_tensor(reader: Reader, span: Span, declared: Declared) -> None:
    for entry in reader.within([span], 13):
        if reader.text(entry, 1) == "location":
            declared.external.append(reader.text(entry, 2))
