"""Lines fitted to outcomes, reliability, and what refusing the doubtful brings."""

from __future__ import annotations

import numpy as np
import pytest

from hybridseg.confidence import apply_line
from hybridseg.metrics.calibration import calibration_error, fit_line, mean_at_coverage, reliability, surest


def test_a_line_equals_that_of_a_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    raw = rng.uniform(0.02, 0.98, 4000)
    right = rng.random(4000) < 1 / (1 + np.exp(-(0.7 + 1.5 * np.log(raw / (1 - raw)))))
    known = linear_model.LogisticRegression(C=np.inf).fit(np.log(raw / (1 - raw))[:, None], right)
    assert fit_line(raw, right) == pytest.approx((known.intercept_[0], known.coef_[0, 0]), abs=0.01)
    assert fit_line(raw, right) == pytest.approx((0.7, 1.5), abs=0.15)


def test_a_line_falls_nowhere_and_ends_nowhere() -> None:
    assert fit_line([0.2, 0.8] * 20, [True, False] * 20) == pytest.approx((0.0, 0.0))
    parted = fit_line([0.2] * 20 + [0.8] * 20, [False] * 20 + [True] * 20)
    assert 0.9 < apply_line(parted, 0.8) < 1
    always = fit_line([0.0, 1.0, 0.5], [True] * 3)
    assert apply_line(always, 0.5) == pytest.approx(0.8, abs=0.05)  # (3 + 1) / (3 + 2)


@pytest.mark.parametrize("arguments", [([], []), ([0.5], [True, False]), ([0.5], [True], [1.0, 1.0])])
def test_a_line_needs_answers_and_outcomes(arguments) -> None:
    with pytest.raises(ValueError, match="expected as many"):
        fit_line(*arguments)


def test_reliability_counts_bin_by_bin() -> None:
    low, high = reliability([0.12, 0.18, 0.95, 1.0], [False, True, True, True])
    assert (low.low, low.high, low.answers, low.confidence) == (0.1, 0.2, 2, pytest.approx(0.15))
    assert low.right.value == 0.5
    assert (high.answers, high.right.value) == (2, 1.0)


def test_calibration_error_by_hand() -> None:
    # Bins 0.1 to 0.2: mean 0.15 against 0.5. From 0.9: mean 0.975 against 1. (2 * 0.35 + 2 * 0.025) / 4
    found = calibration_error([0.12, 0.18, 0.95, 1.0], [False, True, True, True], ["a", "a", "b", "c"])
    assert found.value == pytest.approx(0.1875)
    assert 0 <= found.low <= found.value <= found.high
    with pytest.raises(ValueError, match="at least one answer"):
        calibration_error([], [], [])


def test_the_surest_stay() -> None:
    assert surest([0.1, 0.9, 0.5, 0.9], 0.5).tolist() == [False, True, False, True]
    assert surest([0.1, 0.9], 0.01).tolist() == [False, True]
    found = mean_at_coverage([0.1, 0.9, 0.5, 0.8], [0.0, 1.0, 0.0, 0.5], list("abcd"), 0.5)
    assert found.value == 0.75
    assert (found.low, found.high) == (0.5, 1.0)
    lesion_free = mean_at_coverage([0.1, 0.9, 0.5, 0.8], [0.0, 1.0, 0.0, np.nan], list("abcd"), 0.5)
    assert lesion_free.value == 1.0
