"""Masks that scorers stumble over, beside what MONAI and scikit-learn say of them.

`benchmarks/accuracy/record_peers.py` recorded ``tests/metrics_peers.json``; scikit-learn is asked again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from _adversarial import Pair, adversarial_pairs

from hybridseg.metrics import boundary, count_pixels, f1, iou, precision, recall

RECORDED = json.loads((Path(__file__).resolve().parents[1] / "metrics_peers.json").read_text("utf-8"))
RATIOS = {"iou": iou, "f1": f1, "precision": precision, "recall": recall}
SPACING_MM = (0.5, 0.25)
FLOAT32 = 1e-6


@pytest.fixture(params=sorted(adversarial_pairs()))
def pair(request: pytest.FixtureRequest) -> tuple[str, Pair]:
    return request.param, adversarial_pairs()[request.param]


def test_every_pair_was_recorded() -> None:
    assert set(RECORDED["pairs"]) == set(adversarial_pairs())


def test_ratios_are_scikit_learn_s(pair: tuple[str, Pair]) -> None:
    name, masks = pair
    counts = count_pixels(*masks)
    ours = {ratio: function(counts, empty=1.0) for ratio, function in RATIOS.items()}
    assert ours == pytest.approx(RECORDED["pairs"][name]["scikit-learn"], rel=1e-12)


def test_scikit_learn_still_says_so() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    for name, (true, pred) in adversarial_pairs().items():
        found = metrics.jaccard_score(true.ravel(), pred.ravel(), zero_division=1.0)
        assert found == pytest.approx(RECORDED["pairs"][name]["scikit-learn"]["iou"], rel=1e-12), name


def test_counts_are_those_of_a_loop(pair: tuple[str, Pair]) -> None:
    true, pred = pair[1]
    found = count_pixels(true, pred)
    pixels = list(zip(true.ravel().tolist(), pred.ravel().tolist(), strict=True))
    expected = [pixels.count(each) for each in ((True, True), (False, True), (True, False), (False, False))]
    assert [found.tp, found.fp, found.fn, found.tn] == expected
    swapped = count_pixels(np.asfortranarray(pred), np.repeat(true, 2, axis=1)[:, ::2])
    assert (swapped.tp, swapped.fp, swapped.fn) == (found.tp, found.fn, found.fp)


def test_distances_and_dice_are_monai_s(pair: tuple[str, Pair]) -> None:
    """Where MONAI has no answer, a mask is empty: then what we say is written in `boundary` and `f1`."""
    name, masks = pair
    said = RECORDED["pairs"][name]["monai"]
    in_pixels = boundary(*masks, tolerance=1.0)
    ours = {
        "dice": f1(count_pixels(*masks)), "iou": iou(count_pixels(*masks)),
        "hd95": in_pixels.hd95, "hd95_mm": boundary(*masks, tolerance=1.0, spacing_mm=SPACING_MM).hd95,
        "surface_dice_1": in_pixels.nsd, "surface_dice_2": boundary(*masks, tolerance=2.0).nsd,
    }  # fmt: skip
    known = {key: value for key, value in said.items() if value is not None}
    assert known or not (masks[0].any() and masks[1].any())
    assert {key: ours[key] for key in known} == pytest.approx(known, rel=FLOAT32)
