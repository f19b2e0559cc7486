"""More than 8 bits, and more than one page: one rule for all, and what it refuses."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from hybridseg.images import ImageError, decode, raster, read_facts, read_image, read_mask

GREY = np.array([[0, 1, 128], [77, 254, 255]], dtype=np.uint8)


def encode(array: Any, file_format: str = "TIFF", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format=file_format, **options)
    return stream.getvalue()


def save(path: Path, array: Any, file_format: str = "TIFF", **options: Any) -> Path:
    path.write_bytes(encode(array, file_format, **options))
    return path


def tiff(width: int, height: int, body: bytes, *, bits: int, photometric: int = 1, sample_format: int = 1) -> bytes:
    """Return a little-endian TIFF of one strip, one sample a pixel."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
        (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, len(body)), (339, 3, sample_format),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        directory += struct.pack("<HHI", tag, kind, 1) + struct.pack(
            "<I" if kind == 4 else "<HH", *((value,) if kind == 4 else (value, 0))
        )
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + b"\0" * 4


@pytest.mark.parametrize("file_format", ["TIFF", "PNG"])
@pytest.mark.parametrize("factor", [256, 257])
def test_widened_bytes_come_back(tmp_path: Path, file_format: str, factor: int) -> None:
    wide = GREY.astype(np.uint16) * factor
    np.testing.assert_array_equal(read_image(save(tmp_path / "a", wide, file_format)), GREY)


def test_the_upper_byte_is_taken_whatever_the_picture_holds(tmp_path: Path) -> None:
    # 0x1234 -> 0x12, 0x12ff -> 0x12, 0x7fff -> 0x7f: no stretch to the picture's own range
    values = np.array([[0x1234, 0x12FF, 0x7FFF]], dtype=np.uint16)
    assert read_image(save(tmp_path / "a", values)).tolist() == [[0x12, 0x12, 0x7F]]
    assert read_image(save(tmp_path / "b", values, compression="tiff_deflate")).tolist() == [[0x12, 0x12, 0x7F]]


def test_minimum_is_white() -> None:
    body = struct.pack("<2H", 0, 0x3FFF)
    assert decode(tiff(2, 1, body, bits=16, photometric=0), "x").to_grey().tolist() == [[255, 0xC0]]
    assert decode(tiff(2, 1, b"\0\xf0", bits=8, photometric=0), "x").to_grey().tolist() == [[255, 15]]


def test_twelve_bits_have_their_own_range() -> None:
    body = bytes([0xFF, 0xF0, 0x80])  # packed: 0xfff, 0x080
    assert decode(tiff(2, 1, body, bits=12), "x").to_grey().tolist() == [[255, 8]]


def test_a_deep_picture_that_does_not_fill_its_range_is_refused(tmp_path: Path) -> None:
    twelve = np.array([[0, 4095]], dtype=np.uint16)
    for brightest in (4095, 255, 1):
        with pytest.raises(ImageError, match=f"values end at {brightest} of 65535: its true range isn't known"):
            read_image(save(tmp_path / "a", np.minimum(twelve, np.uint16(brightest))))
    assert read_image(save(tmp_path / "b", twelve + np.uint16(1))).tolist() == [[0, 16]]
    assert not read_image(save(tmp_path / "c", twelve * np.uint16(0))).any()  # black is black


def test_floats_lie_between_0_and_1(tmp_path: Path) -> None:
    values = np.array([[0.0, 0.5, 1.0], [100 / 255, 0.25, 0.8]], dtype=np.float32)
    # 255 v: 127.5 is rounded to even, 63.75 up
    assert read_image(save(tmp_path / "a", values)).tolist() == [[0, 128, 255], [100, 64, 204]]
    for wrong, shown in [(1.5, "0 to 1.5"), (-0.25, "-0.25 to 1"), (np.nan, "nan to nan"), (np.inf, "0 to inf")]:
        values[0, 1] = wrong
        with pytest.raises(ImageError, match=f"must lie in \\[0, 1\\], got {shown}"):
            read_image(save(tmp_path / "b", values))


def test_signed_and_32_bit_integers_are_refused() -> None:
    for data in (
        encode(np.zeros((2, 2), np.int32)),
        tiff(2, 1, b"\0" * 4, bits=16, sample_format=2),
        tiff(2, 1, b"\0" * 8, bits=32),
        tiff(2, 1, b"\0\xff", bits=8, sample_format=2),
    ):
        with pytest.raises(ImageError, match="x: holds signed or 32-bit integers"):
            decode(data, "x")
    with pytest.raises(ImageError, match="x: is a damaged TIFF, or of a kind that isn't read"):
        decode(tiff(1, 1, b"\0" * 8, bits=64, sample_format=3), "x")


@pytest.mark.parametrize("values", [[0, 65535], [0, 32768], [0, 1], [0, 15], [0, 255]])
def test_deep_masks(tmp_path: Path, values: list[int]) -> None:
    """Black and white, labels, or an 8-bit mask that was saved with 16 bits."""
    assert read_mask(save(tmp_path / "a", np.array([values], dtype=np.uint16))).tolist() == [[False, True]]


@pytest.mark.parametrize("brightest", [16, 254, 256, 32767])
def test_deep_masks_that_are_neither(tmp_path: Path, brightest: int) -> None:
    with pytest.raises(ImageError, match=f"expected 0 and 65535 or labels up to 15, got at most {brightest}"):
        read_mask(save(tmp_path / "a", np.array([[0, brightest]], dtype=np.uint16)))


def test_float_masks_are_cut_at_a_half(tmp_path: Path) -> None:
    values = np.array([[0, 0.5, 0.51, 1]], dtype=np.float32)
    assert read_mask(save(tmp_path / "a", values)).tolist() == [[False, False, True, True]]
    assert not read_mask(save(tmp_path / "b", values * 0)).any()
    with pytest.raises(ImageError, match="expected 0 and 1"):
        read_mask(save(tmp_path / "c", values * np.float32(0.25)))


def test_orientation_of_deep_pictures(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    for name, file_format in (("a", "PNG"), ("b", "TIFF")):
        path = save(tmp_path / name, GREY.astype(np.uint16) * 257, file_format, exif=exif)
        np.testing.assert_array_equal(read_image(path), np.rot90(GREY, -1))


def test_each_page_is_an_image(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY), Image.fromarray(GREY[:, :2].astype(np.uint16) * 257)]
    path = tmp_path / "a.tif"
    pages[0].save(path, format="TIFF", save_all=True, append_images=pages[1:])
    assert read_facts(path).frames == 3
    np.testing.assert_array_equal(read_image(path, frame=0), GREY)
    np.testing.assert_array_equal(read_image(path, frame=1), 255 - GREY)
    np.testing.assert_array_equal(read_image(path, frame=2), GREY[:, :2])
    with pytest.raises(ImageError, match=r"a\.tif: holds 3 pages or frames, expected one"):
        read_image(path)
    for frame in (3, -1):
        with pytest.raises(ImageError, match=f"has no frame {frame}: it holds 3, counted from 0"):
            read_image(path, frame)


def test_pages_in_their_order_cost_no_more_than_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    pages = [
        Image.fromarray(GREY),
        Image.fromarray(GREY[:, :2].astype(np.uint16) * 257),
        Image.fromarray(GREY).convert("RGB"),
        Image.fromarray(GREY).convert("P"),
        Image.fromarray(GREY > 100),
    ] * 8
    for number, page in enumerate(pages := [page.copy() for page in pages]):
        page.encoderinfo = {"compression": "tiff_deflate"} if number % 2 else {}
        page.encoderinfo |= {"exif": turned} if number % 3 == 0 else {}
    stream = io.BytesIO()
    pages[0].save(stream, format="TIFF", save_all=True, append_images=pages[1:])
    data, number = stream.getvalue(), len(pages)
    alone = [decode(bytes(bytearray(data)), "x", frame) for frame in range(number)]
    loads = []
    load = TiffImagePlugin.ImageFileDirectory_v2.load
    monkeypatch.setattr(TiffImagePlugin.ImageFileDirectory_v2, "load", lambda *given: loads.append(1) or load(*given))
    together = [decode(data, "x", frame) for frame in range(number)]
    assert number < len(loads) < 6 * number
    order = [7, 7, 3, 8, 0, number - 1, 5]  # in another order it takes longer, and is the same
    for one, other in [*zip(alone, together, strict=True), *((alone[k], decode(data, "x", k)) for k in order)]:
        np.testing.assert_array_equal(one.array, other.array)
        assert replace(one, array=GREY) == replace(other, array=GREY)
    with pytest.raises(ImageError, match="has no frame 40"):
        decode(data, "x", number)


def test_frames_of_an_animated_png_in_their_order() -> None:
    pages = [Image.fromarray(np.roll(GREY, k)).convert("RGBA") for k in range(6)]
    stream = io.BytesIO()
    pages[0].save(stream, format="PNG", save_all=True, append_images=pages[1:])
    data = stream.getvalue()
    for frame in (0, 1, 2, 3, 5, 4, 4):
        np.testing.assert_array_equal(decode(data, "x", frame).to_grey(), np.roll(GREY, frame))


def test_the_last_page_is_not_kept() -> None:
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, format="TIFF", save_all=True, append_images=[Image.fromarray(GREY)])
    data = stream.getvalue()
    for frame, kept in ((0, True), (1, False), (0, True)):
        decode(data, "x", frame)
        assert (raster.opened.last is not None) == kept
    decode(encode(GREY), "x")
    assert raster.opened.last is None


def test_a_huge_page_behind_a_small_one_is_not_decoded() -> None:
    small, huge = tiff(1, 1, b"\0", bits=8), tiff(60_000, 60_000, b"\0", bits=8)
    # The second directory follows the first file's end; its strip stays where it was.
    start = 9 + 2 + 12 * 10
    at = len(small)
    data = small[:start] + struct.pack("<I", at) + small[start + 4 :] + huge[9:]
    assert decode(data, "x", frame=0).to_grey().tolist() == [[0]]
    with pytest.raises(ImageError, match=r"x: .*(60000 x 60000|3600000000) pixels"):  # the latter by an older Pillow
        decode(data, "x", frame=1)


def test_bmp_of_sixteen_bits_is_not_deep() -> None:
    # 40-byte header, 1 x 1, 16 bits: five a channel; 0x7fff is white. Rows are padded to four bytes.
    header = b"BM" + struct.pack("<IHHI", 58, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 16, 0, 4, 0, 0, 0, 0)
    assert decode(header + b"\xff\x7f\0\0", "x").to_grey().tolist() == [[255]]
