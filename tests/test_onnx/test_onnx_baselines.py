"""The classical methods as files: bit for bit, fitted or not, whatever the parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spox")

import spox
from hybridseg_baselines.features import COUNT, features
from hybridseg_baselines.forest import RandomForestSegmenter
from hybridseg_baselines.onnx.features import features as features_in_graph
from hybridseg_baselines.otsu import OtsuSegmenter
from hybridseg_baselines.pixels import PixelForestSegmenter
from hybridseg_baselines.textbook import TextbookOtsuSegmenter, TextbookWatershedSegmenter
from hybridseg_baselines.watershed import WatershedSegmenter

from hybridseg import Segmenter, clone
from hybridseg.data.phantoms import phantom
from hybridseg.onnx import OnnxSegmenter
from hybridseg.onnx.runtime import open_session

FRAME = ((30, 5), (11, 70))
METHODS = pytest.mark.parametrize(
    "segmenter",
    [
        OtsuSegmenter(),
        WatershedSegmenter(),
        RandomForestSegmenter(n_trees=5, max_depth=6, samples_per_image=60),
    ],
    ids=repr,
)


def train(segmenter: Segmenter, frame: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))) -> Segmenter:
    images, masks, _ = zip(*(phantom(seed, shape=(120, 140)) for seed in range(6)), strict=True)
    return segmenter.fit([np.pad(image, frame) for image in images], [np.pad(mask, frame) for mask in masks])


@pytest.mark.parametrize(
    "segmenter",
    [
        OtsuSegmenter(depth=1, surroundings=1, bowl=0.0),
        OtsuSegmenter(depth=5, surroundings=30, bowl=255),
        WatershedSegmenter(smoothing=1, rounds=2),
        WatershedSegmenter(rounds=64),
        TextbookOtsuSegmenter(smoothing=1, opening=1),
        TextbookWatershedSegmenter(smoothing=3, opening=3, margin=1),
        TextbookWatershedSegmenter(opening=1, margin=16),
    ],
    ids=repr,
)
def test_parameters_reach_the_file(segmenter: Segmenter) -> None:
    run = open_session(segmenter._to_onnx().SerializeToString())
    for seed, shape in enumerate([(150, 170), (33, 200), (1, 5)]):
        image = np.ascontiguousarray(phantom(seed, shape=(150, 200))[0][: shape[0], : shape[1]])
        batch = image[np.newaxis, :, :, np.newaxis]
        mask, probability = run.run(["mask", "probability"], {"image": batch})
        np.testing.assert_array_equal(probability[0, :, :, 0], segmenter.predict_proba(image))
        np.testing.assert_array_equal(mask[0, :, :, 0], segmenter.predict(image))


@METHODS
def test_a_fitted_method_and_its_file_agree_bit_for_bit(segmenter: Segmenter, tmp_path: Path) -> None:
    train(segmenter)
    report = segmenter.to_onnx(tmp_path / "x.onnx")
    assert report.differing_pixels == 0
    assert report.max_probability_difference == 0.0
    exported = OnnxSegmenter.load(tmp_path / "x.onnx")
    assert exported.current_operating_point == segmenter.current_operating_point
    image, _, _ = phantom(20, shape=(201, 233))
    np.testing.assert_array_equal(exported.predict(image), segmenter.predict(image))


@METHODS
def test_what_is_around_the_scan_changes_nothing(segmenter: Segmenter, tmp_path: Path) -> None:
    image, _, _ = phantom(20, shape=(201, 233))
    expected = np.pad(train(segmenter).predict_proba(image), FRAME)
    framed = np.pad(image, FRAME)
    framed[:20, 30:90] = framed[40:80, -25:] = 200  # captions
    framed_ones = train(clone(segmenter), FRAME)
    framed_ones.to_onnx(tmp_path / "x.onnx")
    for each in (segmenter, framed_ones, OnnxSegmenter.load(tmp_path / "x.onnx")):
        np.testing.assert_array_equal(each.predict_proba(framed), expected)
    assert expected.any()


def test_a_pixel_forest_and_its_file_agree_within_its_tags(tmp_path: Path) -> None:
    forest = train(PixelForestSegmenter(n_trees=4, max_depth=6, samples_per_image=60))
    report = forest.to_onnx(tmp_path / "x.onnx")
    assert report.differing_pixels <= forest.tags.max_differing_pixels * report.pixels
    assert OnnxSegmenter.load(tmp_path / "x.onnx").current_operating_point == forest.operating_point_


def test_the_forests_features_are_the_same_integers() -> None:
    argument = spox.argument(spox.Tensor(np.uint8, ("H", "W")))
    model = spox.build({"image": argument}, {"features": features_in_graph(argument, (64, 76))})
    session = open_session(model.SerializeToString())
    for shape in [(1, 1), (3, 200), (120, 97)]:
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        found = session.run(None, {"image": image})[0]
        assert found.shape == (64 * 76, COUNT)
        np.testing.assert_array_equal(found.T, features(image, (64, 76)))
