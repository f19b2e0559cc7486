"""Networks with other signatures, described in a few words, against numpy around the network run alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spox")

import onnx
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from hybridseg import ModelFormatError, OperatingPoint
from hybridseg.cli import main
from hybridseg.onnx import ParityError
from hybridseg.onnx.foreign import Foreign, adopt, read_description
from hybridseg.onnx.runtime import open_session
from hybridseg.postprocess import apply_operating_point
from hybridseg.registry import load


def network(channels: int, classes: int, *, size: Any = (16, 20), layout: str = "nchw") -> Any:
    """A random 1x1 convolution, as a network of opset 13."""
    weights = np.random.default_rng(0).normal(0, 2, (classes, channels, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    shapes = [["N", channels, *size], ["N", classes, *size]]
    if layout == "nhwc":
        nodes = [
            helper.make_node("Transpose", ["image"], ["x"], perm=[0, 3, 1, 2]),
            *nodes,
            helper.make_node("Transpose", ["y"], ["out"], perm=[0, 2, 3, 1]),
        ]
        shapes = [["N", *size, channels], ["N", *size, classes]]
    names = ("image", "out") if layout == "nhwc" else ("x", "y")
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, shapes[1])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def probability(model: Any, image: np.ndarray) -> np.ndarray:
    session = open_session(model.SerializeToString())
    return np.asarray(session.run(["probability"], {"image": image[np.newaxis, :, :, np.newaxis]})[0][0, :, :, 0])


IMAGE = np.random.default_rng(1).integers(0, 256, (16, 20), dtype=np.uint8)


def weights(model: Any) -> np.ndarray:
    return numpy_helper.to_array(model.graph.initializer[0])[:, :, 0, 0]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_logits_of_grey_levels_in_0_1(layout: str) -> None:
    model = network(1, 1, layout=layout)
    found = probability(adopt(model, Foreign(layout=layout), OperatingPoint()), IMAGE)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-weights(model)[0, 0] * (IMAGE / 255.0))), atol=1e-5)


def test_softmax_over_classes_of_three_normalised_channels() -> None:
    model = network(3, 2, size=("H", "W"))
    mean, std = (120.0, 110.0, 100.0), (50.0, 60.0, 70.0)
    foreign = Foreign(output="softmax", channel=1, size=(16, 20), mean=mean, std=std)
    found = probability(adopt(model, foreign, OperatingPoint()), IMAGE)
    seen = (IMAGE[:, :, np.newaxis] - np.array(mean)) / np.array(std)
    scores = seen @ weights(model).T
    np.testing.assert_allclose(found, 1 / (1 + np.exp(scores[..., 0] - scores[..., 1])), atol=1e-5)


def test_a_description_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text('output = "softmax"\nchannel = 1\nsize = [224, 256]\n[operating_point]\nthreshold = 0.3\n')
    foreign, point = read_description(path)
    assert foreign == Foreign(output="softmax", channel=1, size=(224, 256))
    assert point == OperatingPoint(threshold=0.3)


def test_mean_and_std_of_grey_levels_up_to_one(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text('scale = "0-1"\nmean = 0.5\nstd = [0.25, 0.5, 1.0]\n')
    assert read_description(path)[0] == Foreign(mean=127.5, std=(63.75, 127.5, 255.0))
    path.write_text('scale = "0-1"\n')
    assert read_description(path)[0] == Foreign()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layout = ", "not a description"),
        ('layout = "hwc"', "`layout` must be one of nchw, nhwc, got 'hwc'"),
        ('layout = "nhw"', r"`layout` must be one of nchw, nhwc, got 'nhw'; did you mean `nhwc`\?"),
        ('output = "logits"', r"`output` must be .* got 'logits'; did you mean `logit`\?"),
        ("colour = 1", "unknown entry `colour`; known: layout, output"),
        ("means = 1", r"unknown entry `means`; did you mean `mean`\?"),
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("mean = 0.5\nstd = 0.25", 'below 1 for grey levels from 0 to 255: .* scale = "0-1"'),
        ('std = 0.25\nscale = "0-2"', "`scale` must be one of 0-255, 0-1, got '0-2'"),
        ("[operating_point]\nthreshold = 3", r"`threshold` must lie in \[0, 1\]"),
        ("channel = -1", "`channel` must be an integer from 0, got -1"),
        ("channel = true", "`channel` must be an integer from 0, got True"),
        ("size = [256]", r"`size` must be two integers from 1 to 8192, got \(256,\)"),
        ("size = [0, 256]", "`size` must be two integers"),
        ("size = [256.0, 256]", "`size` must be two integers"),
        ("size = 256", "`size` must be two integers"),
        ("size = [99999, 256]", "`size` must be two integers"),
        ("mean = [1.0, 2.0]", r"`mean` must be a number, or one for each of 3 channels, got \(1.0, 2.0\)"),
        ('mean = "grey"', "`mean` must be a number"),
        ("mean = nan", "`mean` must be a number"),
        ("std = 0", "`std` must not be 0, got 0"),
        ("std = [1.0, 0.0, 1.0]", "`std` must not be 0"),
        ('std = 1e-60\nscale = "0-1"', "`std` must not be 0, got 1e-60"),  # 0 as a float32
        ("std = [" + "1" * 40 + ", 1, 1]", r"`std` must be a number of at most 1e\+30, got \(1111"),
        ("mean = " + "9" * 400, r"`mean` must be a number of at most 1e\+30, got 9999"),
        ("flip = 1", "`flip` must be true or false, got 1"),
        ("scan = 1", "`scan` must be true or false, got 1"),
    ],
)
def test_a_bad_description_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "net.toml").write_text(text)
    with pytest.raises(ModelFormatError, match=message):
        read_description(tmp_path / "net.toml")


@pytest.mark.parametrize(
    ("made", "foreign", "message"),
    [
        ({"size": ("H", "W")}, Foreign(), "`size` must be given"),
        ({}, Foreign(layout="nhwc"), "must take nhwc with 1 or 3 channels"),
        ({}, Foreign(size=(32, 32)), r"`size` is \(32, 32\), the network's own is fixed"),
        ({}, Foreign(channel=1), "`channel` is 1, the network's output has channels 0 to 0"),
        ({}, Foreign(output="softmax"), "softmax, which is 1 for the only class"),
        ({}, Foreign(std=(1.0, 1.0, 1.0)), "`std` has 3 numbers, the network's input 1 channels"),
    ],
)
def test_a_network_that_is_not_as_described_is_refused(made: Any, foreign: Foreign, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adopt(network(1, 1, **made), foreign, OperatingPoint())


def pooled() -> Any:
    """A network whose output has a third of its input's rows and columns."""
    model = network(1, 1, size=(48, 60))
    model.graph.node.append(helper.make_node("AveragePool", ["y"], ["small"], kernel_shape=[3, 3], strides=[3, 3]))
    model.graph.output[0].name = "small"
    for axis, side in ((2, 16), (3, 20)):
        model.graph.output[0].type.tensor_type.shape.dim[axis].dim_value = side
    return model


@pytest.mark.parametrize("flip", [False, True])
def test_an_output_of_another_resolution_is_stretched_from_its_own(flip: bool, tmp_path: Path) -> None:
    onnx.save(pooled(), tmp_path / "net.onnx")
    (tmp_path / "net.toml").write_text(f"flip = {str(flip).lower()}\n")
    image = np.random.default_rng(1).integers(0, 256, (48, 60), dtype=np.uint8)
    small = image.reshape(16, 3, 20, 3).mean(axis=(1, 3)) / 255
    expected = 1 / (1 + np.exp(-weights(pooled())[0, 0] * small))
    full = np.asarray(Image.fromarray(expected.astype(np.float32)).resize((60, 48), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(load(tmp_path / "net.onnx").predict_proba(image), full, atol=1e-5)


def test_a_network_is_shown_the_scan_alone_where_it_is_said(tmp_path: Path) -> None:
    onnx.save(pooled(), tmp_path / "net.onnx")
    inside = np.random.default_rng(1).integers(5, 256, (48, 60), dtype=np.uint8)
    framed = np.pad(inside, ((10, 0), (20, 5)))
    found = []
    for scan in ("false", "true"):
        (tmp_path / "net.toml").write_text(f"scan = {scan}\n[operating_point]\nthreshold = 0.6\n")
        found.append(load(tmp_path / "net.onnx"))
    expected = np.pad(found[0].predict_proba(inside), ((10, 0), (20, 5)))
    np.testing.assert_allclose(found[1].predict_proba(framed), expected, atol=1e-6)
    assert np.abs(found[0].predict_proba(framed) - expected).max() > 0.1
    assert found[1].to_onnx(tmp_path / "ours.onnx").passed  # against the network run alone, which cuts with numpy


def test_newer_operators_are_converted_or_refused(tmp_path: Path) -> None:
    newer = network(1, 1)
    newer.opset_import[0].version = 21
    adopted = adopt(newer, Foreign(), OperatingPoint())
    assert [entry.version for entry in adopted.opset_import if not entry.domain] == [18]
    np.testing.assert_array_equal(
        probability(adopted, IMAGE), probability(adopt(network(1, 1), Foreign(), OperatingPoint()), IMAGE)
    )
    newer.graph.node[0].CopyFrom(helper.make_node("Gelu", ["x"], ["y"]))
    with pytest.raises(ValueError, match=r"operators of set 21, at most 18 is run, can't be converted: .*Gelu"):
        adopt(newer, Foreign(), OperatingPoint())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A network from elsewhere, and what it expects."""
    onnx.save(network(3, 2, size=("H", "W")), tmp_path / "net.onnx")
    (tmp_path / "net.toml").write_text(
        'output = "softmax"\nchannel = 1\nsize = [16, 20]\nmean = 120.0\nstd = 50.0\n'
        "[operating_point]\nthreshold = 0.3\n"
    )
    return tmp_path / "net.onnx"


def test_a_described_file_is_a_segmenter_like_any_other(file: Path, tmp_path: Path) -> None:
    foreign, point = read_description(file.with_suffix(".toml"))
    model = load(file)
    assert model.current_operating_point == OperatingPoint(threshold=0.3)
    found = model.predict_proba(IMAGE)
    np.testing.assert_array_equal(found, probability(adopt(onnx.load(file), foreign, point), IMAGE))
    np.testing.assert_array_equal(model.predict(IMAGE), apply_operating_point(found, point))
    model.save(tmp_path / "saved.onnx")
    model.to_onnx(tmp_path / "exported.onnx")
    for ours in ("saved.onnx", "exported.onnx"):
        np.testing.assert_array_equal(load(tmp_path / ours).predict_proba(IMAGE), found)
    metadata = load(tmp_path / "exported.onnx").metadata
    assert metadata["method"] == "net.onnx"
    params = json.loads(metadata["params"])
    assert (params["layout"], params["mean"], params["std"], params["size"]) == ("nchw", 120.0, 50.0, [16, 20])
    assert str(tmp_path) not in "".join(metadata.values())
    assert json.loads(metadata["parity"])["images"] > 20


def test_an_adopted_file_is_held_to_the_network_run_alone(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = lambda model, params, point: adopt(model, replace(params, std=51.0), point)  # noqa: E731
    monkeypatch.setattr("hybridseg.onnx.foreign.adopt", wrong)
    with pytest.raises(ParityError, match="disagree, nothing is kept"):
        load(file).to_onnx(tmp_path / "exported.onnx")
    assert not (tmp_path / "exported.onnx").exists()


def test_the_commands_take_a_described_file(file: Path, tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "scan.png")
    for arguments in (
        ["segment", "scan.png", "-m", "net.onnx"],
        ["export", "net.onnx", "-o", "ours.onnx"],
        ["bench", "--data", "phantoms[n=5]", "-m", "net.onnx"],
        ["info", "net.onnx"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "hybridseg", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    mask = np.asarray(Image.open(tmp_path / "scan_mask.png")) > 0
    np.testing.assert_array_equal(mask, load(tmp_path / "ours.onnx").predict(IMAGE))


def test_an_undescribed_file_and_a_wrong_description_are_refused_in_one_line(file: Path) -> None:
    file.with_suffix(".toml").write_text('layout = "nhwc"\n')
    with pytest.raises(ModelFormatError, match=r"net\.onnx: can't be adopted: .*must take nhwc"):
        load(file)
    file.with_suffix(".toml").unlink()
    with pytest.raises(ModelFormatError, match=r"got `x`; a network from elsewhere is described in net\.toml"):
        load(file)


def test_info_shows_what_would_be_fed(tmp_path: Path) -> None:
    onnx.save(network(3, 2), tmp_path / "net.onnx")
    toml = tmp_path / "net.toml"
    toml.write_text('output = "softmax"\nchannel = 1\nmean = [0.5, 0.5, 0.25]\nstd = 0.5\nscale = "0-1"\nflip = true\n')
    done = CliRunner().invoke(main, ["info", str(tmp_path / "net.onnx")])
    assert done.exit_code == 0, done.output
    assert "the whole image, grey, resized to 16 rows x 20 columns, as `x` float32 [1, 3, 16, 20]" in done.output
    lines = [line.split() for line in done.output.splitlines() if " is fed as" in line]
    assert lines == [["black", "is", "fed", "as:", "-1", "-1", "-0.5"], ["white", "is", "fed", "as:", "1", "1", "1.5"]]
    assert "channel 1 of its first output, a softmax, averaged with that of the mirrored image" in done.output
    toml.write_text("channel = 7\n")
    done = CliRunner().invoke(main, ["info", str(tmp_path / "net.onnx")], prog_name="hybridseg")
    assert done.exit_code == 2
    assert "isn't as net.toml says: `channel` is 7" in done.output
