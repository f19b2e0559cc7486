"""Recommending under a budget: costs and scores typed by hand."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _runs import write_rows
from click.testing import CliRunner, Result

from hybridseg.bench import Record, RunError, summarize
from hybridseg.bench.records.cells import CellFile, FitRecord
from hybridseg.bench.records.folder import RunFolder, write_json
from hybridseg.bench.verdicts.compare import compare_runs
from hybridseg.bench.verdicts.recommend import Budget, recommend_method
from hybridseg.cli import main
from hybridseg.zoo import cards

# method: true positives of 20 lesion pixels with nothing beside them (IoU tp / 20), ms, MB
METHODS = {
    "small": (10, 5.0, 1.0),
    "middle": (12, 15.0, 4.0),
    "big.onnx": (14, 50.0, 30.0),
    "beaten": (11, 60.0, 40.0),
}


def write_run(root: Path, methods: dict[str, tuple[int, float, float]] = METHODS, **description: Any) -> Path:
    rows = {
        spec: [Record(spec, 0, f"c{i}", f"c{i}", "", 10, 10, tp, 0, 20 - tp, 80, predict_ms=3.0) for i in range(8)]
        for spec, (tp, *_) in methods.items()
    }
    costs = {spec: {"warm_ms_median": ms, "saved_bytes": int(mb * 1e6)} for spec, (_, ms, mb) in methods.items()}
    command = ["hybridseg", "bench", "--no-cost", "--shard", "1/2", "-m", "a b", "-mc", "--method=d", "--output=run"]
    sessions = [{"cpu": "Chip A", "command": command}]
    return write_rows(
        root, rows, costs=costs, name=lambda number, spec: spec.replace(":", "-"),
        **{"sessions": sessions, **description},
    )  # fmt: skip


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["recommend", *map(str, arguments)], prog_name="hybridseg")


def test_most_accurate_within_the_budget_and_what_the_budget_costs(tmp_path: Path) -> None:
    found = recommend_method(write_run(tmp_path / "run"), Budget(max_ms=20, max_mb=5))
    assert found.chosen is not None and found.price is not None
    assert found.chosen.method == "middle"
    assert (found.chosen.mean, found.chosen.ms, found.chosen.mb) == (pytest.approx(0.6), 15.0, 4.0)
    assert found.best.method == "big.onnx"
    assert (found.price.mean, found.price.low, found.price.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.price.p_value == pytest.approx(6 * 2 / 2**8, abs=0.018)  # one of six pairs, Holm
    assert [each.method for each in found.front] == ["small", "middle", "big.onnx"]
    assert found.cheaper is not None and found.better is not None
    assert (found.cheaper.method, found.better.method) == ("small", "big.onnx")


def test_f1_is_another_metric(tmp_path: Path) -> None:
    found = recommend_method(write_run(tmp_path / "run"), Budget(max_ms=20, metric="f1"))
    assert found.chosen is not None
    assert found.chosen.mean == pytest.approx(2 * 12 / (2 * 12 + 8))


def test_budget_that_costs_nothing(tmp_path: Path) -> None:
    found = recommend_method(write_run(tmp_path / "run"), Budget(max_ms=1000))
    assert found.chosen == found.best
    assert (found.price, found.better) == (None, None)
    assert "It is the most accurate of all: the budget costs nothing." in run(tmp_path / "run", "--max-ms", 1000).output


def test_accuracy_alone_takes_the_fastest_that_reaches_it(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    for at_least, method in ((0.5, "small"), (0.52, "middle"), (0.61, "big.onnx")):
        found = recommend_method(tmp_path / "run", Budget(at_least=at_least))
        assert found.chosen is not None
        assert found.chosen.method == method


def test_front_is_over_what_the_budget_limits(tmp_path: Path) -> None:
    # heavy is as fast as small and better, yet larger: beaten only where size counts for nothing
    write_run(tmp_path / "run", {"small": (10, 5.0, 1.0), "heavy": (12, 5.0, 90.0)})
    by_time = recommend_method(tmp_path / "run", Budget(max_ms=20)).front
    by_both = recommend_method(tmp_path / "run", Budget(max_ms=20, max_mb=100)).front
    assert [each.method for each in by_time] == ["heavy"]
    assert [each.method for each in by_both] == ["small", "heavy"]


def test_nothing_fits_names_the_nearest_and_exits_with_1(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    found = recommend_method(tmp_path / "run", Budget(max_ms=4, max_mb=5))
    assert found.chosen is None and found.nearest is not None
    assert found.nearest.method == "small"
    result = run(tmp_path / "run", "--max-ms", 4, "--max-mb", 5)
    assert result.exit_code == 1
    assert "Nothing fits (at most 4 ms, at most 5 MB)." in result.stdout
    assert "Nearest: small, 5.0 ms, 1.0 too many." in result.stdout
    assert "Get it" not in result.stdout
    both = recommend_method(tmp_path / "run", Budget(max_ms=14, at_least=0.59))
    assert both.nearest is not None
    assert both.nearest.method == "middle"  # 7 % too slow; small is 18 % too bad


def test_text_says_what_to_take_and_how_to_get_it(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    text = run(root, "--max-ms", 20, "--max-mb", 5, "--metric", "f1", "--at-least", 0.7).stdout
    assert text.startswith("Take middle (at most 20 ms, at most 5 MB, F1 at least 0.7).")
    assert "The budget costs 0.074 F1 [0.074, 0.074], p = 0.0" in text  # 28/34 - 24/32
    assert "Next to it: middle is better than small by 0.083 F1" in text  # 24/32 - 20/30
    assert "beaten" not in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("  hybridseg")) <= 100
    assert text.rstrip().endswith("hybridseg export middle -o middle.onnx")


def test_how_to_get_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridseg.cli.recommend import get_lines

    write_run(tmp_path / "run")
    (tmp_path / "run" / "models" / "middle.hybridseg").write_bytes(b"")
    fitted = recommend_method(tmp_path / "run", Budget(max_ms=20)).chosen
    given = recommend_method(tmp_path / "run", Budget()).chosen
    assert fitted is not None and given is not None
    lines = get_lines(fitted, Path("run"))
    assert lines[0] == "hybridseg export run/models/middle.hybridseg -o middle.onnx"
    assert lines[2].startswith("hybridseg fit middle --data DIR")
    gone = ["# big.onnx, the file that was measured, isn't here any more"]
    assert get_lines(given, Path("run")) == gone
    (tmp_path / "zoo").mkdir()
    monkeypatch.setattr(cards, "ZOO", tmp_path / "zoo")
    shipped = tmp_path / "zoo" / "big.onnx"
    shipped.write_bytes(bytes(29_000_000))
    assert "isn't the file that was measured" in get_lines(given, Path("run"))[0]
    shipped.write_bytes(bytes(30_000_000))
    assert get_lines(given, Path("run")) == ["hybridseg models --copy big -o ."]
    assert "isn't the file" in get_lines(replace(given, sha256="0" * 64), Path("run"))[0]
    bracketed = replace(given, method="big.onnx[threads=2]")
    assert bracketed.is_onnx
    assert get_lines(bracketed, Path("run")) == ["hybridseg models --copy big -o ."]
    monkeypatch.chdir(tmp_path)
    Path("big.onnx").write_bytes(bytes(30_000_000))
    assert get_lines(bracketed, Path("run")) == ["cp big.onnx DIR/"]
    assert get_lines(given, Path("run")) == ["cp big.onnx DIR/"]


def test_method_whose_model_is_gone_is_fitted_anew(tmp_path: Path) -> None:
    from hybridseg.cli.recommend import get_lines

    found = recommend_method(write_run(tmp_path / "run", {"random-forest": (12, 5.0, 1.0)}), Budget()).chosen
    assert found is not None
    assert get_lines(found, tmp_path / "run")[1] == (
        "hybridseg fit random-forest --data DIR -o random-forest.hybridseg && "
        "hybridseg export random-forest.hybridseg -o random-forest.onnx"
    )


def test_what_a_run_folder_names_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridseg.cli.recommend import get_lines

    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text("open('ran', 'w')")
    found = recommend_method(write_run(tmp_path / "run", {"otsu": (12, 5.0, 1.0)}), Budget()).chosen
    assert found is not None
    lines = get_lines(replace(found, method="evil.py:Evil"), tmp_path / "run")
    assert lines[1] == "hybridseg export evil.py:Evil -o Evil.onnx"
    assert not Path("ran").exists()
    for line in get_lines(replace(found, method="x$(touch ran)"), tmp_path / "run"):
        subprocess.run(["sh", "-c", f"hybridseg() {{ :; }}; {line}"], check=True)
    assert not Path("ran").exists()


def test_file_is_taken_before_a_method_that_is_as_accurate(tmp_path: Path) -> None:
    methods = {"small": (12, 5.0, 1.0), "small.onnx": (12, 9.0, 3.0)}
    found = recommend_method(write_run(tmp_path / "run", methods), Budget(max_ms=20))
    assert found.chosen is not None and found.chosen.method == "small.onnx"
    assert not any("run from Python" in note for note in found.notes)
    cheap = recommend_method(tmp_path / "run", Budget(max_ms=6))
    assert any("run from Python" in note for note in cheap.notes)


def test_p_is_corrected_for_all_pairs(tmp_path: Path) -> None:
    found = recommend_method(write_run(tmp_path / "run"), Budget(max_ms=20, max_mb=5))
    assert found.price is not None
    single = recommend_method(
        write_run(tmp_path / "two", {name: METHODS[name] for name in ("middle", "big.onnx")}), Budget(max_ms=20)
    )
    assert single.price is not None
    assert found.price.p_value == pytest.approx(6 * single.price.p_value)  # all six are as sure as each other
    assert "p: Holm-corrected for all 6 pairs of the run's methods." in found.notes


def test_price_has_the_p_value_of_the_table(tmp_path: Path) -> None:
    """Also where some images are tested in several folds, and some not."""
    root = write_run(tmp_path / "run")
    description = json.loads((root / "run.json").read_text())
    for spec, better in (("middle", 3), ("big.onnx", -3)):
        description["cells"].append({"method": spec, "fold": 1, "file": f"{spec}-fold1-ab", "cases": 2})
        with CellFile(RunFolder(root).cell(f"{spec}-fold1-ab")) as file:
            file.append(FitRecord(1.0, {}))
            for i in range(2):
                tp = METHODS[spec][0] + better
                file.append(Record(spec, 1, f"c{i}", f"c{i}", "", 10, 10, tp, 0, 20 - tp, 80, predict_ms=3.0))
    write_json(root / "run.json", description)
    price = recommend_method(root, Budget(max_ms=20, max_mb=5)).price
    assert price is not None
    (pair,) = [each for each in summarize(root).comparisons if {each.first, each.second} == {"big.onnx", "middle"}]
    assert (price.mean, price.p_value) == (pytest.approx(pair.difference), pair.p_holm)
    assert price.mean == pytest.approx((6 * 0.1 + 2 * (0.1 - 0.3 / 2)) / 8)  # each image has one vote


def test_cheaper_neighbour_keeps_the_budget(tmp_path: Path) -> None:
    methods = {"tiny": (8, 1.0, 30.0), "small": (10, 5.0, 1.0), "big": (14, 50.0, 4.0)}
    found = recommend_method(write_run(tmp_path / "run", methods), Budget(max_ms=20, max_mb=5))
    assert found.chosen is not None and found.chosen.method == "small"
    assert found.cheaper is None  # tiny is faster, and too large


def test_busy_machine_is_said(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    path = RunFolder(root).cost("key small")
    write_json(path, {**json.loads(path.read_text()), "cores_used": 0.41})
    note = "TIMES ARE TOO LONG: the machine had other work; share of a core that a method got: small 41 %."
    assert note in recommend_method(root, Budget()).notes
    assert "small (A) 41 %" in "".join(compare_runs(root, root).notes)


def test_worthless_methods_are_json_too(tmp_path: Path) -> None:
    result = run(write_run(tmp_path / "run", {"none": (0, 1.0, 1.0)}), "--at-least", 0.5, "--format", "json")
    assert result.exit_code == 1
    json.loads(result.stdout, parse_constant=pytest.fail)


def test_json_is_the_same(tmp_path: Path) -> None:
    data = json.loads(run(write_run(tmp_path / "run"), "--max-ms", 20, "--format", "json").stdout)
    assert data["chosen"]["method"] == "middle"
    assert data["price"]["mean"] == pytest.approx(0.1)
    assert data["commands"] == ["hybridseg export middle -o middle.onnx"]


def test_run_without_cost_says_what_to_run(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    for path in (root / "costs").iterdir():
        path.unlink()
    result = run(root, "--max-ms", 20)
    assert (result.exit_code, result.stdout) == (2, "")
    methods = " ".join(f"-m {spec}" for spec in METHODS)  # those of the run, not those of its first command
    assert result.stderr == (
        f"hybridseg: {root}: no method's time and size were measured; run: hybridseg bench {methods} -o {root}\n"
    )


def test_methods_without_cost_are_left_out_by_name(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    (root / "costs" / "key middle.json").unlink()
    write_json(root / "costs" / "key small.json", {"threads": 1, "error": "ValueError: no"})
    found = recommend_method(root, Budget())
    assert {each.method for each in found.front} == {"big.onnx"}
    assert "Left out, no cost: middle (not measured)." in found.notes
    assert found.notes[-1] == "Empty masks: as ever"
    assert "Left out, no cost: small (ValueError: no)." in found.notes


def test_mixed_processors_are_said(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    cost = json.loads((root / "costs" / "key small.json").read_text())
    write_json(root / "costs" / "key small.json", {**cost, "cpu": "Chip B"})
    assert "TIMES DON'T COMPARE" in recommend_method(root, Budget(max_ms=20)).notes[0]


def test_bad_runs_and_budgets_are_one_line(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    write_run(tmp_path / "older", format_version=0)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "run.json").write_text("{")
    bare = write_run(tmp_path / "bare")
    for path in (bare / "cells").iterdir():
        path.unlink()
    for arguments, words in (
        ((tmp_path / "older",), "run folder of format 0"),
        ((tmp_path / "half",), "run.json is damaged"),
        ((tmp_path / "nowhere",), "nowhere: not a run folder"),
        ((bare,), "bare has no rows yet"),
        ((tmp_path / "run", "--max-ms", -1), "`max_ms` must be above 0, got -1.0"),
        ((tmp_path / "run", "--max-mb", "nan"), "`max_mb` must be above 0, got nan"),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1
    with pytest.raises(ValueError, match="`metric` must be one of"):
        Budget(metric="auc")
    with pytest.raises(RunError):
        recommend_method(tmp_path, Budget())


def test_half_done_run_is_said(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    cell = root / "cells" / "middle.jsonl"
    cell.write_bytes(cell.read_bytes()[:-20])
    assert "INCOMPLETE: middle has 7 of 8 rows." in recommend_method(root, Budget(max_ms=20)).notes
