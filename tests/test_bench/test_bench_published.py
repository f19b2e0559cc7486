"""Choosing without a run, from what ships; bounds on mistakes and costs; the cost of exported files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from _reports import row
from _runs import write_rows
from click.testing import CliRunner, Result

from hybridseg.bench import make_plan, summarize
from hybridseg.bench.records.published import read_published
from hybridseg.bench.run.costing import measure_costs
from hybridseg.bench.run.running import run_plan
from hybridseg.bench.verdicts.budget import Budget
from hybridseg.bench.verdicts.recommend import recommend_method, recommend_stored
from hybridseg.cli import main
from hybridseg.cli.bench import default_methods
from hybridseg.data import load_dataset
from hybridseg.data.splits import grouped_folds
from hybridseg.zoo.cards import PUBLISHED, cards

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["recommend", *map(str, arguments)], prog_name="hybridseg")


def test_what_ships_is_what_the_results_say() -> None:
    path = ROOT / "benchmarks" / "training" / "publish.py"
    spec = importlib.util.spec_from_file_location("publish", path)
    assert spec is not None and spec.loader is not None
    publish = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(publish)
    for name, content in publish.published().items():
        assert (PUBLISHED / name).read_text("utf-8") == content, f"run {path.relative_to(ROOT)}"


def test_published_means_are_those_of_the_cards() -> None:
    stored, costs = read_published(PUBLISHED)
    for card in cards():
        assert costs[card["file"]]["ms_median"] == card["cost"]["ms_median"]
        for hospital, scores in card["hospitals"].items():
            found = recommend_stored(stored, costs, Budget(hospital=hospital))
            assert found.best.hospitals.keys() <= card["hospitals"].keys()
            for each in found.front:
                if each.method == card["file"]:
                    assert (each.mean, each.scenes) == (pytest.approx(scores["iou"], abs=1e-6), scores["scenes"])
                    assert each.hospitals[hospital] == pytest.approx(scores["iou"], abs=1e-6)


def test_without_a_run_a_shipped_model_is_named_and_its_file_given() -> None:
    result = run("--metric", "f1")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Take unet") and "at BUS-UCLM" in result.stdout
    assert "BUS-BRA F1" in result.stdout and "false alarm %" in result.stdout
    assert "\n  hybridseg models --copy unet" in result.stdout
    at_busi = json.loads(run("--hospital", "BUSI", "--max-ms", 10, "--format", "json").stdout)
    assert at_busi["chosen"]["method"] == "otsu.onnx"
    assert at_busi["commands"][0].startswith("hybridseg fit otsu --data DIR")
    unknown = run("--hospital", "elsewhere")
    assert unknown.exit_code == 2 and "must be one of BUS-BRA, BUS-UCLM, BUSI, got `elsewhere`" in unknown.stderr


# method: lesion images found, lesion-free images marked, of four each; p95, MiB, seconds to start
BOUNDED: dict[str, tuple[int, int, dict[str, Any]]] = {
    "eager": (4, 3, {"warm_ms_p95": 9.0, "peak_mib": 90.0, "cold_ms": 500.0}),
    "shy": (2, 0, {"warm_ms_p95": 30.0, "peak_mib": 50.0, "cold_ms": 200.0}),
    "silent": (3, 1, {"peak_mib": None, "cold_ms": None}),
}


@pytest.fixture
def bounded(tmp_path: Path) -> Path:
    rows = {}
    for method, (found, marked, _) in BOUNDED.items():
        rows[method] = [row(method, f"l{i}", (20, 0, 0, 80) if i < found else (0, 0, 20, 80)) for i in range(4)]
        rows[method] += [row(method, f"n{i}", (0, 1, 0, 99) if i < marked else (0, 0, 0, 100)) for i in range(4)]
    return write_rows(tmp_path / "run", rows, costs={method: cost for method, (*_, cost) in BOUNDED.items()})


@pytest.mark.parametrize(("limit", "method"), [
    ({}, "eager"), ({"max_false_alarms": 0.5}, "silent"), ({"max_false_alarms": 0.2}, "shy"),
    ({"max_missed": 0.1}, "eager"), ({"max_p95_ms": 10}, "eager"), ({"max_mib": 60}, "shy"),
    ({"max_start_s": 0.3}, "shy"),
])  # fmt: skip
def test_bounds_on_mistakes_and_costs(bounded: Path, limit: dict[str, float], method: str) -> None:
    chosen = recommend_method(bounded, Budget(**limit)).chosen
    assert chosen is not None and chosen.method == method
    assert (chosen.missed, chosen.false_alarms) == (1 - BOUNDED[method][0] / 4, BOUNDED[method][1] / 4)


def test_what_is_not_known_does_not_fit(bounded: Path) -> None:
    found = recommend_method(bounded, Budget(max_mib=10))
    assert found.chosen is None and found.nearest is not None and found.nearest.method == "shy"
    assert "Doesn't count as fitting, since not known: MiB of memory of silent." in found.notes
    result = run(bounded, "--max-missed", 30, "--max-false-alarms", 20)
    assert result.exit_code == 1
    assert "Nearest: silent, 25.0 % of lesion-free images with a mask, 5.0 too many." in result.stdout


def test_bench_without_options_includes_what_ships() -> None:
    assert {card["file"] for card in cards()} <= set(default_methods())


def test_cost_of_the_exported_file(tmp_path: Path) -> None:
    data = load_dataset("phantoms[n=2]")
    (tmp_path / "mine.py").write_text(
        "import hybridseg\nclass Mine(hybridseg.Segmenter):\n"
        "    def _predict_proba(self, image):\n        return (image < 50).astype('float32')\n"
    )
    mine = f"{tmp_path}/mine.py:Mine"
    methods = ["otsu-textbook", mine]
    plan = make_plan(data, grouped_folds(data, 2), methods, "hybridseg.registry:create", split_name="two")
    run_plan(plan, tmp_path / "run")
    costs = measure_costs(plan, tmp_path / "run", threads=(1,), as_exported=True)
    file = next((tmp_path / "run" / "models").glob("*.onnx"))
    assert costs["otsu-textbook"]["exported"] and costs["otsu-textbook"]["saved_bytes"] == file.stat().st_size
    assert costs[mine]["error"].startswith("no exported file: ")
    summary = summarize(tmp_path / "run")
    assert any("size of otsu-textbook: of the ONNX file exported from it." in note for note in summary.notes)
    assert any(note.startswith(f"{mine}: cost not measured: no exported file") for note in summary.notes)
    again = measure_costs(plan, tmp_path / "run", threads=(1,))
    assert not again["otsu-textbook"]["exported"] and again["otsu-textbook"]["saved_bytes"] < 10_000
    refused = CliRunner().invoke(main, ["bench", "--as-exported", "--no-cost"], prog_name="hybridseg")
    assert refused.exit_code == 2 and "not with --no-cost" in refused.stderr
