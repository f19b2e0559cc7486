"""The training loss: what each kind of picture teaches."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from hybridseg.training.loss import cross_entropy, dice_loss, loss


def test_dice_loss_counts_where_it_is_asked_for() -> None:
    truth = np.zeros((2, 32, 32, 2), np.float32)
    truth[0, 8:16, 8:16, 0] = 1
    truth[0, ..., 1] = 1
    probability = np.full((2, 32, 32, 1), 0.4, np.float32)
    probability[0, 8:20, 8:16] = 0.9
    entropy, overlap = (np.asarray(part(truth[..., :1], probability)) for part in (cross_entropy, dice_loss))
    assert overlap[1] > 0.9
    assert float(loss(truth, probability)) == pytest.approx((entropy.sum() + overlap[0]) / 2, abs=1e-6)
    truth[1, ..., 1] = 1
    assert float(loss(truth, probability)) == pytest.approx((entropy.sum() + overlap.sum()) / 2, abs=1e-6)


def test_cross_entropy_and_dice_loss_are_what_their_formulas_say() -> None:
    truth = np.zeros((1, 10, 10, 1), np.float32)
    truth[0, :5] = 1
    probability = np.full((1, 10, 10, 1), 0.8, np.float32)
    assert np.asarray(cross_entropy(truth, probability)) == pytest.approx([-(np.log(0.8) + np.log(0.2)) / 2], abs=1e-5)
    # Twice 50 x 0.8, over 50 + 100 x 0.8, each with 20 pixels more.
    assert np.asarray(dice_loss(truth, probability)) == pytest.approx([1 - 100 / 150], abs=1e-5)
