"""The file that a fitted method is saved in: a zip of one JSON header and plain arrays. No pickle, ever.

``model.json`` holds format, class, parameters and learned values; each learned array is ``NAME_.npy`` beside it.
JSON's own values stand for themselves. A tuple, a mapping, an operating point and a calibration are written as an
object with one key that says which. So reading gives back what was saved.
"""

from __future__ import annotations

import io
import json
import os
import struct
import tokenize
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .confidence import Calibration
from .files import read_regular, write_atomically
from .postprocess import OperatingPoint
from .text import one_line
from .validation import ModelFormatError

FORMAT_VERSION = 1
MAX_MODEL_BYTES = 2**29
"""Files whose members unpack to more than this are refused: the largest methods need a fifth of it."""

MAX_HEADER_BYTES = 2**24
"""A longer ``model.json`` is refused: parsed, it takes up to forty times its size."""

MAX_FILE_BYTES = MAX_MODEL_BYTES + MAX_HEADER_BYTES
"""A larger file is refused unread: what doesn't compress grows a little."""

Arrays = dict[str, NDArray[Any]]

_OBJECTS: dict[str, type[OperatingPoint | Calibration]] = {
    "operating_point": OperatingPoint, "calibration": Calibration,
}  # fmt: skip

# What zipfile, zlib, json and numpy raise on bytes that aren't a model. AttributeError: a JSON value of
# another kind than expected; RuntimeError: an encrypted member, endless nesting; OverflowError: a side of an array that
# no array can have.
_HOSTILE = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError,
    AttributeError, KeyError, OverflowError, TypeError, ValueError, SyntaxError, tokenize.TokenError,
)  # fmt: skip


def write_model_file(
    path: str | os.PathLike[str], class_id: str, params: dict[str, Any], state: dict[str, Any]
) -> None:
    """Write parameters and learned state; equal models are equal files.

    Raises
    ------
    TypeError
        If a value can't be written without pickle; the message names it.
    ValueError
        If the file would be larger than what `read_model_file` reads.
    """
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"`{name}` is an array of objects: it can't be saved")
    header = {
        "format": "hybridseg-model",
        "format_version": FORMAT_VERSION,
        "class": class_id,
        "params": {name: _encode(name, value) for name, value in params.items()},
        "state": {name: _encode(name, value) for name, value in state.items() if name not in arrays},
    }
    header_bytes = json.dumps(header, indent=1).encode()
    size = len(header_bytes) + sum(array.nbytes for array in arrays.values())
    if len(header_bytes) > MAX_HEADER_BYTES or size > MAX_MODEL_BYTES:
        raise ValueError(
            f"{path}: what the method has learned takes {size} bytes, {len(header_bytes)} of them beside its arrays; a "
            f"model file holds at most {MAX_MODEL_BYTES} and {MAX_HEADER_BYTES}"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _add(archive, "model.json", header_bytes)
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
            _add(archive, f"{name}.npy", member.getvalue())
    write_atomically(path, buffer.getvalue())


def check_savable(params: dict[str, Any]) -> None:
    """Raise ValueError if parameters can't be written: whoever trains for hours wants to know before."""
    try:
        for name, value in params.items():
            _encode(name, value)
    except TypeError as error:
        raise ValueError(f"{error}, and neither can what is trained with it") from None


def read_model_file(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Return header and learned arrays of a saved model, without creating the model.

    The header has ``class`` (text ``module:name``), ``params`` and ``state``, both with values as saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFormatError
        If it isn't a saved model of a format that this version reads.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(io.BytesIO(read_regular(path, MAX_FILE_BYTES))) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if unpacked > MAX_MODEL_BYTES:
                raise ValueError(f"it unpacks to {unpacked} bytes, more than {MAX_MODEL_BYTES}")
            if len({member.filename for member in members}) < len(members):
                raise ValueError("a part of it is there twice")
            if archive.getinfo("model.json").file_size > MAX_HEADER_BYTES:
                raise ValueError(f"its model.json has more than {MAX_HEADER_BYTES} bytes")
            header = json.loads(_unpack(archive, archive.getinfo("model.json")))
            arrays = {
                _learned(member.filename[:-4]): _read_array(_unpack(archive, member))
                for member in members
                if member.filename.endswith(".npy")
            }
        _check_header(header)
        for part in ("params", "state"):
            header[part] = {name: _decode(value) for name, value in header[part].items()}
        for name in header["state"]:
            _learned(name)
    except FileNotFoundError:
        raise
    except _HOSTILE as error:
        raise ModelFormatError(f"{path}: not a saved hybridseg model ({one_line(error)})") from None
    return header, arrays


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes without ever holding many more than its stated size.

    ``archive.read`` would unpack a whole member before it looks at that size, and so do other compressions.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed in a way that isn't read")
    with archive.open(member) as stream:
        data = stream.read(member.file_size + 1)
    if len(data) != member.file_size:
        raise ValueError(f"{member.filename} doesn't have the {member.file_size} bytes that are stated")
    return data


def _check_header(header: Any) -> None:
    if not isinstance(header, dict) or header.get("format") != "hybridseg-model":
        raise ValueError("model.json doesn't say that it is one")
    version = header.get("format_version")
    if not isinstance(version, int):
        raise ValueError(f"format_version must be an integer, got {version!r}")
    if version > FORMAT_VERSION:
        raise ValueError(f"its format {version} is newer than this version reads ({FORMAT_VERSION})")
    for key, kind in (("class", str), ("params", dict), ("state", dict)):
        if not isinstance(header.get(key), kind):
            raise ValueError(f"model.json lacks {key}")
    if not header["class"].isprintable() or len(header["class"]) > 200:
        raise ValueError("model.json names no class")


def _learned(name: str) -> str:
    """Return ``name`` if `fit` may have learned something under it: a file must not replace a method."""
    if not (name.isidentifier() and name.endswith("_") and not name.startswith("_")):
        raise ValueError(f"`{name}` isn't the name of something learned")
    return name


def _read_array(data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read_header[version](stream)
    # Checked before numpy reserves memory for whatever shape the file claims.
    wanted = dtype.itemsize
    for side in shape:
        wanted *= side
    if dtype.hasobject or not dtype.itemsize or wanted != len(data) - stream.tell():
        raise ValueError(f"an array of {dtype} {shape} doesn't fill its {len(data)} bytes")
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array


def _encode(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_encode(name, item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encode(name, item) for item in value]}
    for kind, known in _OBJECTS.items():
        if isinstance(value, known):
            return {kind: {key: _encode(name, item) for key, item in asdict(value).items()}}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"mapping": {key: _encode(name, item) for key, item in value.items()}}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"`{name}` holds a {type(value).__name__}: it can't be saved")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    (kind, content), *others = value.items()
    if others or kind not in ("tuple", "mapping", *_OBJECTS):
        raise ValueError(f"unknown value {one_line(value)}")
    if kind == "tuple":
        return tuple(_decode(item) for item in content)
    decoded = {key: _decode(item) for key, item in content.items()}
    return _OBJECTS[kind](**decoded) if kind in _OBJECTS else decoded


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member with a fixed date, so that equal models are equal files."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)
