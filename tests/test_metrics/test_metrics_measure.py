"""Area, diameters and counts of lesions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hybridseg.metrics import LesionCounts, count_lesions
from hybridseg.metrics.measure import measure_lesions


def mask(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_no_lesion() -> None:
    assert measure_lesions(mask("...", "...")) == []


def test_one_pixel_is_a_square_of_side_one() -> None:
    (lesion,) = measure_lesions(mask("...", "..#"), (2.0, 3.0))
    assert (lesion.row, lesion.column, lesion.area_px) == (1.0, 2.0, 1)
    assert (lesion.long_px, lesion.short_px) == pytest.approx((2**0.5, 2**0.5))
    # 2 x 3 mm: the diagonal is sqrt(13), the other corners lie 2 * 6 / sqrt(13) apart across it
    assert (lesion.area_mm2, lesion.long_mm, lesion.short_mm) == pytest.approx((6, 13**0.5, 12 / 13**0.5))


def test_a_rectangle_of_three_by_four() -> None:
    (lesion,) = measure_lesions(mask("####", "####", "####"))
    # diagonal 5; each other corner is 3 * 4 / 5 off it
    assert (lesion.area_px, lesion.long_px, lesion.short_px) == (12, pytest.approx(5), pytest.approx(4.8))
    assert (lesion.area_mm2, lesion.long_mm, lesion.short_mm) == (None, None, None)


def test_regions_touch_at_corners_and_come_largest_first() -> None:
    lesions = measure_lesions(mask("#....", ".....", "...#.", "....#", "...##"))
    assert [lesion.area_px for lesion in lesions] == [4, 1]
    assert (lesions[0].row, lesions[0].column) == (3.25, 3.5)


def test_a_hollow_region_counts_its_pixels_and_spans_its_hull() -> None:
    (lesion,) = measure_lesions(mask("###", "#.#", "###"))
    assert (lesion.area_px, lesion.long_px) == (8, pytest.approx(18**0.5))


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -1.0), (1.0, 1.0, 1.0)])
def test_spacing_must_be_positive(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="`spacing_mm` must be two positive numbers"):
        measure_lesions(mask("#"), spacing)  # type: ignore[arg-type]


def test_lesions_found_missed_and_made_up_by_hand() -> None:
    two = mask("##....", "##....", ".....#", ".....#")
    # the first by 3 of 4 pixels, the second missed, a third that isn't there
    assert count_lesions(two, mask("#...#.", "##....", "......", "......")) == LesionCounts(found=1, missed=1, false=1)
    # one region over both finds neither: 6 of 24 pixels
    assert count_lesions(two, np.ones((4, 6), bool)) == LesionCounts(found=0, missed=2, false=1)
    # half of a lesion isn't more than a half
    assert count_lesions(two, mask("##....", "......", "......", ".....#")) == LesionCounts(found=0, missed=2, false=2)
    nothing = np.zeros((4, 6), bool)
    assert count_lesions(nothing, nothing) == LesionCounts(0, 0, 0)
    assert count_lesions(two, nothing) == LesionCounts(0, 2, 0)
    assert count_lesions(nothing, two) == LesionCounts(0, 0, 2)
