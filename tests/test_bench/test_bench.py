"""The harness: what a run folder says, what is printed, and what ends a run before it starts."""

from __future__ import annotations

import csv
import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from _methods import DATA, bench, rows
from click.testing import CliRunner

from hybridseg.bench import RunError, make_plan, read_run, run_plan, summarize
from hybridseg.bench.method import create_method, source_hash
from hybridseg.bench.tables.run import render
from hybridseg.cli import main
from hybridseg.data import grouped_folds, load_dataset
from hybridseg.data.files import write_folder
from hybridseg.images import ImageError


def test_one_method_written_in_two_ways_is_refused(tmp_path: Path) -> None:
    result = bench("-m", "otsu", "-m", "otsu[]", "--folds", 3, "-o", tmp_path / "run")
    assert result.exit_code == 2 and "are one method with the same parameters" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_method_whose_training_needs_a_missing_package_ends_the_run_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "missing_backend")
    assert bench("-m", "unet", "--folds", 3, "--dry-run").exit_code == 0  # nothing is trained
    result = bench("-m", "unet", "--folds", 3, "-o", tmp_path / "run")
    assert result.exit_code == 2 and "training UNetSegmenter needs" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_folder_among_the_data_is_refused(tmp_path: Path) -> None:
    write_folder(load_dataset("phantoms[n=6]"), tmp_path / "data")
    for output in (tmp_path / "data" / "run", tmp_path / "data"):
        arguments = ["bench", "--data", str(tmp_path / "data"), "-m", "otsu", "--no-cost", "-o", str(output)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2 and "lies in the folder of the data" in result.stderr
    assert not (tmp_path / "data" / "run").exists()


def test_a_seed_that_the_spec_sets_stays_whatever_the_blanks() -> None:
    for spec, seed in (
        ("random-forest[random_state=5]", 5),
        ("random-forest[ random_state = 5 ]", 5),
        ("random-forest[n_trees=9]", 3),
    ):
        assert create_method("hybridseg.registry:create", spec, 3, as_given=False).random_state == seed


def test_table_is_recomputable_from_the_rows(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = bench("-m", f"{methods}:Dark", "-m", f"{methods}:Nothing", "--folds", 3, "-o", out, "--format", "json")
    assert result.exit_code == 0, result.output
    table = {each["method"]: each for each in json.loads(result.stdout)["methods"]}
    by_hand: dict[str, list[float]] = {}
    for row in rows(out):
        tp, fp, fn = (int(row[name]) for name in ("tp", "fp", "fn"))
        if tp + fn:
            by_hand.setdefault(row["method"], []).append(tp / (tp + fp + fn))
    assert set(by_hand) == set(table)
    for method, values in by_hand.items():
        assert table[method]["iou"] == pytest.approx(np.mean(values))
        assert table[method]["lesion_images"] == len(values)
    nothing = table[f"{methods}:Nothing"]
    assert (nothing["iou"], nothing["missed"], nothing["false_positive_rate"]) == (0.0, 1.0, 0.0)
    assert len(rows(out)) == 24
    assert {(row["method"], row["case_id"]) for row in rows(out)} == {
        (method, case.case_id) for method in table for case in load_dataset(DATA)
    }


def test_run_folder_says_what_made_it(methods: Path, tmp_path: Path) -> None:
    bench("-m", f"{methods}:Nothing", "--folds", 3, "-o", tmp_path / "run")
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    assert description["plan"]["seed"] == 0
    assert len(description["plan"]["data"]) == 64
    session = description["sessions"][0]
    assert session["command"][0] == "hybridseg"
    assert session["end"] >= session["start"]
    assert "numpy" in json.dumps(session)


@pytest.mark.parametrize("form", ["text", "md", "csv", "json"])
def test_every_format_says_the_same(methods: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "run"
    bench("-m", f"{methods}:Dark", "--folds", 3, "-o", out)
    summary = summarize(out)
    text = render(summary, form)
    if form == "csv":
        (row,) = csv.DictReader(text.splitlines())
        assert float(row["iou"]) == pytest.approx(summary.methods[0].iou)
    elif form == "json":
        assert json.loads(text)["methods"][0]["iou"] == summary.methods[0].iou
    else:
        assert f"{summary.methods[0].iou:.3f}" in text
        assert "Empty masks:" in text
    if form == "text":
        assert max(map(len, text.splitlines())) <= 100


def test_several_processes_give_the_same_rows(methods: Path, tmp_path: Path) -> None:
    for jobs, name in ((1, "one"), (2, "two")):
        assert bench("-m", f"{methods}:Dark", "--folds", 3, "-j", jobs, "-o", tmp_path / name).exit_code == 0
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_read_run_refuses_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="run"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError):
        read_run(tmp_path)


def test_cost_is_measured_in_a_process_of_its_own(methods: Path, tmp_path: Path) -> None:
    from hybridseg.bench import measure_cost

    image = np.full((60, 80), 90, np.uint8)
    os.environ.pop("HYBRIDSEG_DEBUG", None)
    cost = measure_cost("hybridseg.registry:create", f"{methods}:Nothing", [image] * 3)
    assert cost.get("error", "") == ""
    assert 0 < cost["warm_ms_median"] <= cost["warm_ms_p95"]
    assert cost["cold_ms"] > cost["warm_ms_median"]
    assert cost["peak_mib"] > 10
    assert cost["threads"] == 1


def test_an_image_that_cannot_be_read_ends_the_run_before_it_starts(methods: Path, tmp_path: Path) -> None:
    write_folder(load_dataset("phantoms[n=4]"), tmp_path / "data")
    dataset = load_dataset(tmp_path / "data")
    plan = make_plan(
        dataset, grouped_folds(dataset, 2), [f"{methods}:Nothing"], "hybridseg.registry:create", split_name="two"
    )
    last = dataset[-1].image_path
    last.write_bytes(last.read_bytes()[:5000])
    with pytest.raises(ImageError, match=last.name.replace("(", r"\(").replace(")", r"\)")):
        run_plan(plan, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_methods_key_follows_the_files_of_the_classes_it_is_made_from(tmp_path: Path, monkeypatch) -> None:
    keys = []
    for folder, value in (("first", 1), ("second", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "base_of_mine.py").write_text(
            f"from hybridseg import Segmenter\n\n\nclass Base(Segmenter):\n    x = {value}\n\n"
            "    def _predict_proba(self, image):\n        return image / 255\n"
        )
        (tmp_path / folder / "mine.py").write_text("from base_of_mine import Base\n\n\nclass Mine(Base):\n    pass\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / folder)
            keys.append(source_hash(importlib.import_module("mine").Mine).split(" "))
        del sys.modules["mine"], sys.modules["base_of_mine"]
    assert keys[0][0] == keys[1][0]
    assert keys[0][1] != keys[1][1]
