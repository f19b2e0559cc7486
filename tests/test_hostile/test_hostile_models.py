"""ONNX files that would print what they like, give masks that are none, or take all time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from _hostile import hybridseg, one_line, write_scan

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper

from hybridseg import OnnxSegmenter
from hybridseg.limits import MAX_SECONDS, limit_of

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
SIDES = ["N", "H", "W", 1]


def write_model(path: Path, nodes: list[onnx.NodeProto], tensors: tuple[onnx.TensorProto, ...] = ()) -> None:
    """Write a file of our signature; ``nodes`` make `mask` and `probability` of `image`."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, SIDES)],
        [
            helper.make_tensor_value_info("mask", TensorProto.UINT8, SIDES),
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, SIDES),
        ],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def write_shouting(path: Path) -> None:
    """Write a file whose names hold what moves a terminal's cursor, and whose metadata are very long."""
    value = helper.make_tensor_value_info(f"in{ESCAPE}", TensorProto.FLOAT, [ESCAPE])
    out = helper.make_tensor_value_info(f"out{ESCAPE}" + "x" * 10**5, TensorProto.FLOAT, [ESCAPE])
    node = helper.make_node(f"Op{ESCAPE}", [value.name], [out.name])
    graph = helper.make_graph([node], "graph", [value], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    for number in range(2000):
        model.metadata_props.add(key=f"hybridseg.k{number}{ESCAPE}", value=ESCAPE * (10**5 if number == 0 else 1))
    path.write_bytes(model.SerializeToString())


def write_shouting_saved(path: Path) -> None:
    header = {
        "format": "hybridseg-model", "format_version": 1, "class": "m:C",
        "params": {f"p{ESCAPE}": ESCAPE * 10**5}, "state": {"text_": ESCAPE, f"{'l' * 10**5}_": ESCAPE},
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", json.dumps(header))


def write_shouting_run(path: Path) -> None:
    from _reports import write_small_run

    write_small_run(path)
    description = json.loads((path / "run.json").read_text("utf-8"))
    (path / "run.json").write_text(json.dumps({**description, "dataset": ESCAPE * 10**5}))


@pytest.mark.parametrize(
    ("name", "write"), [("x.onnx", write_shouting), ("x.hybridseg", write_shouting_saved), ("run", write_shouting_run)]
)
def test_info_prints_few_lines_of_bounded_length(here: Path, name: str, write) -> None:
    write(here / name)
    result = hybridseg("info", name)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 2500 and len(lines) < 250


def test_info_refuses_what_would_not_be_run(here: Path) -> None:
    nodes = [helper.make_node("Own", ["image"], ["mask", "probability"], domain="com.example")]
    write_model(here / "x.onnx", nodes)
    assert "only those of ai.onnx and ai.onnx.ml are run" in one_line(hybridseg("info", "x.onnx"))


@pytest.mark.parametrize("value", [2, 255])
def test_a_mask_of_other_values_than_0_and_1_is_refused(here: Path, value: int) -> None:
    weight = helper.make_tensor("value", TensorProto.UINT8, [], [value])
    nodes = [
        helper.make_node("Mul", ["image", "zero"], ["black"]),
        helper.make_node("Add", ["black", "value"], ["mask"]),
        helper.make_node("Cast", ["black"], ["probability"], to=TensorProto.FLOAT),
    ]
    write_model(here / "x.onnx", nodes, (weight, helper.make_tensor("zero", TensorProto.UINT8, [], [0])))
    write_scan(here / "a.png")
    message = one_line(hybridseg("segment", "-m", "x.onnx", "a.png"), exit_code=1)
    assert f"output `mask` must hold only 0 and 1, got {value}" in message
    assert not (here / "a_mask.png").exists()
    with pytest.raises(RuntimeError, match="only 0 and 1"):
        OnnxSegmenter.load(here / "x.onnx").predict_both(np.zeros((4, 5), np.uint8))


def write_endless(path: Path) -> None:
    """Write a loop of 2**62 turns."""
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("going", "state")],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, SIDES),
        ],
        [
            helper.make_tensor_value_info("going_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_out", TensorProto.FLOAT, SIDES),
        ],
    )
    tensors = (
        helper.make_tensor("turns", TensorProto.INT64, [], [2**62]),
        helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
    )
    nodes = [
        helper.make_node("Cast", ["image"], ["start"], to=TensorProto.FLOAT),
        helper.make_node("Loop", ["turns", "yes", "start"], ["probability"], body=body),
        helper.make_node("Cast", ["probability"], ["mask"], to=TensorProto.UINT8),
    ]
    write_model(path, nodes, tensors)


def write_stuck(path: Path) -> None:
    """Write one convolution that takes an hour: 6 million numbers with a kernel of 2 million."""
    shapes = [("long", [1, 1, 6_000_000]), ("kernel", [1, 1, 2_000_000])]
    tensors = tuple(helper.make_tensor(name, TensorProto.INT64, [3], shape) for name, shape in shapes)
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["grey"], ["low"], keepdims=0),
        *(helper.make_node("Expand", ["low", name], [f"{name}_full"]) for name, _ in shapes),
        helper.make_node("Conv", ["long_full", "kernel_full"], ["product"]),
        helper.make_node("ReduceMax", ["product"], ["high"], keepdims=0),
        helper.make_node("Mul", ["grey", "high"], ["probability"]),
        helper.make_node("Cast", ["probability"], ["mask"], to=TensorProto.UINT8),
    ]
    write_model(path, nodes, tensors)


def write_greedy(path: Path) -> None:
    """Write an array of 8 GB."""
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["grey"], ["low"], keepdims=0),
        helper.make_node("Expand", ["low", "shape"], ["wide"]),
        helper.make_node("ReduceMax", ["wide"], ["high"], keepdims=0),
        helper.make_node("Mul", ["grey", "high"], ["probability"]),
        helper.make_node("Cast", ["probability"], ["mask"], to=TensorProto.UINT8),
    ]
    write_model(path, nodes, (helper.make_tensor("shape", TensorProto.INT64, [1], [2 * 10**9]),))


def test_a_loop_without_end_is_stopped(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_endless(here / "x.onnx")
    write_scan(here / "a.png")
    monkeypatch.setenv(MAX_SECONDS, "0.2")
    message = one_line(hybridseg("segment", "-m", "x.onnx", "a.png"), exit_code=1)
    assert "x.onnx: it took more than 0.2 s, which is the limit (HYBRIDSEG_MAX_SECONDS)" in message
    result = hybridseg("bench", "--data", "phantoms[n=2]", "--folds", "2", "-m", "x.onnx", "--no-cost")
    assert result.exit_code == 1 and "2 predictions failed" in result.stderr
    assert not (here / "a_mask.png").exists()


def write_chain(path: Path, length: int) -> None:
    """Write a chain of operators, of which each takes the last one's result."""
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Sin", ["grey"], ["x0"]),
        *(helper.make_node("Sin", [f"x{number}"], [f"x{number + 1}"]) for number in range(length)),
        helper.make_node("Abs", [f"x{length}"], ["probability"]),
        helper.make_node("Cast", ["probability"], ["mask"], to=TensorProto.UINT8),
    ]
    write_model(path, nodes)


@pytest.mark.parametrize(
    "command",
    [
        ["info", "x.onnx"],
        ["segment", "-m", "x.onnx", "a.png"],
        ["bench", "--data", "phantoms[n=2]", "--folds", "2", "-m", "x.onnx"],
    ],
)
def test_a_chain_of_operators_is_stopped_while_it_is_opened(
    here: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chain(here / "x.onnx", 20_000)
    write_scan(here / "a.png")
    monkeypatch.setenv(MAX_SECONDS, "0.01")
    message = one_line(hybridseg(*command))
    assert "x.onnx: it took more than 0.01 s, which is the limit (HYBRIDSEG_MAX_SECONDS)" in message


def test_an_array_larger_than_the_limit_is_not_made(here: Path) -> None:
    write_greedy(here / "x.onnx")
    write_scan(here / "a.png")
    message = one_line(hybridseg("segment", "-m", "x.onnx", "a.png"), exit_code=1)
    assert "x.onnx: it needs more than 4096 MB of memory, which is the limit (HYBRIDSEG_MAX_MEMORY_MB)" in message


def test_an_operator_that_can_not_be_stopped_ends_the_process(here: Path) -> None:
    write_stuck(here / "x.onnx")
    write_scan(here / "a.png")
    write_scan(here / "b.png")
    command = [sys.executable, "-m", "hybridseg", "segment", "-m", "x.onnx", "--max-seconds", "1", "a.png", "b.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = "one operator of an ONNX model took more than 1 s and can't be stopped; the process ends"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"hybridseg: {line}\n")


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_limit_is_a_positive_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(MAX_SECONDS, text)
    with pytest.raises(ValueError, match="`HYBRIDSEG_MAX_SECONDS` must be a positive number, got"):
        limit_of(MAX_SECONDS)
