"""``hybridseg data``: what is printed, what is written, and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridseg.cli import main
from hybridseg.data import DataError, Dataset, load_dataset
from hybridseg.data.scenes import with_scenes
from hybridseg.images import write_image, write_mask


def run(*args: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, args)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images of two classes, in which a1 and a2, and b1 and a3, are said to show one scene."""
    root = tmp_path / "set"
    for label, name in [("benign", f"a{i}") for i in (1, 2, 3, 4)] + [("malignant", f"b{i}") for i in (1, 2)]:
        (root / label).mkdir(parents=True, exist_ok=True)
        write_image(root / label / f"{name}.png", np.full((5, 6), 7, np.uint8))
        write_mask(root / label / f"{name}_mask.png", np.eye(5, 6, dtype=bool))
    return root


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a search in place that finds two pairs; return the ids of the cases it was asked about."""
    asked: list[str] = []

    def find_pairs(dataset: Dataset, progress: Any = None, cache_dir: Any = None, *, across: bool = False) -> list[Any]:
        assert not across
        ids = [case.case_id for case in dataset]
        asked.extend(ids)
        known = [("a1", "a2", 41.0), ("a3", "b1", 30.5)]
        return [SimpleNamespace(case_a=a, case_b=b, score=score) for a, b, score in known if a in ids and b in ids]

    def group_cases(dataset: Dataset, pairs: list[Any]) -> dict[str, str]:
        joined = {pair.case_b: pair.case_a for pair in pairs}
        return {case.case_id: joined.get(case.case_id, case.case_id) for case in dataset}

    def contact_sheet(dataset: Dataset, pairs: list[Any], path: Path) -> None:
        path.write_text(f"{len(pairs)} pairs")

    module = ModuleType("hybridseg.data.duplicates")
    vars(module).update(find_pairs=find_pairs, group_cases=group_cases, contact_sheet=contact_sheet)
    monkeypatch.setitem(sys.modules, "hybridseg.data.duplicates", module)
    monkeypatch.setattr(sys.modules["hybridseg.data"], "duplicates", module, raising=False)
    return asked


def row(output: str, start: str) -> list[str]:
    line = next(line for line in output.splitlines() if line.startswith(start))
    return line.removeprefix(start).split(maxsplit=1)


def test_check(folder: Path, finder: list[str]) -> None:
    result = run("check", folder)
    assert result.exit_code == 0, result.output
    assert row(result.output, "cases by class") == ["6", "4 benign, 2 malignant"]
    assert row(result.output, "near-duplicate pairs") == ["2", "a1 ~ a2, a3 ~ b1"]
    assert row(result.output, "same scene under two classes") == ["1", "a3 ~ b1"]
    assert row(result.output, "scenes") == ["4", "near-duplicates joined"]
    assert finder == ["a1", "a2", "a3", "a4", "b1", "b2"]


def test_check_as_json(folder: Path, finder: list[str]) -> None:
    found = json.loads(run("check", folder, "--format", "json").output)
    assert found["usable"] is True and found["labels"] == {"benign": 4, "malignant": 2}
    assert found["same_scene_two_labels"] == [["a3", "b1"]]
    assert json.loads(run("check", folder, "--format", "json", "--no-pairs").output)["near_duplicates"] is None
    assert len(finder) == 6  # the second run didn't ask


def test_check_fails_on_what_cannot_be_used(folder: Path, finder: list[str]) -> None:
    (folder / "benign/a1.png").write_bytes(b"x")
    (folder / "benign/a2_mask.png").unlink()
    result = run("check", folder)
    assert result.exit_code == 1
    assert row(result.output, "images without a mask") == ["1", "benign/a2.png"]
    assert row(result.output, "unreadable")[0] == "1"
    assert result.stderr.endswith("set can't be used: images without a mask (1), unreadable (1)\n")
    assert finder == ["a3", "a4", "b1", "b2"]  # only what can be read is compared


def test_check_without_opencv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hybridseg.data.duplicates", None)
    monkeypatch.delattr("hybridseg.data.duplicates", raising=False)
    result = run("check", folder)
    assert result.exit_code == 0
    assert row(result.output, "near-duplicate pairs")[1].startswith("not looked for: ")
    with pytest.raises(DataError, match="which cases share a scene is unknown"):
        with_scenes(load_dataset(folder))


def test_split_keeps_scenes_together_and_check_split_agrees(folder: Path, finder: list[str], tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    result = run("split", folder, "--folds", 2, "-o", out)
    assert result.exit_code == 0, result.output
    assert "groups: 2 near-duplicate pairs found" in result.output
    rows = [line.split(",") for line in out.read_text().splitlines()[1:]]
    fold_of = {case_id: fold for case_id, _, _, fold in rows}
    assert fold_of["a1"] == fold_of["a2"] and fold_of["a3"] == fold_of["b1"]
    checked = run("check-split", out, "--data", folder)
    assert checked.exit_code == 0 and "0 of 6 leak" in checked.output
    assert len(finder) == 12


def test_check_split_counts_leaks(folder: Path, finder: list[str], tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a1\na3\nzz\n")
    (tmp_path / "val.txt").write_text("a2\na4\n")
    result = run("check-split", tmp_path, "--data", folder)
    assert result.exit_code == 2 and "`zz`" in result.output
    result = run("check-split", tmp_path, "--data", folder, "--skip-unknown")
    assert result.exit_code == 1
    assert row(result.output, "fold 0") == ["1", "of 2 leak  a2 ~ a1"]
    assert row(result.output, "all") == ["1", "of 2 leak  50.0 % of the test images"]
    result = run("check-split", tmp_path, "--data", folder, "--skip-unknown", "--format", "json")
    assert json.loads(result.output)["share"] == 0.5
    assert run("check-split", tmp_path, "--data", folder, "--skip-unknown", "--as-read").exit_code == 0


def test_check_split_without_the_images(folder: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.csv"
    split.write_text("case_id,group,label,fold\nx1,x,,0\nx2,x,,1\ny,y,,0\nz,z,,1\n")
    result = run("check-split", split)
    assert result.exit_code == 1
    assert row(result.output, "all") == ["2", "of 4 leak  50.0 % of the test images"]
    assert row(result.output, "scenes") == ["the", "split file's group column"]
    (tmp_path / "train.txt").write_text("benign (1)\nmalignant_145.png\n")
    (tmp_path / "val.txt").write_text("benign (433)\nbenign (3)\n")  # the first is malignant (145) to the byte
    result = run("check-split", tmp_path)
    assert result.exit_code == 1 and row(result.output, "fold 0")[1] == "of 2 leak  benign (433) ~ malignant (145)"
    split.write_text("case_id,fold\nx1,0\nx2,1\n")
    result = run("check-split", split)
    assert result.exit_code == 2 and "the only one known without --data, for example `x1`" in result.stderr


@pytest.mark.parametrize("command", [("split", "--folds", 2, "-o"), ("pairs", "--sheet")])
def test_a_file_that_is_there_is_not_replaced_unasked(
    command: tuple[object, ...], folder: Path, finder: list[str], tmp_path: Path
) -> None:
    verb, *options = command
    there = tmp_path / "there.png"
    there.write_bytes(b"mine")
    result = run(verb, folder, *options, there)
    assert result.exit_code == 2 and "there.png exists; give --overwrite" in result.stderr
    there.chmod(0o444)
    result = run(verb, folder, *options, there, "--overwrite")
    assert result.exit_code == 2 and "there.png: is write-protected" in result.stderr
    result = run(verb, folder, *options, tmp_path / "no/such/file")
    assert result.exit_code == 2 and "there is no folder" in result.stderr
    assert there.read_bytes() == b"mine" and not finder  # refused before the search
    there.chmod(0o644)
    assert run(verb, folder, *options, there, "--overwrite").exit_code == 0
    assert there.read_bytes() != b"mine"


def test_pairs(folder: Path, finder: list[str], tmp_path: Path) -> None:
    result = run("pairs", folder, "--sheet", tmp_path / "sheet.png")
    assert [line.split() for line in result.stdout.splitlines()] == [["a1", "a2", "41"], ["a3", "b1", "30.5"]]
    assert result.stderr == "hybridseg data pairs: 2 pairs among 6 images\n"
    assert (tmp_path / "sheet.png").read_text() == "2 pairs"
    assert json.loads(run("pairs", folder, "--format", "json").stdout)[1]["score"] == 30.5


def test_phantoms_become_a_folder_once(tmp_path: Path) -> None:
    out = tmp_path / "phantoms"
    assert run("phantoms", "-o", out, "--n", 3, "--seed", 1).exit_code == 0
    assert load_dataset(out).labels == load_dataset("phantoms[n=3,seed=1]").labels
    other = run("phantoms", "-o", out)
    assert other.exit_code == 2 and "another picture" in other.output
    fewer = run("phantoms", "-o", out, "--n", 2, "--seed", 1)
    assert fewer.exit_code == 2 and "is not empty" in fewer.output


def test_bench_without_data_takes_phantoms_beside_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("phantoms", "-o", "phantoms", "--n", 3).exit_code == 0
    result = CliRunner().invoke(main, ["bench", "-m", "otsu", "--dry-run"])
    assert result.exit_code == 0 and result.stdout.startswith("data:        phantoms (synthetic), 24 cases"), (
        result.output
    )


@pytest.mark.parametrize(
    "args",
    [
        ("check", "nowhere"),
        ("check", "phantoms[n=x]"),
        ("split", "nowhere", "-o", "s.csv"),
        ("split", "phantoms[n=4]", "--as-read", "--folds", "1", "-o", "s.csv"),
        ("split", "phantoms[n=4]", "--as-read", "--folds", "9", "-o", "s.csv"),
        ("split", "phantoms[n=4]", "--as-read", "--folds", "2", "-o", "no/such/s.csv"),
        ("split", "phantoms[n=4]", "--as-read"),
        ("check-split", "nowhere.csv", "--data", "phantoms[n=4]"),
        ("check-split", "nowhere.csv"),
        ("pairs", "nowhere"),
        ("phantoms", "-o", "p", "--n", "0"),
        ("phantoms", "-o", "p", "--seed", "-1"),
        ("unheard-of",),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    args: tuple[str, ...], finder: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == "" and len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir()) and not finder
