"""A session runs the model that was screened: no file hides another one, or other weights, behind it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spox")

import onnx
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from test_onnx_screening import external, model, refusal, varint

import hybridseg
from hybridseg import ModelFormatError, OnnxSegmenter
from hybridseg.cli import main
from hybridseg.images import write_image
from hybridseg.modelfile import write_model_file
from hybridseg.onnx.quantise import quantise_network
from hybridseg.onnx.runtime import import_onnxruntime, open_session, parse_screened

START = b"\x08\x08\x92\x00\x4f" + b"RTM".ljust(0x4F, b"-")
"""IR version 8, then the producer's name: its tag and its length are written such that bytes 4 to 8 are ``ORTM``."""
IMAGE = np.array([[10, 200]], np.uint8)


def inverted() -> Any:
    """The same model, but every pixel below 128 is lesion."""
    made = model()
    made.graph.node[4].op_type = "Less"
    return made


def in_own_format(made: Any, folder: Path) -> bytes:
    """What onnxruntime writes of a model in its own format."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "hidden.ort")
    onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return (folder / "hidden.ort").read_bytes()


def two_faced(shown: Any, hidden: Any, folder: Path) -> bytes:
    """The bytes of one model, with another one in a text that nobody reads.

    onnxruntime looks for the main table of its own format where the first four bytes say. A copy of that table is put
    there, followed by all that onnxruntime itself wrote of the hidden model.
    """
    inner = in_own_format(hidden, folder)
    (root,), (place,) = struct.unpack_from("<I", inner), struct.unpack_from("<I", START)
    layout = root - struct.unpack_from("<i", inner, root)[0]
    layout_size, table_size = struct.unpack_from("<HH", inner, layout)
    rest = place + (table_size + 7) // 8 * 8  # where `inner` begins: its numbers stay aligned to 8 bytes
    table = bytearray(table_size)
    struct.pack_into("<i", table, 0, layout_size)
    for (offset,) in struct.iter_unpack("<H", inner[layout + 4 : layout + layout_size]):
        if offset:
            target = root + offset + struct.unpack_from("<I", inner, root + offset)[0]
            struct.pack_into("<I", table, offset, rest + target - place - offset)
    tables = inner[layout : layout + layout_size] + table.ljust(rest - place, b"\0") + inner
    shown.ClearField("ir_version")
    head = START + shown.SerializeToString()
    padding = place - layout_size - len(head) - 5
    return head + b"\x32" + varint(padding + len(tables)) + bytes(padding) + tables


def mask(session: Any) -> list[int]:
    return session.run(["mask"], {"image": IMAGE[np.newaxis, :, :, np.newaxis]})[0].ravel().tolist()


def test_a_file_that_is_a_second_program_in_another_format_runs_nowhere(tmp_path: Path) -> None:
    data = two_faced(model(), inverted(), tmp_path)
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    assert [node.op_type for node in onnx.load(path).graph.node] == [node.op_type for node in model().graph.node]
    taken = import_onnxruntime().InferenceSession(data, providers=["CPUExecutionProvider"])
    assert mask(taken) == [1, 0]  # left to itself, onnxruntime runs the hidden one
    assert mask(open_session(data)) == [0, 1]
    why = "it is marked as a file of onnxruntime's own format (ORTM), expected ONNX"
    assert refusal(data, path) == why
    write_image(tmp_path / "scan.png", IMAGE)
    done = CliRunner().invoke(main, ["segment", "-m", str(path), str(tmp_path / "scan.png"), "-o", str(tmp_path / "o")])
    assert (done.exit_code, (tmp_path / "o").exists()) == (2, False)
    assert why in done.output
    saved = tmp_path / "m.hybridseg"
    write_model_file(saved, "hybridseg.unet.segmenter:UNetSegmenter", {}, {"network_": np.frombuffer(data, np.uint8)})
    with pytest.raises(ModelFormatError, match="onnxruntime's own format"):
        hybridseg.load(saved)
    with pytest.raises(ModelFormatError, match="onnxruntime's own format"):
        quantise_network(data, [])


def test_onnxruntimes_own_format_is_refused(tmp_path: Path) -> None:
    assert "onnxruntime's own format" in refusal(in_own_format(model(), tmp_path), tmp_path / "x.onnx")
    with pytest.raises(ModelFormatError):
        open_session(in_own_format(model(), tmp_path))


def test_a_file_that_changes_after_it_was_screened_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hybridseg.onnx import segmenter

    path = tmp_path / "x.onnx"
    onnx.save(model(), path)

    def swap(data: bytes, **options: Any) -> Any:
        onnx.save(inverted(), path)
        return open_session(data, **options)

    monkeypatch.setattr(segmenter, "open_session", swap)
    assert OnnxSegmenter.load(path).predict(IMAGE).ravel().tolist() == [False, True]


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    ("added", "why"),
    [
        (inverted().SerializeToString(), "a part that it may have once is there twice: field 1"),
        (field(7, inverted().graph.SerializeToString()), "a part that it may have once is there twice: field 7"),
        (b"\x08\x09", "a part that it may have once is there twice: field 1"),
        (field(1000, b"more"), "not an ONNX file, or something is mixed into it or follows it: field 1000"),
        (varint(24 << 3) + b"\x01", "not an ONNX file, or something is mixed into it or follows it: field 24"),
        (b"PK\x03\x04", "not an ONNX file, or something is mixed into it or follows it: field 10"),
        (b"#!/bin/sh\n", "not an ONNX file, or a truncated one"),
        (bytes(16), "not an ONNX file, or a truncated one"),
    ],
)
def test_what_follows_a_model_is_refused(tmp_path: Path, added: bytes, why: str) -> None:
    assert refusal(model().SerializeToString() + added, tmp_path / "x.onnx") == why


def with_graph(graph: bytes) -> bytes:
    made = model()
    made.ClearField("graph")
    return made.SerializeToString() + field(7, graph)


@pytest.mark.parametrize("number", [3, 4, 6, 7])
def test_a_node_with_two_names_is_refused(tmp_path: Path, number: int) -> None:
    node = model().graph.node[0].SerializeToString() + 2 * field(number, b"ai.onnx")
    why = f"a part that it may have once is there twice: field {number}"
    assert refusal(with_graph(field(1, node)), tmp_path / "x.onnx") == why


@pytest.mark.parametrize("sparse", [False, True])
def test_two_weights_of_one_name_are_refused(tmp_path: Path, sparse: bool) -> None:
    """onnxruntime takes the last of them, so whoever looks at the first sees another program."""
    made = model()
    made.graph.initializer.append(numpy_helper.from_array(np.float32([1]), "w"))
    again = numpy_helper.from_array(np.float32([2]), "w")
    if sparse:
        indices = numpy_helper.from_array(np.array([0]))
        made.graph.sparse_initializer.append(helper.make_sparse_tensor(again, indices, [1]))
    else:
        made.graph.initializer.append(again)
    assert refusal(made, tmp_path / "x.onnx") == "two weights of a graph have one name: 'w'"


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
def test_an_input_or_output_that_is_there_twice_is_refused(tmp_path: Path, kind: str) -> None:
    made = model()
    declared = made.graph.input if kind == "inputs" else made.graph.output
    declared.append(declared[0])
    assert refusal(made, tmp_path / "x.onnx") == f"two {kind} of a graph have one name: {declared[0].name!r}"


def test_an_attribute_with_two_graphs_is_refused(tmp_path: Path) -> None:
    body = helper.make_graph([], "body", [], []).SerializeToString()
    attribute = field(1, b"then_branch") + field(6, body) + field(6, body)
    node = field(4, b"If") + field(5, attribute)
    why = "a part that it may have once is there twice: field 6"
    assert refusal(with_graph(field(1, node)), tmp_path / "x.onnx") == why


@pytest.mark.parametrize("where", ["*/_ORT_MEM_ADDR_/*", "*/_ORT_NATIVE_ENDIAN_MEM_ADDR_/*"])
@pytest.mark.parametrize("nested", [False, True])
def test_weights_at_an_address_in_memory_are_refused(tmp_path: Path, where: str, nested: bool) -> None:
    (tmp_path / where).parent.mkdir(parents=True)
    (tmp_path / where).write_bytes(bytes(16))  # a file of that name, so that it isn't just missing
    made = external(where, nested=nested)
    why = f"its weights are at an address in memory, {where!r}, expected a file"
    assert refusal(made, tmp_path / "x.onnx") == why
    network = np.frombuffer(made.SerializeToString(), np.uint8)
    write_model_file(tmp_path / "m.hybridseg", "hybridseg.unet.segmenter:UNetSegmenter", {}, {"network_": network})
    with pytest.raises(ModelFormatError, match="weights in another file"):
        hybridseg.load(tmp_path / "m.hybridseg")


def test_settings_for_onnxruntime_are_refused(tmp_path: Path) -> None:
    made = model()
    made.metadata_props.add(key="ort_config", value='{"session_options": {"enable_profiling": 1}}')
    why = "its metadata holds settings for onnxruntime, `ort_config`, which aren't taken"
    assert refusal(made, tmp_path / "x.onnx") == why


def test_weights_in_another_file_are_looked_for_beside_the_model_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the same name in the working folder isn't meant."""
    made = external("w.bin")
    made.graph.node[2].input[1] = "weights"
    made.graph.initializer[0].dims[:] = [1]
    for folder, divisor in (("model", 255), ("work", 1000)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.bin").write_bytes(np.array([divisor], np.float32).tobytes())
    onnx.save(made, tmp_path / "model" / "x.onnx")
    monkeypatch.chdir(tmp_path / "work")
    for path in (tmp_path / "model" / "x.onnx", Path("../model/x.onnx")):
        assert OnnxSegmenter.load(path).predict_proba(IMAGE)[0, 1] == np.float32(200 / 255)
        (tensor,) = parse_screened(path).graph.initializer
        assert tensor.data_location == TensorProto.DEFAULT
        assert tensor.raw_data == np.array([255], np.float32).tobytes()
