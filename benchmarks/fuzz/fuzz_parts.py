"""Files taken apart into fields, and put together again with lengths and checksums that fit.

ONNX's protobuf fields, TIFF's directory entries, DICOM's elements and items, JPEG's segments, the chunks of PNG and
WebP, and the members of a zip. A part is a list: what names it, and its content last. That is a number, bytes or parts.
"""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Part = list[Any]

# ONNX: fields of protobuf messages as number, wire type, content.

_MESSAGES = {  # of each message of onnx.proto that is looked into: which fields hold which message
    "model": {7: "graph", 8: "opset", 14: "entry", 20: "function"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse"},
    "tensor": {13: "entry"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type"},
    "type": {1: "tensor type"},
    "tensor type": {2: "shape"},
    "shape": {1: "side"},
    "opset": {}, "entry": {}, "function": {}, "side": {},
}  # fmt: skip


def _is_onnx(data: bytes) -> bool:
    return data[:1] == b"\x08" and len(data) > 16


def _split_onnx(data: bytes, kind: str = "model") -> list[Part]:
    parts: list[Part] = []
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        content: Any
        if wire == 0:
            content, at = _read_varint(data, at)
        elif wire == 2:
            length, at = _read_varint(data, at)
            if at + length > len(data):
                raise ValueError("cut off")
            content = data[at : at + length]
            at += length
            if number in _MESSAGES[kind]:
                content = _split_onnx(content, _MESSAGES[kind][number])
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
            content, at = data[at : at + length], at + length
        else:
            raise ValueError("a group")
        parts.append([number, wire, content])
    return parts


def _join_onnx(_: bytes, parts: list[Part]) -> bytes:
    joined = bytearray()
    for number, wire, content in parts:
        joined += _varint(number << 3 | wire & 7)
        if isinstance(content, int):
            joined += _varint(content)
            continue
        inner = _join_onnx(b"", content) if isinstance(content, list) else content
        joined += (_varint(len(inner)) if wire == 2 else b"") + inner
    return bytes(joined)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


# TIFF: the first two directories, as where the next one is and entries. Those are tag, type, count, value or offset.

_NEXT = 1  # stands for the place of the directory that is written next


def _is_tiff(data: bytes) -> bool:
    return data[:4] in (b"II*\0", b"MM\0*")


def _directories(data: bytes) -> list[tuple[int, int]]:
    """Return place and number of entries of the first two directories."""
    order = "<" if data[:2] == b"II" else ">"
    found: list[tuple[int, int]] = []
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    while at and len(found) < 2:
        (entries,) = struct.unpack_from(f"{order}H", data, at)
        found.append((at, entries))
        (at,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * entries)
    return found


def _split_tiff(data: bytes) -> list[Part]:
    order = "<" if data[:2] == b"II" else ">"
    parts: list[Part] = []
    for at, entries in _directories(data):
        inner = [list(struct.unpack_from(f"{order}HHII", data, at + 2 + 12 * entry)) for entry in range(entries)]
        parts.append([_NEXT, inner])
    if parts:
        (parts[-1][0],) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * entries)
    return parts


def _join_tiff(data: bytes, parts: list[Part]) -> bytes:
    """Write the directories anew behind the old file, so that they may grow."""
    order = "<" if data[:2] == b"II" else ">"
    joined = bytearray(data)
    struct.pack_into(f"{order}I", joined, 4, len(joined))
    for following, inner in parts:
        joined += struct.pack(f"{order}H", len(inner) % 2**16)
        for tag, kind, count, value in inner:
            joined += struct.pack(f"{order}HHII", tag % 2**16, kind % 2**16, count % 2**32, value % 2**32)
        place = len(joined) + 4 if following == _NEXT else following
        joined += struct.pack(f"{order}I", place % 2**32)
    return bytes(joined)


# DICOM: elements as tag, VR, whether their length is undefined, content. That of a sequence is its items' elements,
# that of packed pixels their fragments.

_LONG = (b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UC", b"UR", b"UT", b"UN")
_UNDEFINED = 2**32 - 1


def _is_dicom(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def _split_dicom(data: bytes) -> list[Part]:
    return _split_elements(data[132:])


def _split_elements(data: bytes) -> list[Part]:
    parts: list[Part] = []
    at = 0
    while at + 8 <= len(data):
        tag, kind = struct.unpack_from("<I", data, at)[0], data[at + 4 : at + 6]
        if kind in _LONG:
            (length,), at = struct.unpack_from("<I", data, at + 8), at + 12
        else:
            (length,), at = struct.unpack_from("<H", data, at + 6), at + 8
        size = len(data) - at if length == _UNDEFINED else length
        content: Any = data[at : at + size]
        if kind == b"SQ" or length == _UNDEFINED:
            content = _split_items(content, within=kind == b"SQ")
        parts.append([tag, kind, int(length == _UNDEFINED), content])
        at += size
    return parts


def _split_items(data: bytes, *, within: bool) -> list[Part]:
    parts: list[Part] = []
    at = 0
    while at + 8 <= len(data):
        tag, length = struct.unpack_from("<II", data, at)
        content = data[at + 8 : at + 8 + length]
        parts.append([tag, _split_elements(content) if within else content])
        at += 8 + length
    return parts


def _join_dicom(data: bytes, parts: list[Part]) -> bytes:
    return data[:132] + _join_elements(parts)


def _join_elements(parts: list[Part]) -> bytes:
    joined = bytearray()
    for tag, kind, is_undefined, content in parts:
        written = _join_items(content) if isinstance(content, list) else content
        joined += struct.pack("<I", tag % 2**32) + kind
        if kind in _LONG:
            joined += b"\0\0" + struct.pack("<I", _UNDEFINED if is_undefined == 1 else len(written))
        else:
            joined += struct.pack("<H", len(written) % 2**16)
        joined += written
    return bytes(joined)


def _join_items(items: list[Part]) -> bytes:
    joined = bytearray()
    for tag, content in items:
        written = _join_elements(content) if isinstance(content, list) else content
        joined += struct.pack("<II", tag % 2**32, len(written)) + written
    return bytes(joined)


# JPEG: segments as marker and body; what follows a scan's header, coded bytes, belongs to it.


def _is_jpeg(data: bytes) -> bool:
    return data[:3] == b"\xff\xd8\xff"


def _split_jpeg(data: bytes) -> list[Part]:
    parts: list[Part] = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xD9:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        coded = end
        while marker == 0xDA and coded + 1 < len(data) and (data[coded] != 0xFF or data[coded + 1] in _IN_SCAN):
            coded += 1
        parts.append([marker, data[end:coded], data[at + 4 : end]])
        at = coded
    return parts


_IN_SCAN = (0, *range(0xD0, 0xD8))  # a stuffed byte, restart markers


def _join_jpeg(_: bytes, parts: list[Part]) -> bytes:
    joined = bytearray(b"\xff\xd8")
    for marker, coded, body in parts:
        joined += bytes((0xFF, marker % 256)) + ((len(body) + 2) % 2**16).to_bytes(2, "big") + body + coded
    return bytes(joined + b"\xff\xd9")


# PNG and WebP: chunks as kind and body, a PNG's pixels unpacked.


def _split_png(data: bytes) -> list[Part]:
    parts: list[Part] = []
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        parts.append([kind, zlib.decompress(body) if kind == b"IDAT" else body])
        at += 12 + length
    return parts


def _join_png(data: bytes, parts: list[Part]) -> bytes:
    joined = bytearray(data[:8])
    for kind, body in parts:
        written = zlib.compress(body) if kind == b"IDAT" else body
        joined += len(written).to_bytes(4, "big") + kind + written + zlib.crc32(kind + written).to_bytes(4, "big")
    return bytes(joined)


def _split_webp(data: bytes) -> list[Part]:
    parts: list[Part] = []
    at = 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        parts.append([data[at : at + 4], data[at + 8 : at + 8 + length]])
        at += 8 + length + length % 2
    return parts


def _join_webp(_: bytes, parts: list[Part]) -> bytes:
    chunks = b"".join(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in parts)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _split_zip(data: bytes) -> list[Part]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [[name, archive.read(name)] for name in archive.namelist()]


def _join_zip(_: bytes, parts: list[Part]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings(action="ignore"):  # a name twice
        for name, content in parts:
            archive.writestr(name, content)
    return stream.getvalue()


FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], list[Part]], Callable[..., bytes]], ...] = (
    (_is_dicom, _split_dicom, _join_dicom),
    (_is_tiff, _split_tiff, _join_tiff),
    (_is_jpeg, _split_jpeg, _join_jpeg),
    (lambda data: data.startswith(b"\x89PNG"), _split_png, _join_png),
    (lambda data: data[:4] == b"RIFF", _split_webp, _join_webp),
    (lambda data: data.startswith(b"PK"), _split_zip, _join_zip),
    (_is_onnx, _split_onnx, _join_onnx),
)
