"""An exported file tells its confidence itself, as Python computes it from mask and probability."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spox")

import onnx

import hybridseg
from hybridseg.confidence import Calibration
from hybridseg.data.phantoms import phantom
from hybridseg.onnx import OnnxSegmenter, ParityError, describe, exporting
from hybridseg.onnx.pieces import add_confidence
from hybridseg.onnx.runtime import open_session

KNOWN = Calibration(lesion=(0.0, 1.0), mask=(-1.0, 2.0), empty=(0.5, 0.3), images=80)
CERTAIN = Calibration(lesion=(0.0, 1.0), mask=(0.0, 400.0), empty=(-900.0, 0.0), images=80)
BATCH = np.stack([*(phantom(seed, shape=(90, 110)).image for seed in range(4)), np.zeros((90, 110), np.uint8)])


def calibrated(calibration: Calibration | None = KNOWN) -> Any:
    model = hybridseg.create("otsu-textbook")
    model.calibration_ = calibration
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sure") / "otsu.onnx"
    calibrated().to_onnx(path)
    return path


def expected(calibration: Calibration, model: OnnxSegmenter) -> list[float]:
    return [calibration.of_image(*model.predict_both(image)) for image in BATCH]


def test_a_batch_has_pythons_confidence_for_each_image(exported: Path) -> None:
    model = OnnxSegmenter.load(exported)
    confidence = model.run_confidence(BATCH[..., np.newaxis])
    assert confidence is not None
    assert confidence.dtype == np.float32
    np.testing.assert_allclose(confidence, expected(KNOWN, model), atol=1e-4)
    assert len(set(confidence.round(3))) > 2
    alone = [model.run_confidence(image[np.newaxis, :, :, np.newaxis]) for image in BATCH]
    np.testing.assert_array_equal(np.concatenate(alone), confidence)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("calibration", [KNOWN, CERTAIN])
@pytest.mark.parametrize("found", [True, False])
def test_empty_masks_and_certain_ones_have_pythons_confidence(
    exported: Path, level: float, calibration: Calibration, found: bool
) -> None:
    from onnx import TensorProto, helper

    ends = {name: helper.make_tensor_value_info(name, kind, ["N", "H", "W", 1]) for name, kind in {
        "image": TensorProto.UINT8, "mask": TensorProto.UINT8, "probability": TensorProto.FLOAT,
    }.items()}  # fmt: skip
    values = {"level": np.float32(level), "zero": np.float32(0), "found": np.uint8(found), "none": np.uint8(0)}
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["grey", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "level"], ["probability"]),
        helper.make_node("Mul", ["image", "none"], ["empty"]),
        helper.make_node("Add", ["empty", "found"], ["mask"]),
    ]
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "constant", [ends["image"]], [ends["mask"], ends["probability"]], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = open_session(add_confidence(model, calibration).SerializeToString())
    mask, probability, confidence = session.run(
        ["mask", "probability", "confidence"], {"image": BATCH[:1, ..., np.newaxis]}
    )
    expected = calibration.of_image(mask[0].astype(bool), probability[0])
    assert confidence == pytest.approx(expected, abs=1e-4)


def test_the_two_older_outputs_stay_as_they_were(exported: Path, tmp_path: Path) -> None:
    calibrated(None).to_onnx(tmp_path / "older.onnx")
    files = tmp_path / "older.onnx", exported
    before, after = (describe(path).outputs for path in files)
    assert before == {"mask": "uint8 [N, H, W, 1]", "probability": "float32 [N, H, W, 1]"}
    assert after == {**before, "confidence": "float32 [N]"}
    one, other = (OnnxSegmenter.load(path).run_batch(BATCH[..., np.newaxis]) for path in files)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_a_file_without_it_runs_and_has_it_once_exported_again(exported: Path, tmp_path: Path) -> None:
    older = onnx.load(exported)
    older.graph.output.pop()
    onnx.save(older, tmp_path / "older.onnx")
    model = OnnxSegmenter.load(tmp_path / "older.onnx")
    assert model.run_confidence(BATCH[..., np.newaxis]) is None
    assert model.calibration == KNOWN
    model.to_onnx(tmp_path / "again.onnx")
    again = OnnxSegmenter.load(tmp_path / "again.onnx")
    np.testing.assert_allclose(again.run_confidence(BATCH[..., np.newaxis]), expected(KNOWN, model), atol=1e-4)
    assert again.metadata == model.metadata


def test_a_graph_whose_confidence_is_another_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(KNOWN, empty=(0.5, 0.0), mask=(-1.1, 2.0))
    monkeypatch.setattr(exporting, "tell_confidence", lambda model, _: add_confidence(model, wrong))
    with pytest.raises(ParityError, match=r"the graph's confidence is 0\.\d+ where its calibration says 0\.\d+"):
        calibrated().to_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
