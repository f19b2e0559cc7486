"""Who shares a scene: `bench` and `fit` look for copies where the data don't say, and say so where nobody looked."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridseg.bench import summarize
from hybridseg.cli import main
from hybridseg.data import Case, Dataset, busi_split, join_datasets, load_dataset, scenes
from hybridseg.data.cases import GROUPS_ALONE, Ungrouped
from hybridseg.data.duplicates import Pair, group_cases
from hybridseg.data.scenes import cache_folder, choose_split
from hybridseg.images import write_image, write_mask

NOBODY = "NOBODY LOOKED FOR COPIES"


class Named(Case):
    """A case of which only the name counts."""

    def read(self) -> Any:
        raise AssertionError

    def content_hash(self) -> str:
        return self.case_id


def run(*args: object) -> Result:
    return CliRunner().invoke(main, list(map(str, args)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder pair of four pictures, a and its crop, b and its crop, which nothing groups."""
    for name, seed in (("a", 0), ("b", 1)):
        first = next(iter(load_dataset(f"phantoms[n=1,seed={seed}]")))
        for part, rows in (("1", slice(None)), ("2", slice(30, None))):
            for kind, write, pixels in (("images", write_image, first.image), ("masks", write_mask, first.mask)):
                (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
                write(tmp_path / "data" / kind / f"{name}{part}.png", np.ascontiguousarray(pixels[rows]))
    return tmp_path / "data"


def bench(folder: Path, *more: object) -> Result:
    return run("bench", "--data", folder, "-m", "otsu", "--folds", 2, "--no-cost", *more)


def test_bench_keeps_copies_on_one_side(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    result = bench(folder, "-o", tmp_path / "run")
    assert result.exit_code == 0 and NOBODY not in result.stdout
    words = " ".join(result.stdout.split())
    assert "4 lesion images of 2 scenes" in words and "Scenes as told by: 2 near-duplicate pairs found." in words
    rows = [line.split(",") for line in (tmp_path / "run/cases.csv").read_text().splitlines()[1:]]
    fold_of = {row[2]: row[1] for row in rows}
    assert fold_of["a1"] == fold_of["a2"] != fold_of["b1"] == fold_of["b2"]
    assert json.loads((tmp_path / "run/run.json").read_text())["groups_from"] == "2 near-duplicate pairs found"


def test_fit_tells_where_its_scenes_are_from(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    for more, groups, words in (((), 2, "2 near-duplicate pairs found"), (("--as-read",), 4, GROUPS_ALONE)):
        assert run("fit", "otsu", "--data", folder, "-o", tmp_path / "m", "--overwrite", *more).exit_code == 0
        data = json.loads((tmp_path / "m.json").read_text())["data"]
        assert (data["groups"], data["groups_from"]) == (groups, words)


def test_where_nobody_looked_the_table_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "SEARCHED_AT_MOST", 3)
    result = bench(folder)
    assert result.exit_code == 0 and NOBODY in result.stdout and "hours to compare" in " ".join(result.stdout.split())
    assert NOBODY in bench(folder, "--as-read").stdout
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = bench(folder, "--format", "json")
    assert result.exit_code == 0
    (note,) = [note for note in json.loads(result.stdout)["notes"] if NOBODY in note]
    assert 'pip install "hybridseg[duplicates]"' in note


def test_a_run_of_0_1_0_says_in_words_alone_that_nobody_looked(folder: Path, tmp_path: Path) -> None:
    assert bench(folder, "--as-read", "-o", tmp_path / "run").exit_code == 0
    file = tmp_path / "run/run.json"
    description = json.loads(file.read_text("utf-8"))
    assert description.pop("groups_known") is False and description["groups_from"] == GROUPS_ALONE
    file.write_text(json.dumps(description), "utf-8")
    assert any(note.startswith(NOBODY) for note in summarize(tmp_path / "run").notes)
    file.write_text(json.dumps({**description, "groups_from": "a colleague"}), "utf-8")
    assert not any(note.startswith(NOBODY) for note in summarize(tmp_path / "run").notes)


def test_joined_sets_name_who_knows_scenes_and_that_some_have_none() -> None:
    asked = Dataset("a", (Named("x", "x", ""),), "a colleague")
    joined = join_datasets({"a": asked, "b": Dataset("b", (Named("y", "y", ""),))})
    assert joined.ungrouped is Ungrouped.UNASKED and joined.groups_in_words == f"a: a colleague, else {GROUPS_ALONE}"
    assert join_datasets({"a": asked}).ungrouped is None


def test_phantoms_need_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = run("bench", "--data", "phantoms[n=4]", "-m", "otsu", "--folds", 2, "--no-cost")
    assert result.exit_code == 0 and NOBODY not in result.stdout


def test_what_is_grouped_already_is_joined_not_forgotten() -> None:
    cases = [Named("a", "scene", ""), Named("b", "scene", ""), Named("c", "c", ""), Named("d", "d", "")]
    groups = group_cases(Dataset("made", tuple(cases)), [Pair("b", "c", 0.9, None, 1.0, 50)])
    assert groups == {"a": "scene", "b": "scene", "c": "scene", "d": "d"}


@pytest.fixture
def busi(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The names of BUSI's development part and of four more files, three of which show one scene of it."""
    published = busi_split()
    names = {case_id: published.groups.get(case_id, case_id) for case_id in published.case_ids}
    first = published.case_ids[0]
    more = [f"benign ({number})" for number in range(1, 437) if f"benign ({number})" not in names][:4]
    cases = [Named(case_id, names.get(case_id, case_id), "benign") for case_id in (*names, *more)]

    def find_pairs(dataset: Dataset, **_: Any) -> list[Pair]:
        chain = [first, *more[:3]]
        return [Pair(a, b, 0.9, None, 1.0, 50) for a, b in itertools.pairwise(chain)]

    monkeypatch.setattr("hybridseg.data.duplicates.find_pairs", find_pairs)
    return Dataset("busi", tuple(cases), "the published BUSI split for 619 of 623", ungrouped=Ungrouped.UNASKED)


def test_copies_in_the_test_part_share_a_scene_and_are_counted(busi: Dataset) -> None:
    dataset, parts, name = choose_split(busi, test_part=True)
    assert name.endswith("; 3 of 4 test images show a scene that is also trained on")
    assert dataset.groups_from == "the published BUSI split for 619 of 623, else 3 near-duplicate pairs found"
    group_of = {case.case_id: case.group for case in dataset}
    assert len({group_of[case_id] for case_id in parts.folds[0].test}) == 2
    assert choose_split(busi, test_part=True, find_scenes=lambda found: found)[0] is busi


def test_the_development_part_is_grouped_as_published(busi: Dataset) -> None:
    dataset, parts, name = choose_split(busi)
    assert (len(dataset), len(parts.folds)) == (619, 5) and "published" in name


def test_split_by_request() -> None:
    dataset = load_dataset("phantoms[n=12]")
    same, split, name = choose_split(dataset, None, 3, 7)
    assert (same, len(split.folds), name) == (dataset, 3, "3 grouped, class-stratified folds dealt from seed 7")
    assert len(choose_split(dataset, "grouped")[1].folds) == 5


def test_a_split_file_brings_its_groups(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.csv"
    file.write_text("case_id,group,label,fold\na1,a,,0\na2,a,,1\nb1,b,,0\nb2,b,,1\n")
    dataset, _, name = choose_split(load_dataset(folder), str(file))
    assert dataset.groups == ["a", "a", "b", "b"] and dataset.groups_from == "the split file's group column"
    assert name == "file split.csv; 4 of 4 test images show a scene that is also trained on"


@pytest.mark.busi
def test_busi_gets_its_published_split(busi_dir: Path) -> None:
    dataset, split, name = choose_split(load_dataset(busi_dir))
    assert "published" in name and (len(dataset), len(split.folds)) == (619, 5)
    assert dataset.groups_from == "the published BUSI split"
    assert len(choose_split(load_dataset(busi_dir), None, 3)[1].folds) == 3


def test_the_cache_is_the_user_s_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder(None) == tmp_path / "cache/hybridseg"
    monkeypatch.setenv("XDG_CACHE_HOME", "no/absolute/path")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder(None) == tmp_path / "home/.cache/hybridseg"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder(None) is None
