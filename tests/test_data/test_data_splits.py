"""Folds never divide a scene; files of splits are read as written; leaks are counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridseg.data import (
    Case,
    DataError,
    Dataset,
    Fold,
    Split,
    busi_split,
    check_split,
    grouped_folds,
    load_dataset,
    read_split,
    write_split,
)
from hybridseg.data.splits import published_groups


@dataclass(frozen=True)
class Blank(Case):
    """A case without pixels: splits look at names only."""

    def read(self) -> Any:
        raise AssertionError("a split must not read pixels")

    def content_hash(self) -> str:
        return self.case_id


def dataset_of(*rows: tuple[str, str, str]) -> Dataset:
    return Dataset("blank", tuple(Blank(*row) for row in rows))


SCENES = dataset_of(
    ("a1", "a", "benign"),
    ("a2", "a", "benign"),
    ("b", "b", "malignant"),
    ("c1", "c", "benign"),
    ("c2", "c", "malignant"),  # one scene under two labels
    ("d", "d", "normal"),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from("bmn")), min_size=12, max_size=80),
    st.integers(2, 5),
    st.integers(0, 3),
)
def test_folds_of_any_dataset(rows: list[tuple[int, str]], n_folds: int, seed: int) -> None:
    dataset = dataset_of(*((str(i), f"g{group}", label) for i, (group, label) in enumerate(rows)))
    if len(set(dataset.groups)) < n_folds:
        with pytest.raises(DataError, match="`n_folds` must be at most the number of groups"):
            grouped_folds(dataset, n_folds, seed)
        return
    split = grouped_folds(dataset, n_folds, seed)
    everything = {case.case_id for case in dataset}
    assert len(split.folds) == n_folds
    assert Counter(c for fold in split.folds for c in fold.test) == Counter(everything)  # tested exactly once
    for fold in split.folds:
        assert fold.test and set(fold.train) == everything - set(fold.test)
        assert not {split.groups[c] for c in fold.train} & {split.groups[c] for c in fold.test}
    assert check_split(split, dataset).n_leaked == 0


def test_folds_are_balanced_by_class_and_size() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for group in range(300):
        label = rng.choice(["benign", "malignant", "normal"], p=[0.56, 0.27, 0.17])
        rows += [(f"{group}.{copy}", str(group), str(label)) for copy in range(rng.choice([1, 1, 1, 2, 3, 7]))]
    dataset = dataset_of(*rows)
    split = grouped_folds(dataset, 5)
    sizes = [len(fold.test) for fold in split.folds]
    assert max(sizes) - min(sizes) <= 2
    for label, count in Counter(dataset.labels).items():
        shares = [sum(split.labels[c] == label for c in fold.test) for fold in split.folds]
        assert max(shares) - min(shares) <= 2, (label, count, shares)


def test_the_seed_decides_and_the_order_of_cases_does_not() -> None:
    dataset = dataset_of(*((f"c{i}", f"g{i}", "x") for i in range(20)))
    backwards = Dataset("backwards", dataset.cases[::-1])
    assert grouped_folds(dataset, 4, seed=1) == grouped_folds(dataset, 4, seed=1)
    assert grouped_folds(dataset, 4, seed=1).folds != grouped_folds(dataset, 4, seed=2).folds
    assert grouped_folds(backwards, 4, seed=1).folds == grouped_folds(dataset, 4, seed=1).folds


@pytest.mark.parametrize("n_folds", [1, 0, -2, True, 2.0, "5"])
def test_number_of_folds(n_folds: Any) -> None:
    with pytest.raises(DataError, match="`n_folds` must be an integer of at least 2, got"):
        grouped_folds(SCENES, n_folds)


def test_too_few_groups() -> None:
    with pytest.raises(DataError, match=r"`n_folds` must be at most the number of groups \(4\), got 5"):
        grouped_folds(SCENES, 5)


def test_written_split_reads_back(tmp_path: Path) -> None:
    split = grouped_folds(SCENES, 2)
    write_split(split, tmp_path / "s.csv")
    assert read_split(tmp_path / "s.csv", SCENES) == split
    first = (tmp_path / "s.csv").read_text().splitlines()[:2]
    assert first[0] == "case_id,group,label,fold" and first[1].startswith("a1,a,benign,")
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


def test_a_case_that_is_never_tested_has_no_fold(tmp_path: Path) -> None:
    split = Split((Fold(("a1", "b"), ("c1",)),))
    write_split(split, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "case_id,group,label,fold\na1,,,\nb,,,\nc1,,,0\n"
    assert read_split(tmp_path / "s.csv", SCENES).folds == split.folds


@pytest.mark.parametrize(
    ("folds", "reason"),
    [
        ((Fold(("a1",), ("b",)), Fold(("a1",), ("b",))), "case `b` is tested in folds 0 and 1"),
        ((Fold(("a1",), ("b",)), Fold(("d",), ("a1",))), "fold 0 doesn't train on every case"),
    ],
)
def test_what_the_file_cannot_say_is_refused(tmp_path: Path, folds: tuple[Fold, ...], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        write_split(Split(folds), tmp_path / "s.csv")
    with pytest.raises(DataError, match="can't be written"):
        write_split(grouped_folds(SCENES, 2), tmp_path / "none" / "s.csv")
    assert not list(tmp_path.iterdir())


def test_nnunet_split(tmp_path: Path) -> None:
    folds = [{"train": ["a1", "b"], "val": ["a2"]}, {"train": ["a2", "c1"], "val": ["b", "d"]}]
    (tmp_path / "splits_final.json").write_text(json.dumps(folds))
    expected = (Fold(("a1", "b"), ("a2",)), Fold(("a2", "c1"), ("b", "d")))
    assert read_split(tmp_path, SCENES).folds == expected
    assert read_split(tmp_path / "splits_final.json", SCENES).folds == expected


def test_text_lists(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("benign/a1.png\r\nb\n\n")
    (tmp_path / "val.txt").write_text("images\\a2.png\tmasks\\a2_mask.png\nC1.PNG,x\n")
    assert read_split(tmp_path / "val.txt", SCENES).folds == (Fold(("a1", "b"), ("a2", "c1")),)
    (tmp_path / "test.txt").write_text("d\n")
    assert read_split(tmp_path, SCENES).folds[1] == Fold(("a1", "b", "a2", "c1"), ("d",))


def test_names_as_others_write_them(tmp_path: Path) -> None:
    dataset = dataset_of(("benign (1)", "1", "benign"), ("benign (11)", "11", "benign"), ("x/1", "x", ""))
    (tmp_path / "train.txt").write_text("benign_1\n")
    (tmp_path / "val.txt").write_text("Benign/benign (11).png\nx/1.png\n")
    assert read_split(tmp_path, dataset).folds == (Fold(("benign (1)",), ("benign (11)", "x/1")),)


def test_unknown_names_are_refused_or_counted(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a1\nzz\n")
    (tmp_path / "val.txt").write_text("b\n")
    with pytest.raises(DataError, match="1 of 3 names aren't in dataset blank, for example `zz`"):
        read_split(tmp_path, SCENES)
    split = read_split(tmp_path, SCENES, skip_unknown=True)
    assert split.folds == (Fold(("a1",), ("b",)),) and split.unknown == ("zz",)
    assert check_split(split, SCENES).unknown == ("zz",)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("s.csv", "case_id,group\na1,a\n", "has no column `fold`"),
        ("s.csv", "case_id,fold\na1,x\n", "line 2: fold must be a number or empty, got `x`"),
        ("s.csv", "case_id,fold\na1,-1\n", "fold must be a number"),
        ("s.csv", "case_id,fold\na1,²\n", "fold must be a number"),
        ("s.csv", "case_id,fold\na1,\n", "no case is tested"),
        ("s.csv", "case_id,fold\na1,0\na1,1\n", "case `a1` is listed 2 times"),
        ("s.csv", "case_id,fold\na1,0\na1.png,1\n", "`a1` and `a1.png` are both case `a1`"),
        ("s.json", '[{"train": ["b"], "val": ["a1", "a1"]}]', "fold 0 names case `a1` 2 times"),
        ("s.json", "[", "is not JSON"),
        ("s.json", "[" * 100_000, "is not JSON"),
        ("s.json", "{}", "expected a list of folds"),
        ("s.json", "[]", "expected a list of folds"),
        ("s.json", '[{"train": ["a1"]}]', "fold 0 must hold lists of names"),
        ("s.json", '[{"train": ["a1"], "val": [1]}]', "fold 0 must hold lists of names"),
        ("s.json", "[7]", "fold 0 must hold lists of names"),
        ("train.txt", "a1\n", "needs train.txt and val.txt or test.txt"),
        ("s.xml", "", "a split is a .csv, nnU-Net's .json or a train.txt"),
    ],
)
def test_bad_split_file_is_one_line(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=reason) as caught:
        read_split(tmp_path / name, SCENES)
    assert "\n" not in str(caught.value)


def test_missing_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_split(tmp_path / "s.csv", SCENES)
    with pytest.raises(DataError, match="holds neither"):
        read_split(tmp_path, SCENES)


def test_leaks_are_counted_by_hand() -> None:
    split = Split(
        (
            Fold(("a1", "c1", "d"), ("a2", "b", "c2")),  # a2 and c2 have their scene in training, b hasn't
            Fold(("a1", "a2"), ("a1", "d")),  # a1 is in both
            Fold(("b",), ("d",)),
        )
    )
    report = check_split(split, SCENES)
    assert [fold.leaked for fold in report.folds] == [("a2", "c2"), ("a1",), ()]
    assert report.folds[0].pairs == (("a2", "a1"), ("c2", "c1"))
    assert report.folds[1].pairs == (("a1", "a1"), ("a1", "a2"))
    assert (report.n_test, report.n_leaked, report.share) == (6, 3, 0.5)
    assert report.lines()[0] == ("fold 0", "2 of 3 leak", "a2 ~ a1, c2 ~ c1")
    assert ("all", "3 of 6 leak", "50.0 % of the test images") in report.lines()
    assert json.loads(json.dumps(report.to_dict()))["folds"][1]["leaked"] == ["a1"]


def test_no_test_images_is_no_leak() -> None:
    assert check_split(Split((Fold(("a1",), ()),)), SCENES).share == 0.0


def test_leaks_of_a_case_nobody_knows() -> None:
    with pytest.raises(DataError, match="dataset blank has no case `zz`"):
        check_split(Split((Fold(("zz",), ("a1",)),)), SCENES)


def test_restricted_split() -> None:
    split = Split((Fold(("a1", "b"), ("c1", "d")),), {"a1": "a"})
    small = split.restricted_to(["b", "d", "other"])
    assert small.folds == (Fold(("b",), ("d",)),) and small.groups == {"a1": "a"}


def published() -> Dataset:
    split = busi_split()
    return dataset_of(*((c, split.groups[c], split.labels[c]) for c in split.case_ids))


def test_published_split() -> None:
    split = busi_split()
    assert len(split.folds) == 5 and len(split.case_ids) == 619
    assert Counter(split.labels.values()) == Counter(benign=350, malignant=162, normal=107)
    assert check_split(split, published()).n_leaked == 0
    assert min(len(fold.test) for fold in split.folds) >= 120
    assert published_groups() == split.groups


def test_test_part_is_every_other_file() -> None:
    development = published()
    with pytest.raises(DataError, match="`dataset` must be given"):
        busi_split(part="test")
    with pytest.raises(DataError, match="development part only"):
        busi_split(development, part="test")
    with pytest.raises(DataError, match="`part` must be development or test"):
        busi_split(part="all")  # type: ignore[arg-type]
    more = Dataset("busi", (*development.cases, Blank("benign (2)", "benign (2)", "benign")))
    split = busi_split(more, part="test")
    assert [len(fold.train) for fold in split.folds] == [619] and split.folds[0].test == ("benign (2)",)
    assert split.labels["benign (2)"] == "benign"
    assert busi_split(more) == busi_split()
    with pytest.raises(DataError, match=r"lacks 1 of the 619 files of BUSI's development part"):
        busi_split(Dataset("busi", development.cases[1:]))


@pytest.mark.busi
def test_published_split_fits_the_images(busi_dir: Path) -> None:
    dataset = load_dataset(busi_dir)
    split = busi_split(dataset)
    assert check_split(split, dataset).n_leaked == 0
    assert all(case.label == split.labels[case.case_id] for case in dataset if case.case_id in split.labels)


def test_a_fold_that_tests_no_case_is_refused(tmp_path: Path) -> None:
    folds = [{"train": ["a1"], "val": ["b"]}, {"train": ["d"], "val": []}]
    (tmp_path / "splits_final.json").write_text(json.dumps(folds))
    with pytest.raises(DataError, match="fold 1 tests no case"):
        read_split(tmp_path, SCENES)
