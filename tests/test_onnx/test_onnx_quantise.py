"""Smaller files: half as large, measured against the whole one, and refused where they cost too much."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

pytest.importorskip("spox")

import onnx
from onnx import TensorProto, helper, numpy_helper

from hybridseg import OperatingPoint, Segmenter, Tags, create
from hybridseg.cli import main
from hybridseg.confidence import Calibration
from hybridseg.data.phantoms import phantom
from hybridseg.onnx import (
    Compression,
    CompressionError,
    OnnxSegmenter,
    Preprocessing,
    describe,
    export_smaller,
    wrap_network,
)
from hybridseg.onnx.runtime import open_session
from hybridseg.onnx.storing import quantise, store_smaller
from hybridseg.training.working import to_native, to_working

SIZE = 32


def network(scale: float = 1.0, first: float = 1.0) -> bytes:
    """Darkness through 64 channels that all say the same, plus noise: enough weights to save, and a mask to lose.

    ``scale`` times the second layer's weights, divided out by the third's; ``first`` times the first one of each
    output channel.
    """
    rng = np.random.default_rng(0)
    middle = np.full((64, 64, 3, 3), 1 / 576) + rng.normal(0, 1e-5, (64, 64, 3, 3))
    middle[:, 0, 0, 0] *= first
    tensors = {
        "w1": np.full((64, 1, 1, 1), -1 / 255),
        "b1": np.ones(64),
        "w2": scale * middle,
        "w3": np.full((1, 64, 1, 1), 1 / 64 / scale),
    }
    nodes = [
        helper.make_node("Transpose", ["image"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"]),
        helper.make_node("Relu", ["c1"], ["a1"]),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["c2", "w3"], ["c3"]),
        helper.make_node("Clip", ["c3", "zero", "one"], ["p"]),
        helper.make_node("Transpose", ["p"], ["probability"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIZE, SIZE, 1])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", SIZE, SIZE, 1])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
        + [numpy_helper.from_array(np.float32(value), name) for name, value in (("zero", 0), ("one", 1))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


class Dark(Segmenter):
    """A method with a network, like a fitted U-Net."""

    tags = Tags(max_differing_pixels=1e-4, max_probability_difference=1e-3)
    operating_point = OperatingPoint(threshold=0.72)

    def __init__(self, *, scale: float = 1.0, first: float = 1.0) -> None:
        self.scale = scale
        self.first = first

    @property
    def network_(self) -> Any:
        return vars(self).get("own", np.frombuffer(network(self.scale, self.first), np.uint8))

    @network_.setter
    def network_(self, data: Any) -> None:
        self.own = data

    def _network_input(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return to_working(image, SIZE)[None, :, :, None]

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        session = open_session(self.network_.tobytes())
        (output,) = session.run(None, {"image": self._network_input(image)})
        return to_native(output[0, :, :, 0], (image.shape[0], image.shape[1]))

    def _to_onnx(self) -> Any:
        inner = onnx.load_from_string(self.network_.tobytes())
        return wrap_network(inner, SIZE, Preprocessing(mean=0.0, std=1.0), self.current_operating_point)


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    made = [phantom(seed, shape=(60, 70)) for seed in range(4)]
    images = [each.image for each in made]
    return {"images": images, "masks": [Dark().predict(image) for image in images]}


def tensors(graph: Any) -> list[Any]:
    found = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            found += [attribute.t] if attribute.HasField("t") else []
            found += tensors(attribute.g) if attribute.HasField("g") else []
    return found


def test_half_precision_halves_the_file(cases: dict[str, Any], tmp_path: Path) -> None:
    found = export_smaller(Dark(), tmp_path / "half.onnx", "fp16", **cases, metadata={"owner": "me"})
    assert found.bytes_before - found.bytes_after > 64 * 64 * 9 * 1.99  # two of four bytes, and a few for names
    assert found.images == 4
    assert found.f1_before == 1.0
    assert found.f1_after > 0.995
    model = OnnxSegmenter.load(tmp_path / "half.onnx")
    assert (tmp_path / "half.onnx").stat().st_size > found.bytes_after  # and says what was measured
    assert json.loads(model.metadata["compression"])["f1_after"] == found.f1_after
    assert model.metadata["method"] == "Dark"
    assert model.metadata["owner"] == "me"
    assert "parity" not in model.metadata
    assert json.loads(model.metadata["parity_single_precision"])["differing_pixels"] == 0
    large = [t for t in tensors(onnx.load(tmp_path / "half.onnx").graph) if np.prod(t.dims) >= 64 * 64 * 9]
    assert [t.data_type for t in large] == [TensorProto.FLOAT16]


def test_kernels_in_8_bits_are_computed_in_single_precision(cases: dict[str, Any], tmp_path: Path) -> None:
    sure = Dark()
    sure.calibration_ = Calibration(lesion=(0.0, 1.0), mask=(-1.0, 2.0), empty=(0.5, 0.0), images=80)
    found = export_smaller(sure, tmp_path / "eight.onnx", "int8-stored", **cases)
    assert found.bytes_before - found.bytes_after > 64 * 64 * 9 * 2.98  # three of four bytes, and a few for scales
    assert found.f1_after > 0.995
    graph = onnx.load(tmp_path / "eight.onnx").graph
    large = [t for t in tensors(graph) if np.prod(t.dims) >= 64 * 64 * 9]
    assert [t.data_type for t in large] == [TensorProto.INT8]
    image = cases["images"][0]
    Dark().to_onnx(tmp_path / "whole.onnx")
    whole, eight = (OnnxSegmenter.load(tmp_path / name) for name in ("whole.onnx", "eight.onnx"))
    np.testing.assert_allclose(whole.predict_proba(image), eight.predict_proba(image), atol=1e-4)
    confidence = eight.run_confidence(image[np.newaxis, :, :, np.newaxis])
    assert confidence == pytest.approx(sure.calibration_.of_image(*eight.predict_both(image)), abs=1e-4)


def test_kernels_in_4_bits_lose_too_much_unless_they_were_trained_so(cases: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match=r"F1 falls by more than 0\.005"):
        export_smaller(Dark(first=20), tmp_path / "four.onnx", "int4-stored", **cases)
    assert not list(tmp_path.iterdir())
    four = Dark()
    inner = onnx.load_from_string(four.network_.tobytes())
    (middle,) = (tensor for tensor in inner.graph.initializer if tensor.name == "w2")
    codes = np.random.default_rng(0).integers(1, 8, (64, 64, 3, 3))
    middle.CopyFrom(numpy_helper.from_array((codes / 4 / 576).astype(np.float32), "w2"))
    four.network_ = np.frombuffer(inner.SerializeToString(), np.uint8)
    masks = [four.predict(image) for image in cases["images"]]
    found = export_smaller(four, tmp_path / "four.onnx", "int4-stored", images=cases["images"], masks=masks)
    assert found.bytes_before - found.bytes_after > 64 * 64 * 9 * 3.45  # of four bytes, half a byte stays
    assert (found.differing_share, found.f1_after) == (0, 1)
    large = [t for t in tensors(onnx.load(tmp_path / "four.onnx").graph) if np.prod(t.dims) >= 64 * 64 * 9 / 2]
    assert [(t.data_type, list(t.dims)) for t in large] == [(TensorProto.UINT8, [64 * 64 * 9 // 2])]
    four.to_onnx(tmp_path / "whole.onnx")
    whole, stored = (describe(tmp_path / name).parameters for name in ("whole.onnx", "four.onnx"))
    assert whole < stored <= whole + 64 + 1  # a scale for each output channel, and what centres the codes


@pytest.mark.parametrize(("bits", "stored"), [(8, TensorProto.INT8), (4, TensorProto.UINT8)])
def test_each_output_channel_has_its_own_scale(bits: Any, stored: int) -> None:
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 35, 8, 7)).astype(np.float32) * np.float32([1e-6, 1, 0]).reshape(3, 1, 1, 1)
    depthwise = rng.normal(size=(35, 1, 16, 15)).astype(np.float32)
    image = rng.normal(size=(1, 35, 23, 21)).astype(np.float32)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 35, 23, 21]), ("d", [1, 35, 8, 7]), ("y", [1, 3, 1, 1]))
    ]
    nodes = [helper.make_node("Conv", ["x", "k1"], ["d"], group=35), helper.make_node("Conv", ["d", "k"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "conv",
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(kernel, "k"), numpy_helper.from_array(depthwise, "k1")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    store_smaller(model.graph, bits)
    large = [(t.data_type, int(np.prod(t.dims))) for t in model.graph.initializer if np.prod(t.dims) >= 256]
    assert sorted(large) == sorted([(TensorProto.INT8, depthwise.size), (stored, kernel.size * bits // 8)])
    session = open_session(model.SerializeToString())
    between, found = session.run(["d", "y"], {"x": image})
    expected = (kernel * between).sum(axis=(1, 2, 3))
    # Half a step of each weight.
    bound = 0.5 / (2 ** (bits - 1) - 1) * np.abs(kernel).max(axis=(1, 2, 3)) * np.abs(between).sum()
    assert (np.abs(found[0, :, 0, 0] - expected) <= bound).all()
    assert found[0, 0, 0, 0] != expected[0]


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_what_a_branch_returns_as_it_is_stays_its_output(bits: Any) -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=300).astype(np.float32) for _ in range(2)]
    output = helper.make_tensor_value_info("v", TensorProto.FLOAT, [300])
    constants = [helper.make_node("Constant", [], ["v"], value=numpy_helper.from_array(each)) for each in values]
    branches = [helper.make_graph([each], "branch", [], [output]) for each in constants]
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branches[0], else_branch=branches[1])
    ends = helper.make_tensor_value_info("yes", TensorProto.BOOL, []), helper.make_tensor_value_info("y", 1, [300])
    graph = helper.make_graph([node], "if", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    store_smaller(model.graph, bits)
    session = open_session(model.SerializeToString())
    for yes, expected in zip((True, False), values, strict=True):
        np.testing.assert_allclose(session.run(None, {"yes": np.array(yes)})[0], expected, rtol=1e-3, atol=1e-3)


def test_codes_of_a_quantised_kernel_are_found_again() -> None:
    kernel = np.random.default_rng(0).normal(size=(50, 40, 3, 3)).astype(np.float32)
    for bits, largest in ((8, 127), (4, 7)):
        codes, scale = quantise(kernel, bits)
        assert (np.abs(codes).max(axis=(1, 2, 3)) == largest).all()
        again, same = quantise(codes * scale, bits)
        np.testing.assert_array_equal(again, codes)
        np.testing.assert_allclose(same, scale, rtol=1e-6)


def test_a_file_of_ours_is_made_smaller_too(cases: dict[str, Any], tmp_path: Path) -> None:
    Dark().to_onnx(tmp_path / "whole.onnx")
    found = export_smaller(OnnxSegmenter.load(tmp_path / "whole.onnx"), tmp_path / "half.onnx", "fp16", **cases)
    assert found.bytes_after < 0.7 * found.bytes_before
    metadata = OnnxSegmenter.load(tmp_path / "half.onnx").metadata
    assert metadata["method"] == "Dark"
    assert "parity" not in metadata


def test_integers_are_kept_where_a_size_asks_for_them(cases: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    found = export_smaller(Dark(), path, "int8", **cases, calibration=cases["images"], max_bytes=120_000)
    assert found.bytes_after <= 120_000 < found.bytes_before
    assert found.f1_after >= found.f1_before - 0.005
    model = onnx.load(path)
    assert {entry.domain for entry in model.opset_import} <= {"", "ai.onnx.ml"}
    large = [t for t in tensors(model.graph) if np.prod(t.dims) >= 64 * 64 * 9]
    assert [t.data_type for t in large] == [TensorProto.INT8]


def test_weights_that_half_precision_cannot_hold_are_refused(cases: dict[str, Any], tmp_path: Path) -> None:
    with np.errstate(over="ignore"), pytest.raises(CompressionError, match=r"F1 falls by more than 0\.005"):
        export_smaller(Dark(scale=1e9), tmp_path / "x.onnx", "fp16", **cases)
    assert not list(tmp_path.iterdir())


MEASURED = Compression("int8", 9, 2_000_000, 1_000_000, 10.0, 5.0, 0.8, 0.8, 0.0)


@pytest.mark.parametrize(
    ("changes", "max_bytes", "problem"),
    [
        ({}, None, ""),
        ({"f1_after": 0.7951}, None, ""),
        ({"f1_after": 0.7949}, None, "F1 falls by more than 0.005"),
        ({"ms_after": 10.0}, None, "it isn't faster, and no size asks for it"),
        ({"ms_after": 20.0}, 1_500_000, ""),
        ({"ms_after": 20.0}, 3_000_000, "it isn't faster, and no size asks for it"),
        ({"ms_after": 20.0}, 900_000, "the file is still larger than 0.90 MB"),
        ({"bytes_after": 1_900_000}, None, "the file isn't smaller"),
        ({"weights": "fp16", "ms_after": 20.0}, None, ""),
        ({"weights": "int8-stored", "ms_after": 20.0}, None, ""),
    ],
)
def test_what_is_worth_keeping(changes: dict[str, Any], max_bytes: int | None, problem: str) -> None:
    assert replace(MEASURED, **changes).problem(max_bytes) == problem


def test_what_has_no_network_is_refused(cases: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="the file isn't smaller; nothing is kept: fp16: "):
        export_smaller(create("otsu"), tmp_path / "x.onnx", "fp16", **cases)
    with pytest.raises(CompressionError, match=r"keeps its network apart.* OtsuSegmenter doesn't"):
        export_smaller(create("otsu"), tmp_path / "x.onnx", "int8", **cases, calibration=cases["images"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--int8"], "give --data DIR"),
        (["--int8", "--weights", "fp16", "--data", "phantoms"], "--int8 and --weights fp16 exclude each other"),
        (["--int8", "--weights", "int8-stored", "--data", "phantoms"], "weights int8-stored exclude each other"),
        (["--max-mb", "2"], "--validation and --max-mb are for --int8 and --weights other than fp32"),
        (["--weights", "fp16", "--data", "phantoms[n=8]"], "the file isn't smaller"),
    ],
)
def test_the_command_says_why_not(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", "otsu", "-o", str(tmp_path / "x.onnx"), *arguments])
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.splitlines()) == 1
    assert not list(tmp_path.iterdir())
