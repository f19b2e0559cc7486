"""Manifests: images and masks named by a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from _folders import ids, lesion_of, put

from hybridseg.data import DataError, DataWarning, load_dataset
from hybridseg.data.cases import GROUPS_ALONE


def manifest(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_manifest(tmp_path: Path) -> None:
    put(tmp_path / "in/a.png")
    put(tmp_path / "in/b.png")
    put(tmp_path / "m1.png", (0, 0))
    put(tmp_path / "m2.png", (1, 1))
    path = manifest(
        tmp_path / "set.csv",
        "\ufeffimage, mask,group,label,remark",
        "in/b.png,,s1,normal,x",
        "in/a.png,m1.png; m2.png,s1,benign,",
    )
    dataset = load_dataset(path)
    assert dataset.name == "set" and ids(dataset) == ["in/a", "in/b"]
    assert dataset.groups == ["s1", "s1"] and dataset.labels == ["benign", "normal"]
    assert lesion_of(dataset[0]) == [[0, 0], [1, 1]] and lesion_of(dataset[1]) == []
    assert dataset.groups_from == "the manifest's group column"


def test_manifest_without_groups_says_so(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    dataset = load_dataset(manifest(tmp_path / "set.csv", "image,mask,case_id,label", "a.png,,first,NORMAL"))
    assert dataset[0].label == "normal"
    assert ids(dataset) == ["first"] and dataset.groups == ["first"] and dataset.groups_in_words == GROUPS_ALONE


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["mask"], "has no column `image`, expected image, mask, got mask"),
        (["image;mask"], "has no column `image`, expected image, mask, got image;mask"),
        (["image"], "has no column `mask`"),
        ([""], "has no column `image`, expected image, mask, got nothing"),
        (["image,mask"], "lists no case"),
        (["image,mask", "b.png,"], "line 2: no such file"),
        (["image,mask", ",a.png"], "must be a path inside the manifest's folder"),
        (["image,mask,group", "a.png"], "line 2: has fewer fields than the 3 columns"),
        (["image,mask", "a.png,,g"], "line 2: has more fields than the 2 columns"),
        (["image,mask", "../set/a.png,"], "must be a path inside the manifest's folder"),
        (["image,mask", "a.png,x/../../a.png"], "must be a path inside the manifest's folder"),
        (["image,mask", "/etc/passwd,"], "must be a path inside the manifest's folder"),
        (["image,mask", r"..\a.png,"], "must be a path inside the manifest's folder"),
        (["image,mask", r"C:\a.png,"], "must be a path inside the manifest's folder"),
        (["image,mask", "a.png,", "./a.png,", "a.png,"], "two cases are called `a`"),
        (["image,mask", '"a.png,'], "is not CSV"),
        (["image,mask,image", "a.png,,a.png"], "column `image` is there twice"),
    ],
)
def test_bad_manifest_is_one_line(tmp_path: Path, lines: Sequence[str], reason: str) -> None:
    put(tmp_path / "set/a.png")
    path = manifest(tmp_path / "set/list.csv", *lines)
    with pytest.raises(DataError, match=reason) as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


def test_a_slip_in_the_name_of_a_column_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    path = manifest(tmp_path / "set.csv", "image,mask,Gruop,label,remark", "a.png,,s1,benign,x")
    with pytest.warns(DataWarning, match=r"set.csv: column `Gruop` isn't read; did you mean `group`\?$"):
        assert load_dataset(path).groups == ["a"]


def test_manifest_of_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"image,mask\n\xff\xfe,\n")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        load_dataset(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"image,mask\na\0.png,\n")
    with pytest.raises(DataError, match=r"must be a path inside|is not CSV"):
        load_dataset(tmp_path / "b.csv")
