"""Benchmarks over several data sets: who learned from whom, in which fold, and what the table says of it."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridseg.bench import read_run, summarize
from hybridseg.bench.records.folder import RunFolder
from hybridseg.bench.report import make_report
from hybridseg.cli import main
from hybridseg.data import Dataset, Split, grouped_folds, load_dataset
from hybridseg.data.crossing import Crossing, choose_data, parse_sources
from hybridseg.images import write_image, write_mask

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
SIZES = {"a": 6, "b": 4, "c": 3}
SETS = tuple(f"{name}={name}.csv" for name in SIZES)
DATA = [part for text in SETS for part in ("--data", text)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A method that learns, one that doesn't, and three small sets; the third image of each has no lesion."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHODS)
    rng = np.random.default_rng(0)
    for place, (name, size) in enumerate(SIZES.items()):
        lines = ["image,mask,group,label"]
        for number in range(size):
            mask = np.zeros((24, 32), bool)
            if number != 2:
                mask[4 : 12 + number, 6 : 20 + place] = True
            image = np.where(mask, 60 + 20 * place, 120) + rng.integers(-40, 40, mask.shape)
            stem = f"{name}{number}"
            write_image(f"{stem}.png", image.astype(np.uint8))
            write_mask(f"{stem}_mask.png", mask)
            lines.append(f"{stem}.png,{stem}_mask.png,patient {number},{'benign' if mask.any() else 'normal'}")
        Path(f"{name}.csv").write_text("\n".join(lines))
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
        ("a", 0.0, 1.0, 0.0), ("b", 0.0, 1.0, 0.0), ("c", 0.0, 1.0, 0.0)
    ]  # fmt: skip
    of_b = [row for row in rows("run") if row["method"] == dark.method and row["tested_on"] == "b"]
    counts = [[int(row[name]) for name in ("tp", "fp", "fn")] for row in of_b if row["label"] != "normal"]
    ious = [each[0] / sum(each) for each in counts]
    assert dark.sets[1].iou == pytest.approx(sum(ious) / len(ious))
    assert (dark.title, dark.trained_on) == ("mine.py:Dark", "a+b")
    assert dark.worst_set is not None
    assert dark.worst_set.iou == min(each.iou for each in dark.sets if each.iou is not None)
    assert replace(dark, sets=dark.sets[:1]).worst_set is None
    assert summarize("run").title.startswith("a + b + c: 13 cases scored")
    table = next(csv.DictReader(Path("run/table.csv").read_text().splitlines()))
    assert float(table["b iou"]) == summarize("run").methods[0].sets[1].iou

    whole = rows("run")
    for cell in list(Path("run/cells").iterdir())[::2]:  # as a kill leaves them: torn in the third line
        cell.write_bytes(b"".join(cell.read_bytes().splitlines(keepends=True)[:3])[:-5])
    assert bench(*arguments).exit_code == 0
    assert rows("run") == whole


def test_merged_shards_of_a_crossing_are_the_run() -> None:
    arguments = ("--train", "a", "--train", "a+b", "-m", "mine.py:Dark", "-m", "mine.py:Nothing")
    assert bench(*arguments, "-o", "whole").exit_code == 0
    cells = []
    for k in range(1, 5):  # nine cells: no four shards of one size
        result = bench(*arguments, "-o", f"part{k}", "--shard", f"{k}/4", *(("-j", "2") if k == 1 else ()))
        assert result.exit_code == 0, result.output
        cells.append(len(list(Path(f"part{k}/cells").iterdir())))
    assert sorted(cells) == [2, 2, 2, 3]
    given = ["merge", *(f"part{k}" for k in range(1, 5)), "-o", "merged"]
    assert CliRunner().invoke(main, given, prog_name="hybridseg").exit_code == 0
    assert rows("merged") == rows("whole") and len(rows("whole")) == 3 * 13
    merged, whole = (summarize(run) for run in ("merged", "whole"))
    assert [(line.method, line.sets) for line in merged.methods] == [(line.method, line.sets) for line in whole.methods]


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


# ---- trainings made elsewhere -------------------------------------------------------------------
def masks_of(run: str, method: str, folder: str) -> None:
    """Write the masks of a line as its models would have written them: a folder per fold."""
    description = json.loads(Path(run, "run.json").read_text())
    names = description.get("fold_names", ["0", "1"])
    for record in read_run(run)[1]:
        if record.method == method:
            stem = next(
                cell["file"] for cell in description["cells"]
                if (cell["method"], cell["fold"]) == (method, record.fold)
            )  # fmt: skip
            source, _, case = record.case_id.rpartition("/")
            target = Path(folder, f"fold{names[record.fold]}", source, f"{case}.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(RunFolder(Path(run)).mask(stem, record.case_id).read_bytes())


def score(*arguments: str) -> Result:
    truth = [part for text in SETS for part in ("--truth", text)]
    return CliRunner().invoke(main, ["score", *truth, "-o", "run", *arguments], prog_name="hybridseg")


def test_masks_of_a_training_made_elsewhere_are_a_line_out_of_fold() -> None:
    assert bench("--train", "a", "--train", "a+b", "-m", "mine.py:Dark", "-o", "run").exit_code == 0
    masks_of("run", "mine.py:Dark on a+b", "theirs")
    given = ("--pred", "theirs/fold{fold}", "--name", "net")
    for arguments, words in (
        (given, "trainings are a, a+b, got none"),
        ((*given, "--trained-on", "b"), "trainings are a, a+b, got `b`"),
        (("--pred", "theirs/fold0", "--trained-on", "a"), "write {fold} in their folder's name"),
        (("--pred", "theirs/fold{fold}", "--trained-on", "a+b"), "masks per fold need a name"),
    ):
        result = score(*arguments)
        assert (result.exit_code, result.stdout) == (2, "") and words in result.stderr, result.output
    result = score(*given, "--trained-on", "a+b")
    assert result.exit_code == 0, result.output
    ours, theirs = (
        # Masks tell no confidence.
        [{**row, "method": "", "raw_confidence": ""} for row in rows("run") if row["method"] == f"{name} on a+b"]
        for name in ("mine.py:Dark", "net")
    )
    assert len(theirs) == 13 and sorted(ours, key=str) == sorted(theirs, key=str)
    assert "†" not in result.stdout
    assert score(*given, "--trained-on", "a+b").exit_code == 0  # the same again replaces its rows
    assert len(rows("run")) == 3 * 13

    stranger = next(Path("theirs/fold0/a").iterdir())
    Path("theirs/fold1/a", stranger.name).write_bytes(stranger.read_bytes())
    result = score("--pred", "theirs/fold{fold}", "--name", "leaky", "--trained-on", "a+b")
    assert result.exit_code == 2
    assert f"theirs/fold1: has a mask of `a/{stranger.stem}` (1 such cases), which is for theirs/fold0" in result.stderr


def test_a_run_of_some_folds_takes_the_masks_of_these() -> None:
    some = ("--train", "b", "--train", "a+b", "--fold", "0", "--fold", "2", "-m", "mine.py:Dark", "-o", "run")
    assert bench(*some).exit_code == 0
    masks_of("run", "mine.py:Dark on a+b", "theirs")
    assert {path.name for path in Path("theirs").iterdir()} == {"fold0", "foldall"}
    assert len({row["case_id"] for row in rows("run")}) == 6 + 2 + 3  # by b alone all of a, which a+b needn't predict
    result = score("--pred", "theirs/fold{fold}", "--name", "net", "--trained-on", "a+b")
    assert result.exit_code == 0, result.output
    ours, theirs = ([row["case_id"] for row in rows("run") if row["method"] == f"{name} on a+b"]
                    for name in ("mine.py:Dark", "net"))  # fmt: skip
    assert sorted(theirs) == sorted(ours) and len(theirs) == 3 + 2 + 3
    lines = {line.method: line for line in summarize("run").methods}
    assert [each.iou for each in lines["net on a+b"].sets] == [each.iou for each in lines["mine.py:Dark on a+b"].sets]


def test_a_run_says_which_set_its_folds_do_not_test() -> None:
    result = bench("--train", "a+b", "--fold", "0", "-m", "mine.py:Dark", "-o", "run")
    assert result.exit_code == 0, result.output
    said = "NOT TESTED: c. Its cases are in fold 2, which was not run."
    assert said in " ".join(result.stdout.split())
    result = bench("--train", "a+b", "--fold", "0", "--fold", "2", "-m", "mine.py:Dark", "-o", "both")
    assert result.exit_code == 0 and "NOT TESTED" not in result.stdout


def test_masks_per_fold_join_a_run_over_one_data_set() -> None:
    given = ["bench", "--data", "a.csv", "--folds", "2", "--no-cost", "-m", "mine.py:Dark", "-o", "run"]
    assert CliRunner().invoke(main, given).exit_code == 0
    masks_of("run", "mine.py:Dark", "theirs")
    given = ["score", "--truth", "a.csv", "--pred", "theirs/fold{fold}", "--name", "net", "-o"]
    result = CliRunner().invoke(main, [*given, "run"], prog_name="hybridseg")
    assert result.exit_code == 0 and "†" not in result.stdout, result.output
    result = CliRunner().invoke(main, [*given, "fresh"], prog_name="hybridseg")
    assert result.exit_code == 2 and "masks per fold are checked against a run" in result.stderr
    assert not Path("fresh").exists()


def test_a_model_per_fold_predicts_its_own_fold_alone() -> None:
    assert bench("--train", "a+b", "-m", "mine.py:Dark", "-o", "run").exit_code == 0
    description = json.loads(Path("run/run.json").read_text())
    Path("models").mkdir()
    for cell in description["cells"]:
        name = description["fold_names"][cell["fold"]]
        Path(f"models/a+b-fold{name}.hybridseg").write_bytes(RunFolder(Path("run")).model(cell["file"]).read_bytes())
    result = bench("--train", "a+b", "-m", "theirs=models/{train}-fold{fold}.hybridseg", "-o", "again")
    assert result.exit_code == 0, result.output
    assert "theirs on a+b" in result.stdout and "†" not in result.stdout
    ours, theirs = ([{**row, "method": "", "seen": ""} for row in rows(run)] for run in ("run", "again"))
    assert theirs == ours
    assert {row["seen"] for row in rows("again")} == {"False"}  # as their fingerprints say
    Path("models/a+b-fold1.hybridseg").write_bytes(Path("models/a+b-fold0.hybridseg").read_bytes())
    result = bench("--train", "a+b", "-m", "theirs=models/{train}-fold{fold}.hybridseg", "-o", "third")
    assert result.exit_code == 2 and "are the same model" in result.stderr
    Path("models/a+b-fold1.hybridseg").unlink()
    result = bench("--train", "a+b", "-m", "theirs=models/{train}-fold{fold}.hybridseg", "-o", "third")
    assert result.exit_code == 2 and "models/a+b-fold1.hybridseg" in result.stderr and not Path("third").exists()


def test_a_split_file_says_what_a_training_script_needs() -> None:
    given = ["data", "split", *SETS, "--folds", "2", "--files", "-o", "split.csv"]
    result = CliRunner().invoke(main, given, prog_name="hybridseg")
    assert result.exit_code == 0, result.output
    listed = list(csv.DictReader(Path("split.csv").read_text().splitlines()))
    assert len(listed) == 13 and {row["fold"] for row in listed} == {"0", "1"}
    assert all(Path(row["image"]).is_file() and Path(row["masks"]).is_file() for row in listed)
    _, crossing, _ = choose(*SETS)
    assert isinstance(crossing, Crossing)
    assert {row["case_id"]: int(row["fold"]) for row in listed} == crossing.trainings[0].fold_of


# ---- a second reader ----------------------------------------------------------------------------
def test_a_second_reader_is_a_line_across_and_nobody_is_ranked_by_it() -> None:
    assert bench("--train", "a", "-m", "mine.py:Dark", "-m", "mine.py:Nothing", "-o", "run").exit_code == 0
    before = summarize("run")
    read = [case for case in load_dataset("a.csv") if case.mask.any()][:2]
    Path("reader/a").mkdir(parents=True)
    for case in read:
        write_mask(f"reader/a/{case.case_id}.png", case.mask)
    result = score("--pred", "reader", "--reader")
    assert result.exit_code == 0, result.output
    assert "cases that weren't read, left out (11)" in result.stderr
    after = summarize("run")
    assert after.comparisons == before.comparisons
    assert [each.method for each in after.methods] == [*(each.method for each in before.methods), "reader"]
    assert not any("INCOMPLETE" in note for note in after.notes)
    assert re.search(r"reader +mine.py:Nothing +2 +2 +1\.000 +0\.000 +\+1\.000", result.stdout)
    document = make_report("run", pictures=False)
    board = next(section for section in document.sections if section.slug == "leaderboard")
    assert "reader §: 1.000 IoU" in board.figures[0].svg
    assert [row[1].text for row in board.tables[0].rows] == ["mine.py:Dark on a", "mine.py:Nothing"]
    assert any(section.slug == "ceiling" for section in document.sections)
    fresh = score("--pred", "reader", "--reader", "-o", "fresh")
    assert fresh.exit_code == 2 and "a second reader's masks join a run" in fresh.stderr


# ---- the report ---------------------------------------------------------------------------------
def test_the_report_maps_trainings_to_test_sets_and_pairs_one_more_source() -> None:
    assert bench("--train", "a", "--train", "a+b", "-m", "mine.py:Dark", "-o", "run").exit_code == 0
    document = make_report("run")
    sections = {section.slug: section for section in document.sections}
    (line, *_), header = sections["across"].tables[0].rows, sections["across"].tables[0].header
    tested = ["tested on a (5 scenes)", "tested on b (3 scenes)", "tested on c (2 scenes)"]
    assert header == ("method", "trained on", *tested)
    best = summarize("run").methods[0]
    missed = [f"{each.tested_on}: missed % (n = {each.lesion_images})" for each in best.sets]
    assert sections["across"].tables[2].header[2:5] == tuple(missed)
    assert [cell.value for cell in line[2:]] == [each.iou for each in best.sets] == [cell.shade for cell in line[2:]]
    assert [[cell.text for cell in row[:4]] for row in sections["second"].tables[0].rows] == [
        ["mine.py:Dark", "a", "a+b", name] for name in "abc"
    ]
    lines = {each.method: each for each in summarize("run").methods}
    gained = [lines["mine.py:Dark on a+b"].sets[i].iou - lines["mine.py:Dark on a"].sets[i].iou for i in range(3)]
    assert [row[6].value for row in sections["second"].tables[0].rows] == pytest.approx(gained)
    assert document.pictures  # found by the names and folders that the run kept
    said = " ".join(text.text for text in sections["across"].texts)
    assert "No model learned from the fold that it predicts." in said
    assert all(len(sentence.split()) <= 25 for sentence in said.split(". "))


def test_where_one_set_is_left_out_the_report_says_so() -> None:
    assert bench("--leave-one-out", "-m", "mine.py:Dark", "-o", "run").exit_code == 0
    across = next(each for each in make_report("run", pictures=False).sections if each.slug == "across")
    assert "Each set is predicted by models that learned from the other sets only." in across.texts[0].text
    assert "fold" not in across.texts[0].text
