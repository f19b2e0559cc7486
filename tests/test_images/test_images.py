"""Files to arrays: what is taken, what is refused, and how a mask is told from grey values."""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hybridseg import images
from hybridseg.images import ImageError, decode, overlay, read_image, read_mask, read_pixels, write_image, write_mask

GREY = np.array([[0, 10, 20, 30], [40, 50, 60, 70], [80, 90, 100, 255]], dtype=np.uint8)


def encode(picture: Any, file_format: str = "PNG", **options: Any) -> bytes:
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    stream = io.BytesIO()
    picture.save(stream, format=file_format, **options)
    return stream.getvalue()


def save(path: Path, picture: Any, file_format: str = "PNG", **options: Any) -> Path:
    path.write_bytes(encode(picture, file_format, **options))
    return path


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "WEBP"])
def test_grey_comes_back_as_it_was_written(tmp_path: Path, file_format: str) -> None:
    image = read_image(save(tmp_path / "a", GREY, file_format, lossless=True))  # WebP's option
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, GREY)


def test_jpeg_is_read(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.jpg", np.full((16, 16), 100, np.uint8), "JPEG", quality=95))
    np.testing.assert_array_equal(image, 100)


def test_webp_masks_and_frames(tmp_path: Path) -> None:
    labels = np.kron(np.array([[0, 1], [2, 0]], np.uint8), np.ones((16, 16), np.uint8))
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a", labels, "WEBP", lossless=True)), labels > 0)
    assert read_pixels(tmp_path / "a").file_format == "WebP"
    # Lossy: 100 of 255 is neither label nor white, and a little more than nothing is nothing.
    assert not read_mask(save(tmp_path / "b", np.full((16, 16), 100, np.uint8), "WEBP")).any()
    assert not read_mask(save(tmp_path / "b", labels, "WEBP")).any()
    np.testing.assert_array_equal(read_mask(save(tmp_path / "b", np.sign(labels) * 255, "WEBP")), labels > 0)
    more = {"save_all": True, "append_images": [Image.fromarray(255 - GREY).convert("RGB")], "lossless": True}
    animated = save(tmp_path / "c", Image.fromarray(GREY).convert("RGB"), "WEBP", **more)
    assert images.read_facts(animated).frames == 2
    np.testing.assert_array_equal(read_image(animated, 1), 255 - GREY)
    turned = Image.Exif()
    turned[0x0112] = 6
    np.testing.assert_array_equal(
        read_image(save(tmp_path / "d", GREY, "WEBP", lossless=True, exif=turned)), np.rot90(GREY, -1)
    )


def test_colour_becomes_grey_with_itu_weights(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [77, 77, 77]]], dtype=np.uint8)
    # 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1; equal channels stay
    assert read_image(save(tmp_path / "a.png", colours)).tolist() == [[76, 150, 29, 77]]


def test_modes_that_mean_the_same_picture_read_the_same(tmp_path: Path) -> None:
    picture = Image.fromarray(GREY)
    palette = picture.convert("P")
    alpha = picture.convert("LA")
    alpha.putalpha(Image.fromarray(255 - GREY))  # an image's transparency is ignored
    rgba = picture.convert("RGBA")
    rgba.putalpha(0)
    for name, variant in {"p": palette, "la": alpha, "rgba": rgba, "rgb": picture.convert("RGB")}.items():
        np.testing.assert_array_equal(read_image(save(tmp_path / name, variant)), GREY, err_msg=name)
    np.testing.assert_array_equal(read_image(save(tmp_path / "t", palette, transparency=b"\0\7")), GREY)


def test_one_bit_image_is_black_and_white(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a", np.array([[True, False]]))).tolist() == [[255, 0]]


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_orientation_is_applied(tmp_path: Path, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side: to be turned clockwise by a quarter
    turned = read_image(save(tmp_path / "a", GREY, file_format, exif=exif))
    assert read_pixels(tmp_path / "a").turned and not read_pixels(save(tmp_path / "c", GREY, file_format)).turned
    np.testing.assert_array_equal(turned, np.rot90(GREY, -1))
    exif[0x0112] = 3
    np.testing.assert_array_equal(read_image(save(tmp_path / "b", GREY, file_format, exif=exif)), GREY[::-1, ::-1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 255, 255]], [[0, 1, 1]]),
        ([[0, 127, 128]], [[0, 0, 1]]),  # grey values: cut above 127
        ([[0, 1, 1]], [[0, 1, 1]]),  # labels
        ([[0, 1, 2]], [[0, 1, 1]]),
        ([[0, 0, 0]], [[0, 0, 0]]),
    ],
)
def test_mask_rule(tmp_path: Path, values: list[list[int]], expected: list[list[int]]) -> None:
    mask = read_mask(save(tmp_path / "m.png", np.array(values, dtype=np.uint8)))
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, np.array(expected, dtype=bool))


def test_mask_in_any_colour_and_mode(tmp_path: Path) -> None:
    expected = np.array([[True, False, True]])
    blue = np.array([[[0, 0, 255], [0, 0, 0], [0, 0, 200]]], dtype=np.uint8)  # grey would be 29: under any cut
    np.testing.assert_array_equal(read_mask(save(tmp_path / "rgb", blue)), expected)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "bit", expected)), expected)
    palette = Image.fromarray(np.array([[1, 0, 1]], dtype=np.uint8)).convert("P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    np.testing.assert_array_equal(read_mask(save(tmp_path / "p", palette)), expected)
    rgba = np.full((1, 3, 4), 255, dtype=np.uint8)
    rgba[0, 1, 3] = 0  # white but transparent: background
    np.testing.assert_array_equal(read_mask(save(tmp_path / "rgba", rgba)), expected)


def test_jpeg_noise_is_no_label(tmp_path: Path) -> None:
    noise = np.zeros((8, 8), dtype=np.uint8)
    noise[2, 3] = 12
    assert not read_mask(save(tmp_path / "m.jpg", noise, "JPEG", quality=100)).any()
    assert read_mask(save(tmp_path / "m.png", noise)).sum() == 1


def test_mask_that_is_neither_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.array([[0, 100]], dtype=np.uint8))
    with pytest.raises(ImageError, match=r"m\.png: expected 0 and 255 or labels up to 15, got at most 100"):
        read_mask(path)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, body: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def test_sixteen_bit_colour_keeps_its_upper_byte() -> None:
    assert decode(png(1, 1, 8, 2, b"\0" + b"\7" * 3), "x").to_grey().tolist() == [[7]]
    assert decode(png(1, 1, 16, 2, b"\0" + b"\x70\xff" * 3), "x").to_grey().tolist() == [[0x70]]
    # 0x0707 in each channel may as well be 12-bit data: black, or nearly so, if its upper byte were taken
    with pytest.raises(ValueError, match="less than a sixteenth of their range"):
        decode(png(1, 1, 16, 2, b"\0" + b"\7" * 6), "x").to_grey()
    with pytest.raises(ValueError, match="a mask of more than 8 bits"):
        decode(png(1, 1, 16, 2, b"\0" + b"\0\1" * 3), "x").to_mask()


def test_huge_files_are_refused_before_they_are_decoded() -> None:
    for side in (9_000, 12_000, 60_000):  # under, over and far over Pillow's own warning
        with pytest.raises(ImageError, match="pixels"):
            decode(png(side, side, 8, 0, b""), "x")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "TIFF"])
def test_no_truncated_file_passes(file_format: str) -> None:
    data = encode(np.tile(GREY, (4, 4)), file_format)
    whole = decode(data, "x").array
    for length in range(len(data) - 1):
        try:
            np.testing.assert_array_equal(decode(data[:length], "x").array, whole)
        except ImageError as error:
            assert "\n" not in str(error)
        else:  # padding at the end of a BMP holds no pixel
            assert file_format == "BMP" and len(data) - length <= 2


def test_png_without_its_end_is_refused() -> None:
    data = encode(GREY)
    with pytest.raises(ImageError, match="x: is truncated"):
        decode(data[:-12], "x")
    at = data.index(b"IDAT")
    broken = bytearray(data)
    broken[at + 4 + int.from_bytes(data[at - 4 : at], "big")] ^= 1  # the checksum after the chunk's body
    with pytest.raises(ImageError, match=r"x: (is damaged|can't be decoded)"):
        decode(bytes(broken), "x")


def test_what_is_not_an_image_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    empty.touch()
    text = tmp_path / "text.png"
    text.write_text("no image")
    gif = save(tmp_path / "a.gif", GREY, "GIF")
    for path, reason in [
        (tmp_path / "none.png", "no such file"),
        (tmp_path, "expected a file, got a folder"),
        (empty, r"is empty \(0 bytes\)"),
        (text, "is not a PNG, JPEG, BMP, TIFF, WebP or DICOM image"),
        (gif, "is not a PNG, JPEG, BMP, TIFF, WebP or DICOM image"),
        (tmp_path / ("n" * 300), "can't be read"),
        (Path("a\0b"), "can't be read"),
    ]:
        with pytest.raises(ImageError, match=reason):
            read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert stat.S_ISFIFO((tmp_path / "pipe.png").stat().st_mode)
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path / "pipe.png")


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.truncate(images.MAX_FILE_BYTES + 1)
    with pytest.raises(ImageError, match="at most"):
        read_image(path)


def test_a_newline_in_a_name_stays_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "a\nb\x1b[31m.png")
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


SEEDS = [
    encode(GREY),
    encode(Image.fromarray(GREY).convert("P"), transparency=b"\0\7"),
    encode(np.tile(GREY, (4, 4)), "JPEG"),
    encode(GREY, "BMP"),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8))
def test_damaged_bytes_give_pixels_or_one_line(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        pixels = decode(bytes(damaged), "x")
    except ImageError as error:
        assert str(error).startswith("x: ") and "\n" not in str(error)
    else:
        assert pixels.to_grey().ndim == 2 and pixels.to_grey().size <= images.MAX_PIXELS


def test_written_mask_is_black_and_white(tmp_path: Path) -> None:
    mask = np.array([[True, False], [False, True]])
    write_mask(tmp_path / "m.png", mask)
    assert read_image(tmp_path / "m.png").tolist() == [[255, 0], [0, 255]]
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), mask)
    assert [path.name for path in tmp_path.iterdir()] == ["m.png"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="can't be written"):
        write_mask(tmp_path / "missing" / "m.png", np.zeros((2, 2), dtype=bool))
    with pytest.raises(ValueError, match="`mask` must be bool"):
        write_mask(tmp_path / "m.png", np.array([[0, 7]], dtype=np.uint8))
    with pytest.raises(ValueError, match="`image` must be uint8"):
        write_image(tmp_path / "m.png", np.zeros((2, 2, 4), dtype=np.uint8))
    assert not list(tmp_path.iterdir())


def test_overlay_draws_outlines_only() -> None:
    image = np.full((7, 9), 50, dtype=np.uint8)
    mask_true, mask_pred = np.zeros((7, 9), dtype=bool), np.zeros((7, 9), dtype=bool)
    mask_true[0:7, 0:4] = True
    mask_pred[1:6, 5:8] = True
    drawn = overlay(image, mask_pred, mask_true)
    letter = {(50, 50, 50): ".", images.PREDICTION_COLOUR: "p", images.TRUTH_COLOUR: "t"}
    rows = ["".join(letter[tuple(pixel)] for pixel in row) for row in drawn.tolist()]
    # the truth's line is two pixels wide, the prediction's one; the picture's border closes an outline
    assert rows == [
        "tttt.....",
        "tttt.ppp.",
        "tttt.p.p.",
        "tttt.p.p.",
        "tttt.p.p.",
        "tttt.ppp.",
        "tttt.....",
    ]
    np.testing.assert_array_equal(overlay(image, np.zeros_like(mask_pred)), 50)


def test_overlay_shows_both_where_they_coincide() -> None:
    mask = np.zeros((12, 12), dtype=bool)
    mask[2:10, 2:10] = True
    drawn = overlay(np.zeros((12, 12), dtype=np.uint8), mask, mask)
    assert tuple(drawn[2, 5]) == images.PREDICTION_COLOUR
    assert tuple(drawn[3, 5]) == images.TRUTH_COLOUR
    assert tuple(drawn[4, 5]) == (0, 0, 0)
    with pytest.raises(ValueError, match="`mask_true` must have its image's shape"):
        overlay(np.zeros((12, 12), dtype=np.uint8), mask, mask[1:])
