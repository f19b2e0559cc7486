"""Where in a picture the scan is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hybridseg.images.scan import DARK_GREY, find_scan


def test_dark_rows_and_columns_at_the_edge_are_no_part_of_the_scan() -> None:
    scan = np.full((40, 100), 60, np.uint8)
    framed = np.pad(scan, ((7, 3), (0, 11)), constant_values=DARK_GREY)
    assert find_scan(framed) == (slice(7, 47), slice(0, 100))
    framed[2, :2] = framed[:1, 105] = 255  # two of 111 pixels in a row, one of 50 in a column: a speck in the dark
    assert find_scan(framed) == (slice(7, 47), slice(0, 100))
    framed[6, :3] = 255
    assert find_scan(framed) == (slice(6, 47), slice(0, 100))
    assert find_scan(scan[:1, :1]) == (slice(0, 1), slice(0, 1))


def test_what_lies_beyond_a_dark_row_or_column_is_no_part_of_the_scan_unless_it_is_half_of_all() -> None:
    picture = np.zeros((100, 200), np.uint8)
    picture[20:80, 60:180] = 90  # the scan
    picture[5:15, 70:150] = picture[90:95, 100:180] = 255  # captions above and below it
    picture[0:70, 2:30] = 255  # and beside it
    assert find_scan(picture) == (slice(20, 80), slice(60, 180))
    assert find_scan(picture[::-1, ::-1]) == (slice(20, 80), slice(20, 140))
    picture[45:55] = 0  # two halves: both stay, and the captions with them
    assert find_scan(picture) == (slice(5, 95), slice(60, 180))
    picture[55:] = 0  # most of what there is
    assert find_scan(picture) == (slice(20, 45), slice(60, 180))


@pytest.mark.parametrize("bright", [np.s_[:0], np.s_[5, 5], np.s_[:, 5], np.s_[5]])
def test_a_picture_without_a_scan_is_kept_whole(bright: Any) -> None:
    dark = np.zeros((70, 80), np.uint8)
    dark[bright] = 255
    assert find_scan(dark) == (slice(0, 70), slice(0, 80))


@pytest.mark.parametrize("image", [np.zeros((0, 5), np.uint8), np.zeros(5, np.uint8), np.zeros((5, 5)), [[1]]])
def test_what_is_no_image_is_refused(image: Any) -> None:
    with pytest.raises(ValueError, match="`image` must"):
        find_scan(image)


def test_a_line_is_no_gap() -> None:
    picture = np.full((192, 256), 90, np.uint8)
    picture[:, 40:43] = picture[150:152] = 0  # 3 of 256 columns, 2 of 192 rows
    assert find_scan(picture) == (slice(0, 192), slice(0, 256))
    picture[:, 43] = picture[152] = 0
    assert find_scan(picture) == (slice(0, 150), slice(44, 256))


def test_a_caption_below_may_be_wider_than_the_scan() -> None:
    picture = np.zeros((400, 600), np.uint8)
    picture[50:300, 200:400] = 90
    picture[330:350, 20:580] = 255
    assert find_scan(picture) == (slice(50, 300), slice(200, 400))


def test_of_two_panels_the_larger_one_is_looked_at_if_it_is_half_of_all() -> None:
    picture = np.zeros((100, 672), np.uint8)
    picture[:, :335] = picture[:, 359:] = 90
    assert find_scan(picture) == (slice(0, 100), slice(0, 672))
    picture[:, 335] = 90  # half of all, with the gap
    assert find_scan(picture) == (slice(0, 100), slice(0, 336))


def test_less_than_an_eighth_of_a_side_is_no_scan() -> None:
    picture = np.zeros((80, 100), np.uint8)
    picture[20:29] = 90
    assert find_scan(picture) == (slice(0, 80), slice(0, 100))
    picture[29] = 90
    assert find_scan(picture) == (slice(20, 30), slice(0, 100))


@pytest.mark.parametrize(("grey", "found"), [(5, True), (16, True), (32, True), (33, False)])
def test_a_frame_of_one_dark_grey_is_told_by_the_corners(grey: int, found: bool) -> None:
    picture = np.full((100, 200), grey, np.uint8)
    picture[20:80, 60:180] = 90
    picture[5:10, 20:190], picture[80:90, 20:190] = grey - 2, grey + 2  # compression leaves the dark uneven
    picture[-1, 0] = grey - 2
    whole = slice(0, 100), slice(0, 200)
    assert find_scan(picture) == ((slice(20, 80), slice(60, 180)) if found else whole)
    picture[-1, 0] = grey - 3  # corners that differ tell nothing
    assert find_scan(picture) == whole


def test_up_to_4_is_dark_whatever_the_corners_have() -> None:
    for grey, scan in ((4, (slice(20, 80), slice(20, 140))), (5, (slice(0, 100), slice(0, 160)))):
        picture = np.pad(np.full((60, 120), 90, np.uint8), 20, constant_values=grey)
        picture[[0, 0, -1, -1], [0, -1, 0, -1]] = 0
        assert find_scan(picture) == scan
