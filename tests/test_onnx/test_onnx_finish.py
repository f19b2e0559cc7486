"""What every graph goes through before it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("spox")

import spox
import spox.opset.ai.onnx.v18 as op
from onnx import TensorProto, checker, helper

from hybridseg.onnx import assemble
from hybridseg.onnx.finish import finish, graphs, simplify
from hybridseg.onnx.pieces.batch import const
from hybridseg.onnx.runtime import open_session
from hybridseg.onnx.storing import store_smaller

TABLE = np.linspace(0, 1, 256, dtype=np.float32)


def looking_up() -> Any:
    """A graph whose loop holds a table of 256 numbers: a grey level's probability."""

    def single(image: spox.Var) -> tuple[spox.Var, spox.Var]:
        probability = op.gather(const(TABLE, np.float32), op.cast(image, to=np.int64), axis=0)
        return op.greater(probability, const(0.5, np.float32)), probability

    return assemble(single)


def run(model: Any) -> Any:
    session = open_session(model.SerializeToString())
    return session.run(["probability"], {"image": np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)})[0].ravel()


@pytest.mark.parametrize("halved", [False, True])
def test_halved_weights_leave_the_loops_and_nothing_else_changes(halved: bool) -> None:
    model = looking_up()
    if halved:
        store_smaller(model.graph)
    before = run(model)
    finish(model)
    assert [list(tensor.dims) for tensor in model.graph.initializer] == ([[256]] if halved else [])
    np.testing.assert_array_equal(run(model), before)
    np.testing.assert_allclose(before, TABLE, atol=1e-3 if halved else 0)


def test_a_name_that_two_tensors_bear_stays_where_it_is() -> None:
    model = looking_up()
    store_smaller(model.graph)
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    (table,) = loop.attribute[0].g.initializer
    model.graph.node.insert(0, helper.make_node("Identity", ["image"], [table.name]))
    finish(model)
    assert not model.graph.initializer


def test_a_simpler_graph_has_fewer_nodes_and_the_same_result() -> None:
    model = looking_up()
    simple = simplify(model)
    assert sum(len(graph.node) for graph in graphs(simple.graph)) < sum(len(g.node) for g in graphs(model.graph))
    np.testing.assert_array_equal(run(simple), run(model))


def test_a_graph_that_cannot_run_is_refused_in_one_line() -> None:
    model = looking_up()
    model.graph.node[0].op_type = "Levitate"
    with pytest.raises(ValueError, match=r"onnxruntime can't run it: .*Levitate") as caught:
        simplify(model)
    assert "\n" not in str(caught.value)


def test_operator_sets_that_nothing_uses_are_dropped() -> None:
    model = looking_up()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))
    finish(model)
    assert [entry.domain for entry in model.opset_import] == [""]


def test_newer_operators_than_promised_are_refused() -> None:
    model = looking_up()
    model.opset_import[0].version = 19
    with pytest.raises(ValueError, match="operators of set 19, at most 18 is written"):
        finish(model)


def test_names_are_short_inside_and_kept_outside() -> None:
    model = looking_up()
    before = run(model)
    finish(model)
    ends = {value.name for value in (*model.graph.input, *model.graph.output)}
    assert ends == {"image", "mask", "probability"}
    nodes = [node for graph in graphs(model.graph) for node in graph.node]
    assert len(nodes) > 5
    inside = {name for node in nodes for name in (*node.input, *node.output)} - ends
    assert max(map(len, inside)) <= 4
    assert not any(node.name for node in nodes)
    np.testing.assert_array_equal(run(model), before)
    finish(model)
    np.testing.assert_array_equal(run(model), before)


def test_an_output_called_as_numbers_are_keeps_its_name_to_itself() -> None:
    model = looking_up()
    before = run(model)
    model.graph.node.append(helper.make_node("Identity", ["mask"], ["v3"]))
    model.graph.output.append(helper.make_tensor_value_info("v3", TensorProto.UINT8, ["N", "H", "W", 1]))
    finish(model)
    checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run(model), before)
