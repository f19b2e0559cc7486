"""A network that another library trains: whatever it returns is ONNX, and the rest is as for any network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridseg
from hybridseg import OnnxNetworkSegmenter
from hybridseg.conformance.subject import training_set
from hybridseg.training.building import check_trained
from hybridseg.training.checkpoints import TrainingError

onnx = pytest.importorskip("onnx")

SIZE = 32


def network(scale: float = 1 / 255, *, batch: str | int = "N", output: str = "probability", across: int = 1) -> bytes:
    """Return 1 - scale times the grey level, at every ``across``-th column."""
    value = onnx.helper.make_tensor_value_info
    constants = {
        "scale": np.array(scale, np.float32), "one": np.array(1, np.float32), "start": np.array([0]),
        "end": np.array([SIZE]), "axis": np.array([2]), "step": np.array([across]),
    }  # fmt: skip
    nodes = [
        onnx.helper.make_node("Mul", ["image", "scale"], ["scaled"]),
        onnx.helper.make_node("Sub", ["one", "scaled"], ["dark"]),
        onnx.helper.make_node("Slice", ["dark", "start", "end", "axis", "step"], [output]),
    ]
    graph = onnx.helper.make_graph(
        nodes, "dark", [value("image", 1, [batch, SIZE, SIZE, 1])], [value(output, 1, [batch, SIZE, None, 1])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    data: bytes = made.SerializeToString()
    return data


class Dark(OnnxNetworkSegmenter):
    """Learns nothing from what it is shown, and remembers its shape."""

    def _train(self, learn: Any, judge: Any, progress: Any) -> bytes:
        for images, masks in (learn, judge):
            assert images.shape == masks.shape == (len(images), SIZE, SIZE)
            assert (images.dtype, masks.dtype) == (np.uint8, bool)
        self.learned_from_ = [len(learn[0]), len(judge[0])]
        progress(1, 1, "dark")
        return network()


def test_it_keeps_the_contract_and_is_exported() -> None:
    report = hybridseg.check_segmenter(Dark(size=SIZE, validation_share=0.4))
    assert {"save_and_load", "onnx_export", "fit_takes_groups_and_validation"} <= set(report.passed)


def test_whole_groups_are_held_out_unless_a_validation_is_given() -> None:
    images, masks = training_set()
    model = Dark(size=SIZE, validation_share=0.4).fit(images, masks, groups=["a", "a", "b", "b", "c", "c"])
    assert sum(model.learned_from_) == len(images) and min(model.learned_from_) >= 2
    model.fit(images, masks, validation=(images[:1], masks[:1]))
    assert model.learned_from_ == [len(images), 1]
    with pytest.raises(ValueError, match="`masks` must hold at least one lesion pixel in a scan"):
        model.fit(images, [np.zeros_like(mask) for mask in masks])


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_network_that_has_learned_nothing_is_told_in_one_line(level: float, caplog: pytest.LogCaptureFixture) -> None:
    images, masks = training_set()
    model = Dark(size=SIZE, validation_share=0.4).fit(images, masks)
    assert not caplog.records
    model._predict_proba = lambda image: np.full(image.shape, level, np.float32)
    model._tune(images, masks)
    (line,) = caplog.messages
    assert line.startswith("Dark(size=32, validation_share=0.4) has learned nothing: validation F1 is 0.")
    model._tune(images[:1], [np.zeros_like(masks[0])])  # without a lesion nothing can be said
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("weights", "`_train` must return the bytes of an ONNX file, got str"),
        (b"weights", "an ONNX file that can be run: its network is not ONNX, or truncated"),
        (network(output="mask"), r"for any N, got image \('N', 32, 32, 1\) to mask"),
        (network(batch=1), r"for any N, got image \(1, 32, 32, 1\) to probability"),
        (network(across=2), r"output has shape \(2, 32, 32, 1\) for two pictures, got \(2, 32, 16, 1\)"),
        (network(1), r"probabilities in \[0, 1\], got -254 to 1; if these are logits, end it with a sigmoid"),
        (network(float("nan")), "gives numbers, got NaN or infinity"),
    ],
)
def test_what_cant_be_kept_is_told_in_one_line(made: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        check_trained(made, SIZE)
    assert "\n" not in str(caught.value)


def test_a_wrong_parameter_is_named() -> None:
    images, masks = training_set()
    with pytest.raises(ValueError, match="`size` must be an integer of at least 32, got 8"):
        Dark(size=8).fit(images, masks)


UNSAVABLE = """
from hybridseg import Segmenter

class Sets(Segmenter):
    def __init__(self, *, kept=frozenset({1})):
        self.kept = kept

    def _fit(self, images, masks, **rest):
        raise AssertionError("it trains")

    def _predict_proba(self, image):
        return image / 255
"""


def test_fit_tells_before_it_trains_what_cant_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from hybridseg.cli import main

    monkeypatch.chdir(tmp_path)
    Path("sets.py").write_text(UNSAVABLE, "utf-8")
    result = CliRunner().invoke(main, ["fit", "sets.py:Sets", "--data", "phantoms[n=4]", "-o", "m.hybridseg"])
    assert result.exit_code != 0 and "`kept` holds a frozenset: it can't be saved" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sets.py"]
