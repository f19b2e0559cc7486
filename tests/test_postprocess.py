"""Threshold, holes, components, presence: by hand on literal grids."""

from __future__ import annotations

import numpy as np
import pytest

from hybridseg.postprocess import (
    OperatingPoint,
    apply_operating_point,
    fill_holes,
    label_components,
    largest_component,
    remove_small,
    smallest_area,
)


def grid(text):
    return np.array([[cell == "#" for cell in row] for row in text.split()])


RING = """
    .....
    .###.
    .#.#.
    .###.
    .....
"""
TWO = """
    ##...#
    ##...#
    ......
    ...#..
"""


def point(**options):
    return OperatingPoint(**{"threshold": 0.5, "fill_holes": False, **options})


def test_a_pixel_at_the_threshold_is_lesion():
    probability = np.array([[0.49, 0.5, 0.51]], np.float32)
    assert apply_operating_point(probability, point()).tolist() == [[False, True, True]]


def test_the_threshold_is_compared_in_float32():
    probability = np.array([[np.float32(0.35)]])  # a little below 0.35
    assert apply_operating_point(probability, point(threshold=0.35)).all()


def test_a_hole_is_filled_and_a_bay_is_not():
    assert fill_holes(grid(RING)).sum() == 9
    bay = grid("""
        .###
        .#..
        .###
    """)
    np.testing.assert_array_equal(fill_holes(bay), bay)


def test_a_hole_open_only_at_a_corner_is_filled():
    leak = grid("""
        #####
        #...#
        #...#
        ####.
    """)
    assert fill_holes(leak).sum() == leak.sum() + 6


def test_corners_connect_components():
    labels, sizes = label_components(
        grid("""
        #..#
        .#..
        ...#
    """)
    )
    assert labels.tolist() == [[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 0, 3]]
    assert sizes[1:].tolist() == [2, 1, 1]
    assert sizes[0] == 8


def test_the_largest_component_is_kept():
    assert (
        largest_component(grid(TWO), grid(TWO).astype(np.float32)).tolist()
        == grid("""
        ##....
        ##....
        ......
        ......
    """).tolist()
    )


def test_a_sure_component_outweighs_a_larger_doubtful_one():
    probability = np.array([[0.3, 0.3, 0.3, 0.0, 0.9, 0.9]], np.float32)
    kept = apply_operating_point(probability, OperatingPoint(0.25, largest_only=True))
    assert kept.tolist() == [[False, False, False, False, True, True]]
    probability[0, 4:] = 0.4  # 0.8 against 0.9
    kept = apply_operating_point(probability, OperatingPoint(0.25, largest_only=True))
    assert kept.tolist() == [[True, True, True, False, False, False]]


def test_among_equals_the_first_in_row_order_is_kept():
    mask = grid("##.##")
    assert largest_component(mask, np.full(mask.shape, 0.7, np.float32)).tolist() == grid("##...").tolist()


def test_nothing_stays_nothing():
    empty = np.zeros((3, 4), bool)
    assert not largest_component(empty, np.zeros((3, 4), np.float32)).any()
    assert not remove_small(empty, min_area_px=1).any()
    assert not apply_operating_point(np.zeros((3, 4), np.float32), OperatingPoint(largest_only=True)).any()


def test_small_components_are_removed():
    assert (
        remove_small(grid(TWO), min_area_px=2).tolist()
        == grid("""
        ##...#
        ##...#
        ......
        ......
    """).tolist()
    )


@pytest.mark.parametrize(("pixels", "fraction", "area"), [(100, 0.02, 2), (101, 0.02, 3), (10, 0.001, 1)])
def test_the_smallest_area_is_rounded_up(pixels, fraction, area):
    assert smallest_area(pixels, fraction) == area


def test_min_area_fraction_keeps_a_component_of_just_that_size():
    probability = grid(TWO).astype(np.float32)  # 24 pixels; components of 4, 2 and 1
    assert apply_operating_point(probability, point(min_area_fraction=2 / 24)).sum() == 6


def test_a_relative_threshold_is_a_share_of_the_largest_probability():
    probability = np.array([[0.1, 0.25], [0.4, 0.0]], np.float32)
    for scale in (1, 0.1, 2):
        scaled = probability * np.float32(scale)
        assert apply_operating_point(scaled, point(relative=True)).tolist() == [[False, True], [True, False]]
    assert apply_operating_point(probability, point(threshold=0.0, relative=True)).sum() == 3
    assert not apply_operating_point(np.zeros((3, 4), np.float32), point(relative=True)).any()


def test_presence_empties_a_mask_that_is_nowhere_sure():
    probability = np.array([[0.6, 0.7], [0.0, 0.0]], np.float32)
    assert apply_operating_point(probability, point(presence_threshold=0.7)).sum() == 2
    assert apply_operating_point(probability, point(presence_threshold=0.71)).sum() == 0


def test_presence_looks_only_at_what_is_left_of_the_mask():
    probability = np.array([[0.6, 0.6, 0.0, 0.9]], np.float32)
    kept = apply_operating_point(probability, point(largest_only=True, presence_threshold=0.8))
    assert not kept.any()


def test_holes_are_filled_before_the_largest_is_chosen():
    ring_and_block = np.zeros((6, 12), np.float32)
    ring_and_block[0:5, 0:5] = 1
    ring_and_block[1:4, 1:4] = 0.4  # 16 without it, 19.6 when filled
    ring_and_block[0:4, 7:12] = 0.95  # 19
    mask = apply_operating_point(ring_and_block, OperatingPoint(largest_only=True))
    assert mask[2, 2]
    assert mask.sum() == 25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, r"`threshold` must lie in \[0, 1\], got 1.5"),
        ({"threshold": float("nan")}, "`threshold` must lie in"),
        ({"threshold": "0.5"}, "`threshold` must be a number in .*, got '0.5'"),
        ({"presence_threshold": True}, "`presence_threshold` must be a number"),
        ({"min_area_fraction": -0.1}, "`min_area_fraction` must lie in"),
        ({"fill_holes": 1}, "`fill_holes` must be true or false, got 1"),
        ({"relative": "yes"}, "`relative` must be true or false, got 'yes'"),
    ],
)
def test_bad_operating_points_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        OperatingPoint(**options)
