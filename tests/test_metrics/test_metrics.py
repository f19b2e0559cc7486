"""Metrics on grids typed by hand, and what must hold for any masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybridseg.metrics import (
    Counts,
    bootstrap_ratio,
    boundary,
    boundary_pixels,
    count_pixels,
    f1,
    group_means,
    hd95,
    holm,
    image_mean,
    iou,
    mean_iou_two_class,
    nsd,
    paired_difference,
    pooled_f1,
    pooled_iou,
    precision,
    rank_stability,
    recall,
    scene_mean,
    wilcoxon,
    wilson_interval,
)
from hybridseg.metrics.measure import measure_lesions


def grid(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in line] for line in text.split()])


PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine fails no test: time is asserted nowhere."""
TRUE = grid("....  .##.  .##.  .#..")
PRED = grid("....  ..#.  .##.  ..#.")
MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
PAIRS = hnp.array_shapes(min_dims=2, max_dims=2, max_side=8).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def test_counts_and_ratios_by_hand() -> None:
    counts = count_pixels(TRUE, PRED)
    assert counts == Counts(tp=3, fp=1, fn=2, tn=10)
    assert iou(counts) == 3 / 6
    assert f1(counts) == 6 / 9
    assert precision(counts) == 3 / 4
    assert recall(counts) == 3 / 5
    assert mean_iou_two_class(counts) == pytest.approx((3 / 6 + 10 / 13) / 2)


def test_truth_and_prediction_are_not_interchangeable() -> None:
    swapped = count_pixels(PRED, TRUE)
    assert (swapped.fp, swapped.fn) == (2, 1)
    assert precision(swapped) == 3 / 5


@pytest.mark.parametrize(
    ("counts", "expected"),
    [  # iou, f1, precision, recall with empty=0.25
        (Counts(0, 0, 0, 9), (0.25, 0.25, 0.25, 0.25)),
        (Counts(0, 4, 0, 5), (0.0, 0.0, 0.0, 0.25)),
        (Counts(0, 0, 4, 5), (0.0, 0.0, 0.25, 0.0)),
    ],
)
def test_empty_cases_are_the_argument(counts: Counts, expected: tuple[float, ...]) -> None:
    assert tuple(ratio(counts, empty=0.25) for ratio in (iou, f1, precision, recall)) == expected


def test_two_class_mean_leaves_out_an_absent_class_if_asked() -> None:
    assert mean_iou_two_class(Counts(0, 0, 0, 9), empty=float("nan")) == 1.0
    assert mean_iou_two_class(Counts(0, 0, 5, 95)) == pytest.approx(0.475)  # nothing found, and nearly a half


@PATIENT
@given(PAIRS)
def test_counts_hold_for_any_masks(pair) -> None:
    mask_true, mask_pred = pair
    counts = count_pixels(mask_true, mask_pred)
    assert counts.tp + counts.fp + counts.fn + counts.tn == mask_true.size
    assert counts.tp + counts.fn == mask_true.sum()
    overlap = iou(counts)
    assert 0 <= overlap <= f1(counts) <= 1
    assert f1(counts) == pytest.approx(2 * overlap / (1 + overlap))
    mirrored = count_pixels(mask_pred, mask_true)
    assert (mirrored.tp, mirrored.fp, mirrored.fn) == (counts.tp, counts.fn, counts.fp)


@pytest.mark.parametrize(
    "broken",
    [
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 1), bool),
        np.zeros((2, 3), bool),
        [[True]],
    ],
)
def test_other_arrays_are_refused(broken) -> None:
    with pytest.raises(ValueError, match="`mask_pred` must"):
        count_pixels(np.zeros((2, 2), bool), broken)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="`fn` must be at least 0, got -1"):
        Counts(0, 0, -1, 0)


def test_boundary_pixels_by_hand() -> None:
    solid = np.zeros((5, 6), bool)
    solid[1:4, 1:5] = True
    expected = solid.copy()
    expected[2, 2:4] = False  # only these have all four neighbours inside
    np.testing.assert_array_equal(boundary_pixels(solid), np.argwhere(expected))
    holed = grid("#####  #####  ##.##  #####  #####")
    expected = grid("#####  #.#.#  ##.##  #.#.#  #####")
    np.testing.assert_array_equal(boundary_pixels(holed), np.argwhere(expected))
    full = np.ones((3, 3), bool)
    assert len(boundary_pixels(full)) == 8  # beyond the image is outside
    assert boundary_pixels(np.zeros((3, 3), bool)).shape == (0, 2)


def test_hd95_and_nsd_by_hand() -> None:
    left, right = np.zeros((1, 20), bool), np.zeros((1, 20), bool)
    left[0, 0], right[0, [0, 3]] = True, True
    # left -> right: 0; right -> left: 0 and 3.
    assert hd95(left, right) == pytest.approx(np.percentile([0, 3], 95)) == pytest.approx(2.85)
    assert hd95(left, right, joined=True) == pytest.approx(np.percentile([0, 0, 3], 95)) == pytest.approx(2.7)
    assert nsd(left, right, tolerance=2) == pytest.approx(2 / 3)
    assert nsd(left, right, tolerance=3) == 1.0


def test_spacing_is_row_then_column() -> None:
    a, b = np.zeros((6, 6), bool), np.zeros((6, 6), bool)
    a[0, 0], b[0, 4] = True, True
    assert hd95(a, b, spacing_mm=(10.0, 0.5)) == pytest.approx(2.0)
    assert hd95(a.T.copy(), b.T.copy(), spacing_mm=(10.0, 0.5)) == pytest.approx(40.0)
    assert nsd(a, b, 1.9, spacing_mm=(10.0, 0.5)) == 0.0
    assert nsd(a, b, 2.0, spacing_mm=(10.0, 0.5)) == 1.0


def test_nsd_in_mm_does_not_depend_on_the_place_in_the_picture() -> None:
    found = set()
    for row in range(30):
        first, second = np.zeros((2, 60, 40), bool)
        first[row : row + 9, 5:20] = second[row + 3 : row + 12, 5:20] = True
        found.add(nsd(first, second, 0.3, (0.1, 0.1)))
    assert len(found) == 1 and found == {nsd(first, second, 3.0)}


@pytest.mark.parametrize("spacing", [(1, float("nan")), (float("inf"), 1), (0, 1), (1,)])
def test_spacings_that_are_none_are_refused(spacing) -> None:
    mask = np.ones((4, 4), bool)
    for call in (lambda: nsd(mask, mask, 1.0, spacing), lambda: measure_lesions(mask, spacing)):
        with pytest.raises(ValueError, match="`spacing_mm` must be two positive numbers"):
            call()


def test_arguments_that_statistics_cannot_use_are_refused() -> None:
    for call, message in (
        (lambda: paired_difference([0.1, 0.2], [0.1], ["a", "b"]), "must be of one shape"),
        (lambda: paired_difference([0.1], [0.1], ["a"], flips=0), "`flips` must be at least 1"),
        (lambda: image_mean([0.1], ["a"], draws=0), "`draws` must be at least 1"),
        (lambda: wilcoxon([float("nan"), 1], [0, 0], ["a", "b"]), "must be finite"),
        (lambda: wilcoxon([], [], []), "at least one case"),
        (lambda: rank_stability([[0.1, float("nan")]], ["a", "b"]), "be finite"),
        (lambda: rank_stability(np.zeros((2, 0)), []), "at least one method and case"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_empty_outlines_are_decided() -> None:
    empty, dot = np.zeros((4, 4), bool), np.eye(4, dtype=bool)
    assert boundary(empty, empty, tolerance=1) == boundary(dot, dot, tolerance=0)
    assert boundary(dot, empty, tolerance=1).nsd == 0.0
    assert boundary(dot, empty, tolerance=1).hd95 == float("inf")
    assert hd95(empty, dot, missing=99.0) == 99.0


@pytest.mark.parametrize(
    "arguments", [{"tolerance": -1}, {"tolerance": float("nan")}, {"tolerance": 1, "spacing_mm": (1.0, 0.0)}]
)
def test_wrong_distances_are_refused(arguments) -> None:
    with pytest.raises(ValueError, match="must be"):
        boundary(TRUE, PRED, **arguments)


@settings(PATIENT, max_examples=200)
@given(PAIRS, st.sampled_from([0.0, 1.0, 1.5, 3.0]))
def test_boundary_equals_brute_force(pair, tolerance) -> None:
    mask_true, mask_pred = pair

    def outline(mask):
        padded = np.pad(mask, 1)
        return [
            (r, c)
            for r, c in np.argwhere(mask)
            if not (padded[r, c + 1] and padded[r + 2, c + 1] and padded[r + 1, c] and padded[r + 1, c + 2])
        ]

    true, pred = outline(mask_true), outline(mask_pred)
    if not true or not pred:
        return
    there = [min(np.hypot(r - y, c - x) for y, x in pred) for r, c in true]
    back = [min(np.hypot(r - y, c - x) for y, x in true) for r, c in pred]
    scores = boundary(mask_true, mask_pred, tolerance=tolerance)
    assert scores.hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert scores.nsd == pytest.approx(np.mean(np.array(there + back) <= tolerance))
    moved = boundary(np.pad(mask_true, ((3, 1), (2, 4))), np.pad(mask_pred, ((3, 1), (2, 4))), tolerance=tolerance)
    assert moved.hd95 == pytest.approx(scores.hd95)


def test_reductions_by_hand() -> None:
    values, groups = [1.0, 0.0, 0.0, 0.5], ["a", "b", "b", "c"]
    assert image_mean(values, groups).value == pytest.approx(1.5 / 4)
    assert scene_mean(values, groups).value == pytest.approx((1 + 0 + 0.5) / 3)
    assert group_means(values, groups).tolist() == [1.0, 0.0, 0.5]
    counts = [Counts(10, 0, 0, 0), Counts(0, 5, 25, 0)]
    assert pooled_iou(counts, [0, 1]).value == pytest.approx(10 / 40)
    assert pooled_f1(counts, [0, 1]).value == pytest.approx(20 / 50)


def test_interval_covers_and_widens_with_copies() -> None:
    rng = np.random.default_rng(0)
    scenes = rng.normal(0.7, 0.2, 60)
    alone = image_mean(scenes, range(60))
    assert alone.low < alone.value < alone.high
    # Standard error 0.2 / sqrt(60) = 0.026; copying every scene ten times adds no information.
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * scenes.std() / np.sqrt(60), rel=0.1)
    copied = image_mean(np.repeat(scenes, 10), np.repeat(np.arange(60), 10).tolist())
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=1e-6)


def test_interval_has_its_coverage() -> None:
    hits = 0
    for seed in range(200):
        sample = np.random.default_rng(seed).uniform(size=50)
        estimate = image_mean(sample, range(50), draws=400)
        hits += estimate.low <= 0.5 <= estimate.high
    assert 0.89 <= hits / 200 <= 0.99


def test_missing_values_are_refused_not_dropped() -> None:
    with pytest.raises(ValueError, match="score a missing result as a miss"):
        image_mean([0.5, float("nan")], [0, 1])
    with pytest.raises(ValueError, match="at least one case"):
        image_mean([], [])
    with pytest.raises(ValueError, match="one length"):
        bootstrap_ratio([1.0], [1.0, 1.0], [0])
    with pytest.raises(ValueError, match=r"`level` must lie between 0 and 1, got 95"):
        bootstrap_ratio([1.0], [1.0], [0], level=95)
    with pytest.raises(ValueError, match="denominators must add up to more than 0"):
        bootstrap_ratio([0.0], [0.0], [0])
    with pytest.raises(ValueError, match=r"`successes` must lie in 0..n with n at least 1, got 3 of 2"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match=r"got 0 of 0"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match=r"`values` must be of shape \(methods, 2\), got \(1, 3\)"):
        rank_stability([[1.0, 2.0, 3.0]], [0, 1])


def test_wilson_interval_known_values() -> None:
    none = wilson_interval(0, 10)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.2775, abs=1e-4)
    half = wilson_interval(5, 10)
    assert (half.low, half.high) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))


def test_paired_difference_finds_and_does_not_find() -> None:
    rng = np.random.default_rng(1)
    b = rng.uniform(0.3, 0.8, 80)
    better = paired_difference(b + 0.05 + rng.normal(0, 0.02, 80), b, range(80))
    assert better.p_value < 0.001
    assert better.difference.low > 0.03
    same = paired_difference(b + rng.normal(0, 0.02, 80), b, range(80))
    assert same.p_value > 0.05
    assert same.difference.low < 0 < same.difference.high


def test_copies_do_not_make_a_difference_significant() -> None:
    a, b = np.array([0.6, 0.5, 0.7]), np.array([0.5, 0.45, 0.6])
    copies = np.repeat(np.arange(3), 40).tolist()
    # Three scenes: of 8 sign patterns 2 are as extreme, so p is about a quarter however many copies there are.
    result = paired_difference(np.repeat(a, 40), np.repeat(b, 40), copies)
    assert result.p_value == pytest.approx(0.25, abs=0.02)


def test_equal_methods_have_p_one() -> None:
    result = paired_difference([0.5, 0.5], [0.5, 0.5], [0, 1])
    assert result.p_value == 1.0
    assert wilcoxon([0.5, 0.5], [0.5, 0.5], [0, 1]) == 1.0


def test_wilcoxon_uses_groups() -> None:
    a, b = [0.9, 0.9, 0.8, 0.7, 0.6, 0.9], [0.5, 0.5, 0.7, 0.65, 0.4, 0.6]
    # Five groups, all in favour: the exact two-sided p-value is 2 / 2**5.
    assert wilcoxon(a, b, [0, 0, 1, 2, 3, 4]) == pytest.approx(2 / 32)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04 times 3, 2, 1 -> 0.03, 0.04, 0.04.
    assert holm([0.02, 0.01, 0.04]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_rank_stability() -> None:
    values = np.array([[0.2, 0.3, 0.1, 0.2], [0.8, 0.9, 0.7, 0.9], [0.5, 0.4, 0.6, 0.5]])
    np.testing.assert_array_equal(rank_stability(values, range(4)), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    close = rank_stability([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]], range(4))
    np.testing.assert_allclose(close.sum(axis=0), 1)
    assert 0.2 < close[0, 0] < 0.9
