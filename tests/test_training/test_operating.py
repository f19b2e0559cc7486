"""How operating points are chosen."""

from __future__ import annotations

import numpy as np
import pytest
from _training import disc

from hybridseg.postprocess import apply_operating_point
from hybridseg.training.operating import choose_operating_point, f1_per_image


def test_f1_by_hand() -> None:
    truth = np.zeros((4, 4), bool)
    truth[0] = True
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    empty = np.zeros((4, 4), bool)
    # 4 and 4 pixels, 2 shared: 2*2/8; empty against empty is right; against a mask it is wrong.
    assert f1_per_image([truth, empty, empty], [mask, empty, mask]).tolist() == [0.5, 1.0, 0.0]


def test_operating_point_separates_lesion_free_images() -> None:
    truths = [disc()] * 6 + [np.zeros((64, 64), bool)] * 6
    sure = np.where(disc(), 0.95, 0.05).astype(np.float32)
    unsure = np.where(disc(radius=8), 0.65, 0.05).astype(np.float32)
    point = choose_operating_point(truths, [sure] * 6 + [unsure] * 6)
    assert 0.65 < point.presence_threshold <= 0.95
    assert apply_operating_point(sure, point).sum() == disc().sum()
    assert not apply_operating_point(unsure, point).any()


def test_operating_point_takes_a_low_threshold_where_probabilities_are_low() -> None:
    low = np.where(disc(), 0.32, 0.05).astype(np.float32)
    point = choose_operating_point([disc()] * 4, [low] * 4)
    assert point.threshold < 0.32
    assert point.presence_threshold == 0.0


def test_weights_let_a_few_cases_of_one_hospital_outweigh_many_of_another() -> None:
    low = np.where(disc(), 0.32, 0.05).astype(np.float32)
    halo = np.where(disc(), 0.9, np.where(disc(radius=24), 0.38, 0.05)).astype(np.float32)
    truths, maps = [disc()] * 12, [low] * 10 + [halo] * 2
    assert choose_operating_point(truths, maps).threshold < 0.32
    assert choose_operating_point(truths, maps, [0.01] * 10 + [1] * 2).threshold > 0.38


def test_all_regions_stay_unless_second_ones_are_wrong() -> None:
    second = disc(centre=(8, 8), radius=4)
    twice = np.where(disc() | second, 0.9, 0.0).astype(np.float32)
    assert choose_operating_point([disc()] * 4, [twice] * 4).largest_only
    assert not choose_operating_point([disc() | second] * 4, [twice] * 4).largest_only
    # Wrong in three cases and right in two is chance.
    assert not choose_operating_point([disc()] * 3 + [disc() | second] * 2, [twice] * 5).largest_only


def test_presence_decision_never_costs_more_lesions_than_allowed() -> None:
    faint = np.where(disc(), 0.65, 0.0).astype(np.float32)
    sure = np.where(disc(), 0.99, 0.0).astype(np.float32)
    # A tenth of the lesions look as faint as what is seen in every lesion-free image: too many to give up.
    truths = [disc()] * 20 + [np.zeros((64, 64), bool)] * 5
    point = choose_operating_point(truths, [faint] * 2 + [sure] * 18 + [faint] * 5)
    assert apply_operating_point(faint, point).any()
    # One in forty is not.
    truths = [disc()] * 40 + [np.zeros((64, 64), bool)] * 5
    point = choose_operating_point(truths, [faint] + [sure] * 39 + [faint] * 5)
    assert not apply_operating_point(faint, point).any()
    assert apply_operating_point(sure, point).any()


def test_a_lost_lesion_weighs_more_than_a_lesion_free_image_with_a_mask() -> None:
    truths = [disc()] * 40 + [np.zeros((64, 64), bool)] * 40
    spread = np.linspace(-1.5, 1.5, 40)
    lesions, free = 1 / (1 + np.exp(-(3 + spread))), 1 / (1 + np.exp(-(1.5 + spread)))  # they overlap around 2.25
    maps = [np.where(disc(), peak, 0.0).astype(np.float32) for peak in (*lesions, *free)]
    assert 0.6 < choose_operating_point(truths, maps).presence_threshold < 1 / (1 + np.exp(-2.25))


def test_equal_thresholds_apart_are_not_averaged() -> None:
    # Above 0.65 and above 0.90 the two errors weigh the same together; in between they weigh more.
    truths = [disc()] * 100 + [np.zeros((64, 64), bool)] * 100
    peaks = [0.7] + [0.99] * 99 + [0.65] + [0.9] * 3 + [0.0] * 96
    maps = [np.where(disc(), peak, 0.0).astype(np.float32) for peak in peaks]
    assert 0.65 < choose_operating_point(truths, maps).presence_threshold < 0.7


@pytest.mark.parametrize(("faint_free", "shown"), [(2, False), (1, True)])
def test_no_more_than_a_fifth_of_the_lesion_free_images_is_outlined_where_that_is_possible(
    faint_free: int, shown: bool
) -> None:
    # Nine or eight of forty, unless one faint lesion of forty is given up, which weighs more than two of them.
    truths = [disc()] * 40 + [np.zeros((64, 64), bool)] * 40
    peaks = [0.65] + [0.99] * 39 + [0.99] * 7 + [0.7] * faint_free + [0.0] * (33 - faint_free)
    maps = [np.where(disc(), peak, 0.0).astype(np.float32) for peak in peaks]
    assert apply_operating_point(maps[0], choose_operating_point(truths, maps)).any() == shown


def test_a_relative_threshold_comes_where_the_largest_probability_differs_and_presence_can_be_placed() -> None:
    def haloed(peak: float) -> np.ndarray:
        return (peak * np.where(disc(), 1.0, np.where(disc(radius=24), 0.4, 0.0))).astype(np.float32)

    lesions = [haloed(peak) for peak in (0.3, 0.45, 0.7, 0.99)]
    free = [haloed(0.1)] * 2
    truths = [disc()] * 4 + [np.zeros((64, 64), bool)] * 2
    point = choose_operating_point(truths, lesions + free)
    assert point.relative
    assert [apply_operating_point(p, point).sum() for p in lesions] == [disc().sum()] * 4
    assert not apply_operating_point(free[0], point).any()
    # Without lesion-free images something would be outlined in every image.
    assert not choose_operating_point(truths[:4], lesions).relative


def test_a_wrong_outline_may_be_hidden_at_no_cost() -> None:
    truths = [disc()] * 4 + [np.zeros((64, 64), bool)] * 4
    right = np.where(disc(), 0.9, 0.0).astype(np.float32)
    wrong = np.where(disc(centre=(8, 8), radius=6), 0.7, 0.0).astype(np.float32)
    point = choose_operating_point(truths, [right] * 3 + [wrong] + [wrong] * 4)
    assert not apply_operating_point(wrong, point).any()
    assert apply_operating_point(right, point).any()
