"""What a file may cost is bounded by its headers, and a picture of which parts are missing is refused."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import dataset, packed, to_bytes
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from hybridseg.images import ImageError, decode, dicom, find_facts, jpeg, png, read_image
from hybridseg.images import tiff as tiffs

NOISE = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
DARK = np.concatenate([NOISE[:-8], np.zeros((8, 64), np.uint8)])  # as most frames end
ROWS = b"".join(b"\0" + bytes(row) for row in NOISE)
EMPTY_ITEM = b"\xfe\xff\0\xe0\0\0\0\0"


def encode(picture: Any, file_format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(stream, file_format, **options)
    return stream.getvalue()


def put(data: bytes, at: int, form: str, *values: int) -> bytes:
    return data[:at] + struct.pack(form, *values) + data[at + struct.calcsize(form) :]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, colour_type: int, *chunks: bytes, interlaced: int = 0, rows: bytes = ROWS) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, interlaced))
    parts = (header, *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg_of(height: int, width: int, **options: Any) -> bytes:
    data = encode(NOISE, "JPEG", **options)
    return put(data, data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0") + 5, ">HH", height, width)


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    """Change the value of a tag in the first directory of a little-endian TIFF."""
    (at,) = struct.unpack_from("<I", data, 4)
    entries = range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12)
    (entry,) = (entry for entry in entries if struct.unpack_from("<H", data, entry) == (tag,))
    return put(data, entry + 8, "<I", value)


def tiff_pages(count: int, next_of: Callable[[int], int] = lambda page: page + 1) -> bytes:
    tags = [(256, 3, 1), (257, 3, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (279, 4, 1)]
    entries = (struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    body = struct.pack("<H", len(tags)) + b"".join(entries)
    size = len(body) + 4
    links = [next_of(page) for page in range(count)]
    pages = (body + struct.pack("<I", 8 + size * link if link < count else 0) for link in links)
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


def refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        decode(data, "x")
    assert str(caught.value).isprintable()


# ---- whole pictures -----------------------------------------------------------------------------
PALETTE = Image.fromarray(NOISE).convert("P", palette=Image.Palette.ADAPTIVE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (jpeg_of(8000, 8000), r"damaged JPEG: \d+ bytes can't hold 8000 x 8000 pixels"),
        (jpeg_of(8000, 8000, progressive=True), r"damaged JPEG: \d+ bytes can't hold 8000 x 8000 pixels"),
        (encode(NOISE, "JPEG")[:2000] + b"\xff\xd9", "damaged JPEG .its data end too early"),
        (encode(NOISE, "JPEG", progressive=True)[:900] + b"\xff\xd9", "damaged JPEG .a scan is missing"),
        (jpeg_of(0, 64), "damaged JPEG .a size of 0"),
        (encode(NOISE, "JPEG").replace(b"\xff\xc0", b"\xff\xc9"), "JPEG of a kind that isn't read"),
        (png_of(64, 64, 3), "has colour 254, and a palette of 0"),
        (png_of(64, 64, 3, chunk(b"PLTE", bytes(30))), "has colour 254, and a palette of 10"),
        (png_of(64, 65, 0), "rows of the PNG are missing"),
        (png_of(64, 64, 0, rows=ROWS[:-65]), "rows of the PNG are missing"),
        (png_of(8, 8, 0, interlaced=1, rows=b"\0\7" * 2), "rows of the PNG are missing"),
        (put(encode(PALETTE, "BMP"), 46, "<I", 9), r"has colour \d+, and a palette of 9"),
        (with_tag(encode(NOISE, "TIFF"), 257, 8000), "strips or tiles are missing"),
        (with_tag(encode(NOISE, "TIFF"), 278, 8), "strips or tiles are missing"),
        (with_tag(encode(NOISE, "TIFF"), 273, 0), "strips or tiles are missing"),
        (with_tag(encode(NOISE, "TIFF", compression="jpeg"), 256, 128), "holds a JPEG of 64 x 64 for 64 x 128 pixels"),
        (with_tag(encode(NOISE, "TIFF", compression="packbits"), 273, 0), "strips or tiles are missing"),
    ],
)  # fmt: skip
def test_a_picture_that_is_not_whole_is_refused(data: bytes, message: str) -> None:
    refused(data, message)


HEADER = png_of(64, 64, 0)[8:33]


def with_entry(data: bytes, tag: int, *fields: int) -> bytes:
    """Change tag, type and count of an entry in the first directory of a little-endian TIFF."""
    return put(data, with_tag(data, tag, 0xABCDEF).index(b"\xef\xcd\xab\0") - 8, "<HHI", *fields)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_of(64, 64, 0, HEADER), "its header isn't first, or is there twice"),
        (png_of(64, 64, 0).replace(HEADER, chunk(b"IHDR", HEADER[8:-4] + b"\0")), "its header isn't first"),
        (png_of(64, 64, 0).replace(HEADER, chunk(b"tEXt", b"a\0b") + HEADER), "its header isn't first"),
        (with_entry(encode(NOISE, "TIFF"), 258, 258, 0x8000, 1), "its tag 258 is there twice, or of another type"),
        (with_entry(encode(NOISE, "TIFF"), 262, 262, 3, 5), "its tag 262 is there twice, or of another type or count"),
        (with_entry(encode(NOISE, "TIFF"), 284, 256, 4, 1), "its tag 256 is there twice"),
        (png_of(64, 64, 0, chunk(b"eXIf", b"MM") * 2), "its EXIF data are there twice"),
        (png_of(64, 64, 0, chunk(b"eXIf", b"no EXIF")), "damaged EXIF data, which would say how it is turned"),
    ],
)
def test_a_file_that_another_reader_takes_otherwise_is_refused(data: bytes, message: str) -> None:
    """Found beside OpenCV (benchmarks/fuzz/fuzz_peers.py): Pillow takes the last header, and passes over tags."""
    refused(data, message)


def test_dicom_frames_that_are_not_those_of_the_header_are_refused() -> None:
    large = dataset(NOISE, Rows=8000, Columns=8000)
    refused(to_bytes(packed(large, JPEGBaseline8Bit, [jpeg_of(8000, 8000)])), "bytes can't hold 8000 x 8000 pixels")
    stream = encode(NOISE, "JPEG2000", no_jp2=True)
    refused(to_bytes(packed(large, JPEG2000Lossless, [put(stream, 8, ">II", 8000, 8000)])), "has 1 of 15625 tiles")
    refused(to_bytes(dataset(NOISE, Columns=32)), "holds 4096 bytes of pixels, its header says 2048")
    padded = dataset(NOISE)
    padded.PixelData += bytes(128)  # some write so
    np.testing.assert_array_equal(decode(to_bytes(padded), "x").to_grey(), NOISE)


@pytest.mark.parametrize("picture", [NOISE, DARK, np.full((64, 64), 128, np.uint8), np.full((9, 5), 255, np.uint8)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}])
def test_whole_pictures_are_read_as_before(picture: np.ndarray, options: dict[str, Any]) -> None:
    for mode in ("L", "RGB"):
        data = encode(Image.fromarray(picture).convert(mode), "JPEG", **options)
        np.testing.assert_array_equal(decode(data, "x").array, np.asarray(Image.open(io.BytesIO(data))))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        converted = Image.fromarray(picture).convert(mode)
        np.testing.assert_array_equal(
            decode(encode(converted, "PNG"), "x").to_grey(), np.asarray(converted.convert("RGB").convert("L"))
        )


def test_a_whole_picture_of_several_strips_of_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.TiffImagePlugin.STRIP_SIZE", 64 * 24)
    assert decode(encode(NOISE[:60], "TIFF", compression="jpeg"), "x").array.shape == (60, 64)


# ---- what a file may cost -----------------------------------------------------------------------
def test_pages_are_counted_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.n_frames", None)  # it compares each page with all before it
    refused(tiff_pages(100_000), "holds 10001 pages or frames, at most 10000 are read")
    assert find_facts(tiff_pages(10_000), "x").frames == 10_000
    assert find_facts(tiff_pages(5, lambda page: (page + 1) % 5), "x").frames == 5  # in a circle
    big = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + struct.pack("<QQ", 0, 16)  # the larger kind, without a tag
    assert tiffs.count_pages(big, 9) == 1
    refused(tiff_pages(3)[:-20], "damaged TIFF .a directory is cut off")
    refused(put(tiff_pages(1), 8, "<H", 65_000) + bytes(10**6), "page of 65000 tags, at most 1000")
    strips = struct.pack("<HHII", 273, 4, 10**7, 8)
    refused(tiff_pages(1).replace(struct.pack("<HHII", 273, 4, 1, 8), strips), "page of 10000000 strips")


def test_scans_of_a_jpeg_are_counted_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(NOISE, "JPEG", progressive=True)
    end, last = data.rindex(b"\xff\xd9"), data[data.rindex(b"\xff\xda") : -2]
    many = data[:end] + last * 3000 + data[end:]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    refused(many, "scans that take too long: 1001 of 64 x 64 pixels")
    refused(to_bytes(packed(dataset(NOISE), JPEGBaseline8Bit, [many])), "scans that take too long")
    monkeypatch.setattr(jpeg, "MAX_BLOCK_VISITS", 64 * 20)
    refused(many, "scans that take too long: 21 of 64 x 64 pixels")
    refused(data[:2] + b"\xff\xfe\0\2" * 10_001 + data[2:], "has more than 10000 JPEG segments")


def test_chunks_of_a_png_are_counted_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MAX_CHUNKS", 10)
    refused(png_of(64, 64, 0, *[chunk(b"tEXt", b"a\0b")] * 10), "has more than 10 PNG chunks")


def test_long_runs_of_a_bmp_are_refused() -> None:
    sizes = (40, 9, 9, 1, 8, 1, 0, 0, 0, 256, 0)  # 9 x 9 pixels of 8 bits, in runs
    header = b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + struct.pack("<IiiHHIIiiII", *sizes)
    refused(header + bytes(1024) + bytes(2**23), "has BMP runs of 8389686 bytes, at most 8388608 are read")


@pytest.mark.parametrize("kind", [b"SQ", b"UN"])
def test_elements_and_items_of_dicom_are_bounded(kind: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom, "MAX_READS", 3000)
    data = to_bytes(dataset(NOISE))
    at = data.rindex(b"\xe0\x7f\x10\0")
    items = struct.pack("<HH2sHI", 0x7001, 16, kind, 0, 2**32 - 1) + EMPTY_ITEM * 2000 + b"\xfe\xff\xdd\xe0\0\0\0\0"
    elements = b"".join(struct.pack("<HH2sH", 0x7001, number, b"LO", 0) for number in range(3000))
    for added in (items, elements):
        refused(data[:at] + added + data[at:], "has too many DICOM elements or items")
    meta = b"".join(struct.pack("<HH2sH", 2, 0x100 + number, b"LO", 0) for number in range(3000))
    refused(data[:132] + meta + data[132:], "has too many DICOM elements or items")
    at = data.index(b"\x20\0\x0d\0UI")
    regions = struct.pack("<HH2sHI", 0x18, 0x6011, b"SQ", 0, 8 * 40_000) + EMPTY_ITEM * 40_000
    refused(data[:at] + regions + data[at:], "has a SequenceOfUltrasoundRegions of 320000 bytes, at most 262144")


def test_one_budget_of_time_and_memory_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_bytes(dataset(NOISE))
    at = data.rindex(b"\xe0\x7f\x10\0")
    slow = data[:at] + b"".join(struct.pack("<HH2sH", 0x7001, k, b"LO", 0) for k in range(40_000)) + data[at:]
    assert decode(slow, "x").array.shape == (64, 64)
    monkeypatch.setenv("HYBRIDSEG_MAX_SECONDS", "0.001")
    for read in (decode, find_facts):
        with pytest.raises(ImageError, match=r"x: reading took more than 0.001 s, which is the limit .HYBRIDSEG_MAX_S"):
            read(slow, "x")
    monkeypatch.delenv("HYBRIDSEG_MAX_SECONDS")
    monkeypatch.setenv("HYBRIDSEG_MAX_MEMORY_MB", "100")
    refused(png_of(2000, 2000, 0), r"has 2000 x 2000 pixels, which may take 160 MB of 100")


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(encode(NOISE, "PNG"))
    os.mkfifo(tmp_path / "pipe")
    status = os.stat(tmp_path / "a.png")
    monkeypatch.setattr(os, "stat", lambda path, **_: status)  # what it was a moment before
    with pytest.raises(ImageError, match=r"pipe: can.t be read: it is not a regular file"):
        read_image(tmp_path / "pipe")
