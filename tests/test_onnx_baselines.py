"""The classical methods as files: Otsu and watershed bit for bit, fitted or not, whatever the parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spox")

from hybridseg_baselines.otsu import OtsuSegmenter
from hybridseg_baselines.watershed import WatershedSegmenter

from hybridseg.data.phantoms import phantom
from hybridseg.onnx import OnnxSegmenter


@pytest.mark.parametrize(
    "segmenter",
    [
        OtsuSegmenter(),
        OtsuSegmenter(depth=1, surroundings=1, bowl=0.0),
        OtsuSegmenter(depth=5, surroundings=30, bowl=255),
        WatershedSegmenter(),
        WatershedSegmenter(smoothing=1, rounds=2),
    ],
    ids=repr,
)
def test_an_unfitted_method_and_its_file_agree_bit_for_bit(
    segmenter: OtsuSegmenter | WatershedSegmenter, tmp_path: Path
) -> None:
    report = segmenter.to_onnx(tmp_path / "x.onnx")
    assert report.differing_pixels == 0
    assert report.max_probability_difference == 0.0


@pytest.mark.parametrize("segmenter", [OtsuSegmenter(), WatershedSegmenter()], ids=repr)
def test_a_fitted_method_and_its_file_agree_bit_for_bit(
    segmenter: OtsuSegmenter | WatershedSegmenter, tmp_path: Path
) -> None:
    images, masks, _ = zip(*(phantom(seed, shape=(180, 220)) for seed in range(8)), strict=True)
    segmenter.fit(images, masks)
    segmenter.to_onnx(tmp_path / "x.onnx")
    exported = OnnxSegmenter.load(tmp_path / "x.onnx")
    assert exported.current_operating_point == segmenter.current_operating_point
    for seed in range(8, 12):
        image, _, _ = phantom(seed, shape=(201, 233))
        np.testing.assert_array_equal(exported.predict_proba(image), segmenter.predict_proba(image))
        np.testing.assert_array_equal(exported.predict(image), segmenter.predict(image))
