"""Benchmarks over several data sets: who learned from whom, in which fold, and what the table says of it."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridseg.bench import summarize
from hybridseg.cli import main
from hybridseg.data import Dataset, Split, grouped_folds, load_dataset
from hybridseg.data.crossing import Crossing, choose_data, parse_sources

METHODS = """
import numpy as np
from hybridseg import Segmenter, Tags


class Dark(Segmenter):
    tags = Tags(requires_fit=True)

    def _fit(self, images, masks, *, groups, validation, progress):
        self.level_ = float(np.mean([image[mask].mean() for image, mask in zip(images, masks) if mask.any()]))

    def _predict_proba(self, image):
        return (image < self.level_).astype(np.float32)


class Nothing(Segmenter):
    def _predict_proba(self, image):
        return np.zeros(image.shape, np.float32)
"""
SETS = ("a=phantoms[n=6,seed=0]", "b=phantoms[n=4,seed=50]", "c=phantoms[n=3,seed=90]")
DATA = [part for text in SETS for part in ("--data", text)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHODS)
    return tmp_path


def choose(*sets: str, **more) -> tuple[Dataset, Split | Crossing, str]:
    return choose_data(sets, folds=2, find_scenes=lambda found: found, **more)


def bench(*arguments: str) -> Result:
    given = ["bench", *DATA, "--folds", "2", "--no-cost", *arguments]
    return CliRunner().invoke(main, given, prog_name="hybridseg")


def rows(run: str) -> list[dict[str, str]]:
    with Path(run, "cases.csv").open() as stream:
        return [{key: value for key, value in row.items() if key != "predict_ms"} for row in csv.DictReader(stream)]


def test_the_model_of_a_fold_saw_that_fold_of_no_source() -> None:
    dataset, crossing, _ = choose(*SETS, train=["a+b"])
    assert isinstance(crossing, Crossing) and len(dataset) == 13
    (training,) = crossing.trainings
    alone = {
        name: [{f"{name}/{each}" for each in fold.test} for fold in grouped_folds(load_dataset(text), 2).folds]
        for name, text in parse_sources(SETS[:2]).items()
    }
    for number in range(2):
        held_out = alone["a"][number] | alone["b"][number]  # dealt in each source as if it were the only one
        assert set(training.folds[number].test) == held_out
        assert set(training.folds[number].train) == set.union(*alone["a"], *alone["b"]) - held_out
    whole = training.folds[2]
    assert set(whole.train) == set.union(*alone["a"], *alone["b"])
    assert {each.partition("/")[0] for each in whole.test} == {"c"}
    assert crossing.fold_names == ("0", "1", "all")


def test_each_training_predicts_each_case_once_and_names_what_it_saw() -> None:
    _, crossing, _ = choose(*SETS, train=["a", "b", "b+a"])
    assert isinstance(crossing, Crossing)
    assert [each.name for each in crossing.trainings] == ["a", "b", "a+b"]
    for training in (*crossing.trainings, crossing.untrained):
        tested = [case_id for fold in training.folds.values() for case_id in fold.test]
        assert len(tested) == len(set(tested)) == 13
    only_a = crossing.trainings[0]
    assert {each.partition("/")[0] for fold in only_a.folds.values() for each in fold.train} == {"a"}
    assert {each.partition("/")[0] for each in only_a.folds[2].test} == {"b", "c"}


def test_leaving_one_out_each_source_is_predicted_by_the_others() -> None:
    _, crossing, _ = choose(*SETS, train=["a+b"], leave_one_out=True)
    assert isinstance(crossing, Crossing)
    seen = defaultdict(set)
    for number, fold in crossing.trainings[0].folds.items():
        assert {each.partition("/")[0] for each in fold.test} == {crossing.fold_names[number]}
        seen[crossing.fold_names[number]] |= {each.partition("/")[0] for each in fold.train}
    assert seen == {"a": {"b"}, "b": {"a"}, "c": {"a", "b"}}


def test_one_table_says_how_each_line_does_on_each_set() -> None:
    arguments = ("--train", "a", "--train", "a+b", "-m", "mine.py:Dark", "-m", "mine.py:Nothing", "-o", "run")
    result = bench(*arguments)
    assert result.exit_code == 0, result.output
    assert re.search(r"method +a IoU \[95 % CI\] +b IoU \[95 % CI\] +c IoU \[95 % CI\] +worst", result.stdout)
    assert {(row["method"], row["trained_on"], row["tested_on"]) for row in rows("run")} == {
        *(("mine.py:Dark on a", "a", name) for name in "abc"),
        *(("mine.py:Dark on a+b", "a+b", name) for name in "abc"),
        *(("mine.py:Nothing", "", name) for name in "abc"),
    }
    lines = {line.method: line for line in summarize("run").methods}
    nothing, dark = lines["mine.py:Nothing"], lines["mine.py:Dark on a+b"]
    assert [(each.tested_on, each.iou, each.missed, each.false_positive_rate) for each in nothing.sets] == [
        ("a", 0.0, 1.0, 0.0), ("b", 0.0, 1.0, 0.0), ("c", 0.0, 1.0, None)
    ]  # fmt: skip
    of_b = [row for row in rows("run") if row["method"] == dark.method and row["tested_on"] == "b"]
    counts = [[int(row[name]) for name in ("tp", "fp", "fn")] for row in of_b if row["label"] != "normal"]
    ious = [each[0] / sum(each) for each in counts]
    assert dark.sets[1].iou == pytest.approx(sum(ious) / len(ious))
    assert (dark.title, dark.trained_on) == ("mine.py:Dark", "a+b")
    assert dark.worst_set is not None
    assert dark.worst_set.iou == min(each.iou for each in dark.sets if each.iou is not None)
    assert summarize("run").title.startswith("a + b + c: 13 cases scored")
    table = next(csv.DictReader(Path("run/table.csv").read_text().splitlines()))
    assert float(table["b iou"]) == summarize("run").methods[0].sets[1].iou

    whole = rows("run")
    for cell in list(Path("run/cells").iterdir())[::2]:  # as a kill leaves them: torn in the third line
        cell.write_bytes(b"".join(cell.read_bytes().splitlines(keepends=True)[:3])[:-5])
    assert bench(*arguments).exit_code == 0
    assert rows("run") == whole


def test_a_suite_says_who_teaches_and_who_examines() -> None:
    options = "train = ['a', 'a+b']\ntest = 'c'\nfolds = 2\nmethod = 'mine.py:Dark'"
    Path("suite.toml").write_text(f"data = {json.dumps(SETS)}\n{options}")
    result = CliRunner().invoke(main, ["bench", "suite.toml", "--dry-run"], prog_name="hybridseg")
    assert result.exit_code == 0, result.output
    assert re.findall(r"mine.py:Dark on (\S+) +(\S+ \(\d+\))\n", result.stdout) == [("a", "3 (6)"), ("a+b", "3 (10)")]


@pytest.mark.parametrize(("arguments", "words"), [
    (["--train", "d"], "no data set is called `d`; known: a, b, c"),
    (["--train", "a+d"], "no data set is called `d`"),
    (["--test", "d"], "no data set is called `d`"),
    (["--data", "phantoms"], "several data sets need a short name each: NAME=DIR, got `phantoms`"),
    (["--data", "a=phantoms"], "the short name `a` is given twice"),
    (["--data", "all=phantoms"], "the short name `all` is taken"),
    (["--split", "busi"], "with several data sets the split must be `grouped` or `published`, got `busi`"),
    (["--split", "published"], "`n_folds` must be none as published"),
    (["--train", "a", "--test", "a", "--leave-one-out"], "nobody is left to teach when `a` is left out"),
    (["--train", "a", "--train", "b", "--leave-one-out"], "leave-one-out takes one training"),
    (["--test-part"], "the test part is of one data set without a short name"),
    (["--fold", "3"], "`fold` must be 0 to 2"),
    (["--folds", "9"], "must be at most the number of groups"),
])  # fmt: skip
def test_what_cant_be_crossed_is_one_line(arguments: list[str], words: str) -> None:
    result = bench("-m", "mine.py:Dark", "-o", "run", *arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in result.stderr and len(result.stderr.splitlines()) == 1
    assert not Path("run").exists()


def test_one_source_without_a_name_takes_no_trainings() -> None:
    result = CliRunner().invoke(main, ["bench", "--train", "a", "-m", "mine.py:Dark"], prog_name="hybridseg")
    assert (result.exit_code, result.stdout) == (2, "") and "data sets need short names" in result.stderr
