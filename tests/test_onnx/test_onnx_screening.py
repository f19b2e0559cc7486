"""What a stranger's file may not be, said in one line before onnxruntime sees it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spox")

import onnx
from click.testing import CliRunner
from onnx import TensorProto, helper

import hybridseg
from hybridseg import ModelFormatError, OnnxSegmenter, registry
from hybridseg.cli import main
from hybridseg.modelfile import write_model_file
from hybridseg.onnx import screening
from hybridseg.onnx.runtime import open_session
from hybridseg.onnx.screening import screen
from hybridseg.onnx.wire import MAX_FIELDS, Reader
from hybridseg.zoo import cards
from hybridseg.zoo.hashes import SHA256

FUZZ = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz" / "fuzz_onnx.py"


def model(nodes: list[Any] | None = None, **changes: Any) -> Any:
    """A small model of our signature: every pixel above 127 is lesion."""
    sides = ["N", "H", "W", 1]
    nodes = nodes or [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["full"], value=helper.make_tensor("t", TensorProto.FLOAT, [], [255.0])),
        helper.make_node("Div", ["grey", "full"], ["probability"]),
        helper.make_node("Constant", [], ["half"], value=helper.make_tensor("h", TensorProto.FLOAT, [], [0.5])),
        helper.make_node("GreaterOrEqual", ["probability", "half"], ["lesion"]),
        helper.make_node("Cast", ["lesion"], ["mask"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "threshold",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, sides)],
        [
            helper.make_tensor_value_info("mask", TensorProto.UINT8, sides),
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, sides),
        ],
    )
    return helper.make_model(graph, **{"opset_imports": [helper.make_opsetid("", 18)], "ir_version": 8, **changes})


def external(where: str, *, nested: bool = False) -> Any:
    """The same with unused weights in another file, in the graph or in a branch's constant."""
    made = model()
    tensor = helper.make_tensor("weights", TensorProto.FLOAT, [4], bytes(16), raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=where)
    if nested:
        value = helper.make_tensor_value_info("w", TensorProto.FLOAT, [4])
        branch = helper.make_graph([helper.make_node("Constant", [], ["w"], value=tensor)], "branch", [], [value])
        true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
        made.graph.node.append(helper.make_node("Constant", [], ["yes"], value=true))
        made.graph.node.append(helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch))
    else:
        made.graph.initializer.append(tensor)
    return made


def refusal(made: Any, path: Path) -> str:
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    with pytest.raises(ModelFormatError) as caught:
        OnnxSegmenter.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_a_harmless_file_runs(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "x.onnx")
    image = np.array([[0, 127], [128, 255]], np.uint8)
    np.testing.assert_array_equal(OnnxSegmenter.load(tmp_path / "x.onnx").predict(image), image > 127)
    _, declared = screen(tmp_path / "x.onnx")
    assert declared.inputs == {"image": ("uint8", ["N", "H", "W", 1])}
    assert declared.outputs["probability"] == ("float", ["N", "H", "W", 1])
    assert declared.external == []


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("where", ["../w.bin", "/etc/passwd", "a/../../w.bin", "C:\\w.bin", "..\\w.bin", "link"])
def test_weights_outside_the_folder_are_refused(where: str, nested: bool, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "w.bin")
    assert "its weights are outside its folder" in refusal(external(where, nested=nested), tmp_path / "in" / "x.onnx")


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    assert refusal(external("w.bin"), tmp_path / "x.onnx") == "its weights are missing: no file 'w.bin' beside it"
    (tmp_path / "w.bin").write_bytes(bytes(16))
    assert OnnxSegmenter.load(tmp_path / "x.onnx").predict(np.full((2, 2), 200, np.uint8)).all()


def test_operators_outside_the_standard_are_refused(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    made = model(opset_imports=opsets)
    made.graph.node.append(helper.make_node("Gelu", ["probability"], ["unused"], domain="com.microsoft"))
    assert refusal(made, tmp_path / "x.onnx").startswith("operator 'Gelu' of 'com.microsoft'")
    body = helper.make_graph([made.graph.node[-1]], "body", [], [])
    made = model(opset_imports=opsets)
    made.graph.node.append(helper.make_node("If", ["lesion"], [], then_branch=body, else_branch=body))
    assert refusal(made, tmp_path / "x.onnx").startswith("operator 'Gelu' of 'com.microsoft'")


def test_functions_of_its_own_are_refused(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 18)]
    function = helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)
    assert "functions" in refusal(model(functions=[function]), tmp_path / "x.onnx")


@pytest.mark.parametrize("text", ["hybridseg.method", "grey-box", "N", "threshold"])
def test_texts_that_others_could_read_otherwise_are_refused(text: str, tmp_path: Path) -> None:
    """An entry's name, its value, an axis, an input: onnx and onnxruntime would each make something else of it."""
    made = model()
    made.graph.input[0].name = "threshold"
    helper.set_model_props(made, {"hybridseg.method": "grey-box"})
    data = made.SerializeToString()
    assert text.encode() in data
    damaged = data.replace(text.encode(), b"\xff" + text.encode()[1:])
    assert refusal(damaged, tmp_path / "x.onnx").startswith("a name or an entry in it isn't UTF-8: b'\\xff")


def test_an_entry_of_the_metadata_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    made = model()
    for point in ('{"threshold": 0.1}', '{"threshold": 0.9}'):
        made.metadata_props.add(key="hybridseg.operating_point", value=point)
    assert refusal(made, tmp_path / "x.onnx") == "an entry of its metadata is there twice: 'hybridseg.operating_point'"


def test_what_a_file_says_is_told_in_one_printable_line(tmp_path: Path) -> None:
    made = model()
    made.graph.output[0].name = "mask\x1b[2J\n"
    assert refusal(made, tmp_path / "x.onnx").isprintable()
    made = model()
    made.graph.node[2].op_type = "Div\x1b[2J\n"
    assert refusal(made, tmp_path / "x.onnx").isprintable()
    for said in ('{"a\\nb\\u001b": 1}', "[" * 100_000, "5", "{"):
        made = model()
        helper.set_model_props(made, {"hybridseg.operating_point": said})
        onnx.save(made, tmp_path / "x.onnx")
        with pytest.raises(ModelFormatError, match=r"its hybridseg.operating_point can't be read") as caught:
            _ = OnnxSegmenter.load(tmp_path / "x.onnx").current_operating_point
        assert str(caught.value).isprintable()


def test_a_model_of_too_many_parts_is_refused(tmp_path: Path) -> None:
    made = model()
    made.graph.node[0].input.extend([""] * MAX_FIELDS)
    assert refusal(made, tmp_path / "x.onnx") == "reading it takes more than 2,000,000 fields, which is the limit"


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def with_wide_tag(data: bytes, path: tuple[int, ...]) -> bytes:
    """Give the field at the end of ``path`` a tag of five bytes, whose 33rd bit protobuf drops."""
    out = b""
    for number, value, stop in Reader(data).fields((0, len(data))):
        tag = number << 3 | (2 if stop >= 0 else 0)
        if stop < 0:
            out += varint(tag) + varint(value)
            continue
        content = data[value:stop]
        if number == path[0]:
            content = with_wide_tag(content, path[1:]) if path[1:] else content
            tag += 0 if path[1:] else 2**32
        out += varint(tag) + varint(len(content)) + content
    return out


def test_tags_that_protobuf_cuts_to_32_bits_hide_nothing(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    gelu = model(opset_imports=opsets)
    gelu.graph.node.append(helper.make_node("Gelu", ["probability"], ["unused"], domain="com.microsoft"))
    function = helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets[:1])
    training = model()
    training.training_info.add()
    seen = with_wide_tag(gelu.SerializeToString(), (7, 1, 7))
    assert open_session(seen)  # to it the domain isn't hidden
    hidden = {
        "domain": (gelu, (7, 1, 7)),
        "external": (external("/etc/passwd"), (7, 5, 13)),
        "location": (external("/etc/passwd"), (7, 5, 13, 2)),
        "functions": (model(functions=[function]), (25,)),
        "training": (training, (20,)),
    }
    for name, (made, path) in hidden.items():
        (tmp_path / name).write_bytes(with_wide_tag(made.SerializeToString(), path))
        with pytest.raises(ModelFormatError, match=r"not an ONNX file, or a truncated one$"):
            screen(tmp_path / name)


@pytest.mark.parametrize("field", [b"\x00\x00", b"\x02\x00", b"\x7b\x7c", b"\x7c"])
def test_field_zero_and_groups_are_refused(field: bytes, tmp_path: Path) -> None:
    assert refusal(model().SerializeToString() + field, tmp_path / "x.onnx") == "not an ONNX file, or a truncated one"


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    def message(number: int, content: bytes) -> bytes:
        size = len(content)
        return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]) + content

    graph = b""
    for _ in range(5000):  # node, attribute, graph
        graph = message(1, message(5, message(6, graph)))
    nested = b"\x08\x08" + message(8, b"\x10\x12") + message(7, graph)
    assert "nested more than 32 deep" in refusal(nested, tmp_path / "x.onnx")


def test_a_file_above_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "MAX_FILE_BYTES", 100)
    assert "bytes, at most 100 are read" in refusal(model(), tmp_path / "x.onnx")


def test_every_cut_is_refused(tmp_path: Path) -> None:
    whole = model().SerializeToString()
    for end in range(0, len(whole), 23):
        assert refusal(whole[:end], tmp_path / "x.onnx")


@pytest.mark.parametrize("version", [0, 99])
def test_an_unknown_ir_version_is_refused(version: int, tmp_path: Path) -> None:
    assert refusal(model(ir_version=version), tmp_path / "x.onnx")


def test_an_opset_is_needed(tmp_path: Path) -> None:
    made = model()
    del made.opset_import[:]
    assert refusal(made, tmp_path / "x.onnx") == "not an ONNX file, or a truncated one"


def test_a_shipped_model_that_is_another_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the card beside it was changed with it: the hash is in the code."""
    monkeypatch.setattr(cards, "ZOO", tmp_path)
    onnx.save(model(), tmp_path / "unet.onnx")
    digest = hashlib.sha256((tmp_path / "unet.onnx").read_bytes()).hexdigest()
    for card in ("json", "md"):
        (tmp_path / f"unet.{card}").write_text(json.dumps({"name": "unet", "sha256": digest}))
    problem = f"isn't the model that ships: its SHA-256 is {digest}, expected {SHA256['unet']}; install hybridseg again"
    with pytest.raises(ModelFormatError) as caught:
        registry.create("unet.onnx")
    assert str(caught.value) == f"{tmp_path / 'unet.onnx'}: {problem}"
    (tmp_path / "scan.png").write_bytes(b"")
    for command in (["segment", str(tmp_path)], ["models", "--copy", "unet", "-o", str(tmp_path / "new")]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 2 and problem in done.stderr


def test_mutated_files_end_in_one_line_or_a_mask(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "plain.onnx")
    onnx.save(external("w.bin", nested=True), tmp_path / "external.onnx")
    done = subprocess.run(
        [sys.executable, FUZZ, "plain.onnx", "external.onnx", "--count", "120"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = {end: int(count) for count, end in (part.split() for part in done.stdout.split(", "))}
    assert counts["unexpected"] == 0
    assert counts["refused"] > 60
    assert sum(counts.values()) == 120


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (lambda: model([helper.make_node("Evil", ["image"], ["mask"], domain="com.evil")]), "operator 'Evil'"),
        (lambda: external("weights.bin"), "weights in another file, 'weights.bin'"),
        (lambda: external("/etc/passwd", nested=True), "weights in another file, '/etc/passwd'"),
        (None, "not ONNX, or truncated"),
    ],
)
def test_network_inside_a_saved_model_is_screened(tmp_path: Path, network: Any, why: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    data = network().SerializeToString() if network else b"\x08"
    path = tmp_path / "m.hybridseg"
    state = {"network_": np.frombuffer(data, np.uint8)}
    write_model_file(path, "hybridseg.unet.segmenter:UNetSegmenter", {}, state)
    with pytest.raises(ModelFormatError, match=why) as refused:
        hybridseg.load(path)
    assert str(refused.value).isprintable()


def test_a_saved_model_without_its_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.hybridseg"
    write_model_file(path, "hybridseg.unet.segmenter:UNetSegmenter", {}, {"fingerprints_": np.zeros((1, 18), np.uint8)})
    with pytest.raises(ModelFormatError, match=r"what it has learned doesn't fit .*: .* no attribute 'network_'"):
        hybridseg.load(path)
