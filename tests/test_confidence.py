"""How sure a method is: raw, calibrated, and carried by its files."""

from __future__ import annotations

import numpy as np
import pytest

import hybridseg
from hybridseg.confidence import Calibration, apply_line, raw_confidence
from hybridseg.metrics import count_pixels
from hybridseg.metrics.calibration import is_right
from hybridseg.training.calibration import MIN_IMAGES, fit_calibration, regions_of

KNOWN = Calibration(lesion=(0.0, 1.0), mask=(-1.0, 2.0), empty=(0.5, 0.0), images=80)


def mask(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_raw_confidence_is_the_mean_inside_or_the_distance_of_the_largest_from_one() -> None:
    probability = np.array([[0.9, 0.7, 0.2]], np.float32)
    assert raw_confidence(mask("##."), probability) == pytest.approx(0.8)
    assert raw_confidence(mask("..."), probability) == pytest.approx(0.1)


def test_a_line_leads_from_log_odds_to_log_odds() -> None:
    assert apply_line((0.0, 1.0), 0.8) == pytest.approx(0.8)
    assert apply_line((-1.0, 2.0), 0.5) == pytest.approx(1 / (1 + np.e))
    assert 0 < apply_line((0.0, 50.0), 0.0) < apply_line((0.0, 50.0), 1.0) <= 1
    probability = np.array([[0.5, 0.2]], np.float32)
    assert KNOWN.of_image(mask("#."), probability) == pytest.approx(1 / (1 + np.e))
    assert KNOWN.of_image(mask(".."), probability) == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert KNOWN.of_lesion(0.3) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected lesion, mask, empty, images"),
        ('{"lesion": [0, 1], "mask": [0, 1], "empty": [0, 1]}', "expected lesion"),
        ('{"lesion": [0, 1], "mask": [0, 1], "empty": [0, -1], "images": 9}', "`empty` must be intercept and slope"),
        ('{"lesion": [0], "mask": [0, 1], "empty": [0, 1], "images": 9}', "`lesion` must be intercept and slope"),
        ('{"lesion": [0, NaN], "mask": [0, 1], "empty": [0, 1], "images": 9}', "`lesion` must be intercept and slope"),
        ('{"lesion": [0, 1], "mask": [0, 1], "empty": [0, 1], "images": 0}', "`images` must be an integer"),
    ],
)
def test_other_json_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Calibration.from_json(text)


def test_json_is_read_as_it_was_written() -> None:
    assert Calibration.from_json(KNOWN.to_json()) == KNOWN


def test_right_is_an_overlap_above_a_half_or_two_empty_masks() -> None:
    truth = mask("##..")
    assert is_right(count_pixels(truth, mask("##..")))
    assert not is_right(count_pixels(truth, mask("#...")))  # just a half
    assert not is_right(count_pixels(truth, mask("....")))
    assert is_right(count_pixels(mask("...."), mask("....")))
    assert not is_right(count_pixels(mask("...."), truth))


def test_each_region_is_told_apart() -> None:
    probability = np.array([[0.9, 0.8, 0.1, 0.6]], np.float32)
    found = regions_of(mask("##.."), mask("##.#"), probability)
    assert [(round(mean, 3), hit) for mean, hit in found] == [(0.85, True), (0.6, False)]


def held_out(count: int, rng: np.random.Generator) -> tuple[list, list, list]:
    """Masks of one region of two rows; the surer they are, the likelier is a lesion below them."""
    truths, masks, maps = [], [], []
    for _ in range(count):
        mean = rng.uniform(0.5, 0.95)
        shown = np.zeros((4, 4), bool)
        shown[:2] = rng.random() < 0.8
        maps.append(np.where(shown, mean, 0.1).astype(np.float32))
        masks.append(shown)
        truths.append(shown.copy() if rng.random() < mean else np.zeros((4, 4), bool))
    return truths, masks, maps


def test_a_calibration_says_how_often_answers_were_right() -> None:
    truths, masks, maps = held_out(600, np.random.default_rng(0))
    found = fit_calibration(truths, masks, maps)
    assert found is not None
    assert found.images == 600
    for mean in (0.55, 0.7, 0.9):
        assert found.of_lesion(mean) == pytest.approx(mean, abs=0.06)
        assert found.of_image(masks[0] | True, np.full((4, 4), mean, np.float32)) == pytest.approx(mean, abs=0.06)
    assert found.of_image(np.zeros((4, 4), bool), np.full((4, 4), 0.1, np.float32)) > 0.95


def test_a_few_images_calibrate_nothing() -> None:
    assert fit_calibration(*held_out(MIN_IMAGES - 1, np.random.default_rng(0))) is None
    nothing = [np.zeros((2, 2), bool)] * MIN_IMAGES
    only_empty = fit_calibration(nothing, nothing, [np.zeros((2, 2), np.float32)] * MIN_IMAGES)
    assert only_empty is not None
    assert only_empty.lesion == only_empty.mask == (0.0, 0.0)


def test_heavier_cases_count_more() -> None:
    truths, masks, maps = [], [], []
    for right in (True, False) * 40:
        truths.append(np.full((2, 2), right))
        masks.append(np.full((2, 2), True))
        maps.append(np.full((2, 2), 0.7, np.float32))
    even = fit_calibration(truths, masks, maps)
    skewed = fit_calibration(truths, masks, maps, [3.0, 1.0] * 40)
    assert even is not None
    assert skewed is not None
    assert even.of_lesion(0.7) == pytest.approx(0.5, abs=0.01)
    assert skewed.of_lesion(0.7) == pytest.approx(0.75, abs=0.01)


def test_files_carry_it(tmp_path) -> None:
    model = hybridseg.create("otsu")
    assert model.calibration is None
    model.calibration_ = KNOWN
    model.save(tmp_path / "otsu.hybridseg")
    assert hybridseg.load(tmp_path / "otsu.hybridseg").calibration == KNOWN
    model.calibration_ = "sure"
    model.save(tmp_path / "wrong.hybridseg")
    with pytest.raises(hybridseg.ModelFormatError, match="`calibration_` is of type str"):
        hybridseg.load(tmp_path / "wrong.hybridseg")


def test_exported_files_carry_it(tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("spox")
    model = hybridseg.create("otsu-textbook")
    model.calibration_ = KNOWN
    model.to_onnx(tmp_path / "otsu.onnx")
    assert hybridseg.load(tmp_path / "otsu.onnx").calibration == KNOWN
    graph = onnx.load(tmp_path / "otsu.onnx")
    next(entry for entry in graph.metadata_props if entry.key == "hybridseg.calibration").value = "{}"
    onnx.save(graph, tmp_path / "wrong.onnx")
    with pytest.raises(hybridseg.ModelFormatError, match=r"its hybridseg\.calibration can't be read"):
        _ = hybridseg.load(tmp_path / "wrong.onnx").calibration
