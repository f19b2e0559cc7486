"""Cost: every number of threads in a process of its own, and a network counted from its graph."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridseg import Segmenter, Tags
from hybridseg.bench import make_plan, run_plan, summarize
from hybridseg.bench.plan import Plan
from hybridseg.bench.report import make_report, render_report
from hybridseg.bench.run import cost, costing
from hybridseg.bench.run.costing import measure_costs
from hybridseg.bench.tables.run import render
from hybridseg.data import grouped_folds, load_dataset
from hybridseg.data.crossing import Crossing, Training
from hybridseg.onnx.inspect import count_network
from hybridseg.processes.machine import thread_counts, usable_cores

METHODS = '''
import os

import numpy as np
from hybridseg import Segmenter


class Environment(Segmenter):
    """Fails unless it gets as many threads as the process was told."""

    def __init__(self, *, threads=1, fails=False):
        self.threads = threads
        self.fails = fails

    def _predict_proba(self, image):
        if self.fails or os.environ["OMP_NUM_THREADS"] != str(self.threads):
            raise RuntimeError(f"{self.threads} threads")
        return np.zeros(image.shape, np.float32)
'''


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    (tmp_path / "mine.py").write_text(METHODS)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    dataset = load_dataset("phantoms[n=2]")
    specs = [f"{tmp_path / 'mine.py'}:Environment", f"{tmp_path / 'mine.py'}:Environment[fails=true]"]
    return make_plan(dataset, grouped_folds(dataset, 2), specs, "hybridseg.registry:create", split_name="two")


@pytest.mark.parametrize(("cases", "expected"), [(1, range(1)), (20, range(20)), (39, range(0, 39, 2))])
def test_images_are_spread_evenly_over_the_test_cases(cases: int, expected: range) -> None:
    from hybridseg.bench.method import Method
    from hybridseg.bench.plan import Cell
    from hybridseg.bench.run.costing import sample_cases

    dataset = load_dataset(f"phantoms[n={cases}]")
    methods = (Method("any", "key", "m:M", {}, as_given=True),)
    cells = (Cell(methods[0], 0, "key", (), tuple(case.case_id for case in dataset)),)
    training = Training("", {})
    crossing = Crossing((training,), training, ("0",))
    plan = Plan(dataset, "one fold", "", 0, methods, cells, "", "", 1, crossing)
    assert [dataset.cases.index(case) for case in sample_cases(plan)] == list(expected)


def test_every_number_of_threads_has_a_process_and_a_line(plan: Plan, tmp_path: Path) -> None:
    run_plan(plan, tmp_path / "run")
    texts: list[str] = []
    costs = measure_costs(
        plan, tmp_path / "run", threads=(1, 3), counter="builtins:vars",
        progress=lambda done, total, text: texts.append(text),
    )  # fmt: skip
    works, fails = (costs[method.spec] for method in plan.methods)
    assert works["error"] == ""
    assert works["threads"] == 1
    assert works["fails"] is False  # what the counter said of the method: its attributes
    assert [(entry["threads"], entry["error"]) for entry in works["sweep"]] == [(1, ""), (3, "")]
    assert all(0 < entry["warm_ms_median"] <= entry["warm_ms_p95"] for entry in works["sweep"])
    assert fails["error"] == "RuntimeError: 1 threads"
    assert len(fails["sweep"]) == 1  # what fails with one thread isn't tried with more
    assert [text.rpartition(", ")[2] for text in texts] == ["1 thread", "3 threads", "1 thread"]
    before = {path: path.read_bytes() for path in (tmp_path / "run" / "costs").iterdir()}
    measure_costs(plan, tmp_path / "run")
    assert before == {path: path.read_bytes() for path in (tmp_path / "run" / "costs").iterdir()}


def test_measuring_is_a_session_of_the_run_and_says_what_it_measured(plan: Plan, tmp_path: Path) -> None:
    run_plan(plan, tmp_path / "run", command=["make", "rows"])
    for _ in range(2):  # the second time there is nothing to measure
        measure_costs(plan, tmp_path / "run", threads=(1,), command=["measure"])
    rows, measured = json.loads((tmp_path / "run/run.json").read_text())["sessions"]
    assert (rows["command"], "measured" in rows) == (["make", "rows"], False)
    assert measured["command"] == ["measure"]
    assert measured["measured"] == [method.spec for method in plan.methods]
    assert measured["start"] <= measured["end"] and measured["versions"]


def test_tables_show_the_sweep_and_the_network(plan: Plan, tmp_path: Path) -> None:
    run_plan(plan, tmp_path / "run")
    (tmp_path / "run" / "costs").mkdir(exist_ok=True)
    cost = {
        "cpu": "Chip A", "threads": 1, "warm_ms_median": 12.0, "warm_ms_p95": 15.0, "saved_bytes": 5, "error": "",
        "parameters": 3_759_104, "multiply_adds": 123_397_888,
        "sweep": [{"threads": 1, "warm_ms_median": 12.0}, {"threads": 2, "warm_ms_median": 7.25}],
    }  # fmt: skip
    (tmp_path / "run" / "costs" / f"{plan.methods[0].key[:24]}.json").write_text(json.dumps(cost))
    summary = summarize(tmp_path / "run")
    lines = render(summary, "text").splitlines()
    header = next(i for i, line in enumerate(lines) if "ms, 2 threads" in line)
    assert lines[header].split()[-4:] == ["parameters", "M", "multiply-adds", "G"]
    values = {tuple(line.split()[-3:]) for line in lines[header + 1 : header + 3]}
    assert ("7.2", "3.76", "0.12") in values
    assert max(map(len, lines)) <= 100
    assert "ms, 2 threads" in render(summary, "md")
    assert '""threads"": 2' in render(summary, "csv")


def test_peak_memory_is_none_where_the_system_does_not_tell_it(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_text

    def read_text(path: Path, *given: Any, **how: Any) -> str:
        if path == Path("/proc/self/status"):
            raise FileNotFoundError
        return read(path, *given, **how)

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert cost.peak_memory_mib() is None
    run_plan(plan, tmp_path / "run")
    np.savez(tmp_path / "images.npz", np.zeros((4, 5), np.uint8))
    request = {
        "factory": plan.factory, "model": None, "images": tmp_path / "images.npz", "counter": "",
        "answer": str(tmp_path / "answer.json"), "started": 0.0, "threads": 1,
    }  # fmt: skip
    answers = [cost.measure_here({**request, "spec": plan.methods[0].spec}), {"threads": 1, "error": "no"}]
    monkeypatch.setattr(costing, "measure_cost", lambda *given, **how: answers.pop(0))
    costs = measure_costs(plan, tmp_path / "run", threads=(1,))
    assert costs[plan.methods[0].spec]["peak_mib"] is None
    summary = summarize(tmp_path / "run")
    assert [method.peak_mib for method in summary.methods] == [None, None]
    assert "nan" not in render(summary, "md").lower() + render(summary, "csv").lower()
    assert "peak MiB" in render_report(make_report(tmp_path / "run"), "md")


def test_thread_counts_are_one_two_and_all() -> None:
    counts = thread_counts()
    assert counts[0] == 1
    assert counts[-1] == usable_cores()
    assert len(counts) == len(set(counts)) <= 3


class OneConvolution(Segmenter):
    """A graph with one convolution: 2 filters of 3 x 3 on 4 x 4 pixels."""

    network_ = b""

    def _predict_proba(self, image):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def _to_onnx(self):  # type: ignore[no-untyped-def]
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper

        weight = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "weight")
        node = helper.make_node("Conv", ["x", "weight"], ["y"], pads=[1, 1, 1, 1])
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 4])
        return helper.make_model(helper.make_graph([node], "one", [x], [y], [weight]))


class NoNetwork(OneConvolution):
    """The same, but for the network."""

    network_ = property()


class NotExportable(OneConvolution):
    """The same, declared not to be written."""

    tags = Tags(exportable=False, export_reason="it is a test")


def test_network_is_counted_from_its_graph() -> None:
    pytest.importorskip("spox")
    assert count_network(OneConvolution()) == {"parameters": 18, "multiply_adds": 2 * 4 * 4 * 9}
    assert count_network(NotExportable()) == {}
    assert count_network(NoNetwork()) == {}
