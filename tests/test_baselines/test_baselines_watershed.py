"""The watershed's pieces on grids typed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hybridseg_baselines.watershed import WatershedSegmenter, basins, gradient, merge


def grid(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int64)


def test_gradient_by_hand():
    # Over columns: neighbours 0-0, 0-4, 0-4 (the border repeats); over rows nothing changes.
    np.testing.assert_array_equal(gradient(grid([0, 0, 4], [0, 0, 4])), [[0, 4, 4], [0, 4, 4]])
    np.testing.assert_array_equal(gradient(grid([1], [3], [7])), [[2], [6], [4]])
    # Both: the middle has 6 - 0 over rows and 2 - 5 over columns.
    assert gradient(grid([1, 0, 1], [2, 9, 5], [1, 6, 1]))[1, 1] == 6 + 3


@pytest.mark.parametrize(
    ("slope", "expected"),
    [
        ([[0, 2, 1, 3, 0]], [[0, 0, 1, 2, 2]]),  # 2 and 3 drain to the lower side
        ([[1, 1, 1]], [[0, 0, 0]]),  # a plateau drains to its first cell
        ([[3, 2, 1]], [[0, 0, 0]]),  # downhill all the way
        ([[0, 9], [9, 0]], [[0, 0], [0, 1]]),  # no draining over corners; of two equal neighbours the first
        ([[5, 5, 0], [1, 5, 5]], [[1, 0, 0], [1, 1, 0]]),  # numbers follow the minima: 0 in row 0, 1 in row 1
    ],
)
def test_basins_by_hand(slope: list[list[int]], expected: list[list[int]]):
    np.testing.assert_array_equal(basins(np.array(slope, np.int64)), expected)


@pytest.mark.parametrize(
    ("regions", "slope", "merged", "new"),
    [
        # Borders 0|1 5, 1|2 5, 2|3 1: of two equal ones 1 takes the first; 2 and 3 take each other.
        ([[0, 1, 2, 3]], [[0, 5, 1, 1]], [[0, 0, 1, 1]], [True, True]),
        # Borders of one height 2: 0|1 costs 2 * sqrt(4), 1|2 costs 2 * sqrt(1), so the small one goes first.
        ([[0, 0, 0, 0, 1, 1, 1, 1, 2]], [[2] * 9], [[0, 0, 0, 0, 1, 1, 1, 1, 1]], [False, True]),
        # A border's height is the mean along it: 0|1 (1 + 5) / 2, 1|2 (4 + 4) / 2.
        ([[0, 1, 2], [0, 1, 2]], [[1, 1, 4], [5, 1, 4]], [[0, 0, 1], [0, 0, 1]], [True, False]),
        ([[0, 0]], [[1, 7]], [[0, 0]], [False]),  # nothing left to merge
    ],
)
def test_merge_by_hand(regions: list, slope: list, merged: list, new: list):
    found, made = merge(np.array(regions, np.int64), np.array(slope, np.int64))
    np.testing.assert_array_equal(found, merged)
    np.testing.assert_array_equal(made, new)


def test_every_region_that_ever_was_is_a_candidate():
    # A dark square on bright ground: two flat parts, a basin each side of its edge, and in the end one region.
    image = np.full((256, 304), 200, np.uint8)
    image[80:160, 100:200] = 40
    _, layers = WatershedSegmenter(smoothing=1)._propose(image)
    numbers = [set(np.unique(layer)) - {0} for layer in layers]
    assert all(not first & second for k, first in enumerate(numbers) for second in numbers[k + 1 :])
    assert len(numbers[-1]) == 1 and len(numbers[0]) > 1
    square = np.zeros((64, 76), bool)
    square[20:40, 25:50] = True
    best = max(
        (region & square).sum() / (region | square).sum()
        for layer in layers
        for region in (layer == number for number in set(np.unique(layer)) - {0})
    )
    assert best > 0.8


@pytest.mark.parametrize(("params", "name"), [({"smoothing": 0}, "smoothing"), ({"rounds": 65}, "rounds")])
def test_a_wrong_parameter_is_named(params: dict[str, int], name: str):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer in 1..64"):
        WatershedSegmenter(**params).predict(np.zeros((8, 8), np.uint8))
