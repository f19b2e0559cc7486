"""Export keeps only what agrees; `OnnxSegmenter` runs every file of our signature and refuses the rest."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("spox")

import onnx
import spox
import spox.opset.ai.onnx.v18 as op
from onnx import TensorProto, helper

from hybridseg import ModelFormatError, OperatingPoint, Segmenter, Tags, check_segmenter, clone
from hybridseg.onnx import OnnxSegmenter, ParityError, assemble, describe, exporting
from hybridseg.onnx.pieces.batch import const
from hybridseg.onnx.pieces.threshold import apply_operating_point
from hybridseg.onnx.quantise import export_smaller
from hybridseg.registry import load


class Darkness(Segmenter):
    """Darker is more likely: enough of a method to export."""

    operating_point = OperatingPoint(threshold=0.7, largest_only=True, min_area_fraction=0.005)

    def __init__(self, *, offset: float = 0.0) -> None:
        self.offset = offset

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.float32(1) - image.astype(np.float32) / np.float32(255)

    def _to_onnx(self) -> Any:
        def single(image: spox.Var) -> tuple[spox.Var, spox.Var]:
            grey = op.div(op.cast(image, to=np.float32), const(255, np.float32))
            probability = op.clip(
                op.sub(const(1 + self.offset, np.float32), grey), const(0, np.float32), const(1, np.float32)
            )
            return apply_operating_point(probability, self.current_operating_point), probability

        return assemble(single)


class Unexportable(Darkness):
    tags = Tags(exportable=False, export_reason="it asks a neighbour")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "darkness.onnx"
    report = Darkness().to_onnx(path, licence="Apache-2.0")
    assert report.passed
    assert report.differing_pixels == 0
    assert report.max_probability_difference < 1e-6
    return path


def image(height: int = 40, width: int = 50, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def test_the_file_runs_like_the_method(exported: Path) -> None:
    model = load(exported)
    assert isinstance(model, OnnxSegmenter)
    np.testing.assert_array_equal(model.predict(image()), Darkness().predict(image()))
    np.testing.assert_allclose(model.predict_proba(image()), Darkness().predict_proba(image()), atol=1e-6)
    assert model.current_operating_point == Darkness.operating_point


def test_the_file_says_what_it_is(exported: Path) -> None:
    metadata = OnnxSegmenter.load(exported).metadata
    assert metadata["method"] == "Darkness"
    assert json.loads(metadata["params"]) == {"offset": 0.0}
    assert metadata["licence"] == "Apache-2.0"
    assert json.loads(metadata["parity"])["differing_pixels"] == 0
    assert "not for diagnosis" in metadata["use"]


def test_the_file_is_for_any_runtime_of_opset_18(exported: Path) -> None:
    model = onnx.load(exported)
    assert model.ir_version == 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]


def test_a_graph_that_disagrees_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"what was here before")
    with pytest.raises(ParityError, match=r"disagree.*pixels differ on \d+ images.*worst image"):
        Darkness(offset=0.1).to_onnx(tmp_path / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]
    assert (tmp_path / "x.onnx").read_bytes() == b"what was here before"


def test_nothing_lies_beside_the_file_while_it_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, compare = [], exporting.compare
    monkeypatch.setattr(exporting, "compare", lambda *given: beside.extend(tmp_path.iterdir()) or compare(*given))
    Darkness().to_onnx(tmp_path / "x.onnx")
    assert beside == []
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "x.onnx").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("export", [exporting.export, partial(export_smaller, weights="fp16", images=[], masks=[])])
def test_a_protected_file_is_left_alone_and_said_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, export: Any
) -> None:
    (tmp_path / "x.onnx").write_bytes(b"precious")
    (tmp_path / "x.onnx").chmod(0o444)
    monkeypatch.setattr(Darkness, "_to_onnx", lambda self: pytest.fail("no work before it is refused"))
    with pytest.raises(PermissionError, match=r"x\.onnx: is write-protected"):
        export(Darkness(), tmp_path / "x.onnx")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        export(Darkness(), tmp_path / "no" / "x.onnx")
    assert (tmp_path / "x.onnx").read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_an_unexportable_method_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="it asks a neighbour"):
        Unexportable().to_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_batch_equals_its_images_one_by_one(exported: Path, count: int) -> None:
    model = OnnxSegmenter.load(exported)
    batch = np.stack([image(seed=seed) for seed in range(count)])[..., np.newaxis]
    masks, probabilities = model.run_batch(batch)
    assert masks.shape == probabilities.shape == (count, 40, 50, 1)
    for index in range(count):
        np.testing.assert_array_equal(masks[index, :, :, 0], model.predict(batch[index, :, :, 0]))


def test_two_threads_decide_as_one(exported: Path) -> None:
    one, two = OnnxSegmenter(path=exported), OnnxSegmenter(path=exported, threads=2)
    np.testing.assert_array_equal(one.predict(image(300, 400)), two.predict(image(300, 400)))


def test_copies_open_the_file_themselves(exported: Path) -> None:
    model = OnnxSegmenter.load(exported)
    expected = model.predict(image())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), clone(model)):
        np.testing.assert_array_equal(other.predict(image()), expected)


def test_it_meets_the_contract(exported: Path) -> None:
    check_segmenter(OnnxSegmenter(path=str(exported)))


def test_save_and_export_copy_the_file(exported: Path, tmp_path: Path) -> None:
    model = OnnxSegmenter.load(exported)
    model.save(tmp_path / "saved.onnx")
    assert (tmp_path / "saved.onnx").read_bytes() == exported.read_bytes()
    model.to_onnx(tmp_path / "again.onnx", owner="me")
    metadata = OnnxSegmenter.load(tmp_path / "again.onnx").metadata
    assert metadata == {**model.metadata, "owner": "me"}


def test_the_path_may_change(exported: Path) -> None:
    model = OnnxSegmenter(path="nowhere.onnx")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.onnx: no such file"):
        model.predict(image())
    assert model.set_params(path=str(exported)).predict(image()).shape == (40, 50)


def identity(name: str, kind: int, shape: list[Any]) -> Any:
    """A model that copies `image` to `mask` and makes a constant `probability` of the wrong kind."""
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], ["mask"]), helper.make_node("Identity", [name], ["probability"])],
        "identity",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info(out, kind, shape) for out in ("mask", "probability")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    ("name", "kind", "shape", "message"),
    [
        ("x", TensorProto.UINT8, ["N", "H", "W", 1], "expected one input `image`, got `x`"),
        ("image", TensorProto.FLOAT, ["N", "H", "W", 1], r"`image` must be tensor\(uint8\)"),
        ("image", TensorProto.UINT8, ["N", 1, "H", "W"], r"`image` must be \[N, H, W, 1\] .* got \['N', 1,"),
        ("image", TensorProto.UINT8, ["N", 64, 64, 1], r"`image` must be \[N, H, W, 1\]"),
        ("image", TensorProto.UINT8, ["N", "H", "W", 1], r"`probability` must be tensor\(float\)"),
    ],
)
def test_another_signature_is_refused(tmp_path: Path, name: str, kind: int, shape: list[Any], message: str) -> None:
    onnx.save(identity(name, kind, shape), tmp_path / "x.onnx")
    with pytest.raises(ModelFormatError, match=message):
        OnnxSegmenter.load(tmp_path / "x.onnx")


def test_what_is_not_onnx_is_refused_in_one_line(exported: Path, tmp_path: Path) -> None:
    whole = exported.read_bytes()
    for name, data in {
        "empty": b"",
        "text": b"this is not a model\n" * 9,
        "cut": whole[: len(whole) // 2],
        "barely-cut": whole[:-100],
    }.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        with pytest.raises(ModelFormatError, match=f"{name}.onnx: ") as caught:
            OnnxSegmenter.load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelFormatError, match="got a folder"):
        OnnxSegmenter.load(tmp_path)


def test_a_future_opset_and_an_unknown_operator_are_refused(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    model.opset_import[0].version = 9999
    onnx.save(model, tmp_path / "future.onnx")
    with pytest.raises(ModelFormatError, match=r"can't run it: .*9999"):
        OnnxSegmenter.load(tmp_path / "future.onnx")
    model = onnx.load(exported)
    model.graph.node[0].op_type = "Levitate"
    onnx.save(model, tmp_path / "unknown.onnx")
    with pytest.raises(ModelFormatError, match=r"can't run it: .*Levitate"):
        OnnxSegmenter.load(tmp_path / "unknown.onnx")


def test_missing_external_data_is_refused(tmp_path: Path) -> None:
    model = identity("image", TensorProto.UINT8, ["N", "H", "W", 1])
    zeros = np.zeros(1000, np.float32).tobytes()
    model.graph.initializer.append(helper.make_tensor("weights", TensorProto.FLOAT, [1000], zeros, raw=True))
    model.graph.node.append(helper.make_node("Identity", ["weights"], ["unused"]))
    onnx.save(model, tmp_path / "x.onnx", save_as_external_data=True, location="weights.bin")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelFormatError, match=r"x\.onnx: .*weights\.bin"):
        OnnxSegmenter.load(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((4, 4), np.float32), "must be uint8"),
        (np.zeros((4, 4, 1), np.uint8), "must be 2-D"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000)), "at most"),
    ],
)
def test_bad_images_are_refused(exported: Path, wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OnnxSegmenter.load(exported).predict(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 4, 4, 1), np.float32), r"must be a uint8 array \[N, H, W, 1\], got float32 \(2, 4, 4, 1\)"),
        (np.zeros((4, 4), np.uint8), r"got uint8 \(4, 4\)"),
        (np.zeros((2, 1, 4, 4), np.uint8), r"got uint8 \(2, 1, 4, 4\)"),
        ([[[[0]]]], "got list"),
        (np.zeros((0, 4, 4, 1), np.uint8), "at least one image"),
        (np.zeros((2, 0, 4, 1), np.uint8), "at least one pixel"),
        (np.broadcast_to(np.uint8(0), (1, 10_000, 10_000, 1)), "at most"),
    ],
)
def test_bad_batches_are_refused(exported: Path, wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OnnxSegmenter.load(exported).run_batch(wrong)


def test_a_file_with_weights_beside_it_is_saved_whole(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    zeros = np.zeros(1000, np.float32).tobytes()
    model.graph.initializer.append(helper.make_tensor("weights", TensorProto.FLOAT, [1000], zeros, raw=True))
    model.graph.node.append(helper.make_node("Identity", ["weights"], ["unused"]))
    (tmp_path / "parts").mkdir()
    onnx.save(model, tmp_path / "parts" / "x.onnx", save_as_external_data=True, location="weights.bin")
    OnnxSegmenter.load(tmp_path / "parts" / "x.onnx").save(tmp_path / "whole.onnx")
    found = OnnxSegmenter.load(tmp_path / "whole.onnx").predict(image())
    np.testing.assert_array_equal(found, Darkness().predict(image()))


def test_a_copy_claims_no_parity_of_its_own(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    kept = [entry for entry in model.metadata_props if entry.key != "hybridseg.parity"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, tmp_path / "x.onnx")
    OnnxSegmenter.load(tmp_path / "x.onnx").to_onnx(tmp_path / "again.onnx")
    assert "parity" not in OnnxSegmenter.load(tmp_path / "again.onnx").metadata


@pytest.mark.parametrize("threads", [0, 1.5, True])
def test_bad_threads_are_refused(exported: Path, threads: Any) -> None:
    with pytest.raises(ValueError, match="`threads` must be an integer of at least 1"):
        OnnxSegmenter(path=exported, threads=threads).predict(image())


def test_running_a_file_imports_nothing_heavy(exported: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from hybridseg.registry import load\n"
        f"model = load({str(exported)!r})\n"
        "model.predict(np.zeros((9, 9), np.uint8))\n"
        "heavy = {'scipy', 'onnx', 'spox', 'skimage', 'sklearn', 'tensorflow'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_describe_reads_without_running(exported: Path) -> None:
    found = describe(exported)
    assert found.inputs == {"image": "uint8 [N, H, W, 1]"}
    assert found.outputs == {"mask": "uint8 [N, H, W, 1]", "probability": "float32 [N, H, W, 1]"}
    assert found.opsets == {"ai.onnx": 18}
    assert found.operators["Loop"] == 3  # over images, and one in each of two component searches
    assert found.size_bytes == exported.stat().st_size
    assert found.metadata["method"] == "Darkness"


def test_describe_counts_multiply_adds(tmp_path: Path) -> None:
    # 5 output channels of 6 x 7 pixels, each from 3 channels of 3 x 3, then [1, 210] times [210, 4].
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["y"], ["flat"]),
        helper.make_node("Gemm", ["flat", "v"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 6, 7])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [5, 3, 3, 3], np.zeros(135)),
            helper.make_tensor("v", TensorProto.FLOAT, [210, 4], np.zeros(840)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, tmp_path / "x.onnx")
    found = describe(tmp_path / "x.onnx")
    assert found.multiply_adds == 5 * 6 * 7 * 3 * 3 * 3 + 210 * 4
    assert found.parameters == 135 + 840
    assert found.operators == {"Conv": 1, "Flatten": 1, "Gemm": 1}


def test_describe_refuses_what_is_not_onnx(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelFormatError, match="not an ONNX file"):
        describe(tmp_path / "x.onnx")


def test_describe_refuses_a_graph_that_contradicts_itself(exported: Path, tmp_path: Path) -> None:
    kind, twice = onnx.load(exported), onnx.load(exported)
    kind.graph.input[0].type.tensor_type.elem_type = 999
    twice.graph.node.append(helper.make_node("Add", ["image"], ["more"]))
    for number, model in enumerate((kind, twice)):
        onnx.save(model, tmp_path / f"{number}.onnx")
        with pytest.raises(ModelFormatError, match=rf"{number}\.onnx: its graph can't be read: .*(999|Add)") as caught:
            describe(tmp_path / f"{number}.onnx")
        assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spox", None)
    with pytest.raises(ImportError, match=r'pip install "hybridseg\[export\]"'):
        Darkness().to_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
