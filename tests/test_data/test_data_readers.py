"""Folders and manifests become datasets; what is doubtful is refused with one line."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from _folders import ids, lesion_of, put

from hybridseg.data import DataError, Dataset, FileCase, load_dataset, take_inventory
from hybridseg.data.cases import GROUPS_ALONE, natural_key
from hybridseg.data.files import write_folder
from hybridseg.data.readers import list_folder
from hybridseg.data.scenes import with_scenes
from hybridseg.images import ImageError, read_mask


def test_natural_order() -> None:
    names = ["b (10)", "b (2)", "a", "b (2)_1", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "b (2)", "b (2)_1", "b (10)"]


@pytest.mark.parametrize("below", [True, False])
def test_busi_as_unzipped(busi_like: Path, below: bool) -> None:
    dataset = load_dataset(busi_like.parent if below else busi_like)
    assert ids(dataset) == ["benign (1)", "benign (2)", "benign (10)", "malignant (1)", "normal (1)"]
    assert dataset.labels == ["benign", "benign", "benign", "malignant", "normal"]
    assert lesion_of(dataset[2]) == [[0, 0], [1, 1], [3, 4]]  # the OR of three masks
    assert lesion_of(dataset[4]) == []
    assert dataset[0].image.shape == (4, 5) and dataset[0].mask.dtype == np.bool_


def test_one_class_folder_alone_keeps_its_class(busi_like: Path) -> None:
    assert set(load_dataset(busi_like / "malignant").labels) == {"malignant"}


def test_image_beside_mask(tmp_path: Path) -> None:
    for name in ("benign/a", "malignant/b"):
        put(tmp_path / f"{name}_image.png")
        put(tmp_path / f"{name}_mask.png", (1, 2))
    dataset = load_dataset(tmp_path)
    assert ids(dataset) == ["a", "b"] and dataset.labels == ["benign", "malignant"]
    assert lesion_of(dataset[1]) == [[1, 2]]


@pytest.mark.parametrize(
    ("image", "masks", "case_id"),
    [
        ("images/a.png", ["masks/a.png"], "a"),
        ("images/a.jpg", ["masks/a_mask.png"], "a"),
        ("imgs/a.png", ["labels/a_seg.bmp"], "a"),
        ("original/000001.png", ["GT/000001.png"], "000001"),  # UDIAT
        ("Images/bus_7.png", ["Masks/mask_7.png"], "bus_7"),
        ("imagesTr/case_7_0000.png", ["labelsTr/case_7.png"], "case_7"),  # nnU-Net
        ("images/a.png", ["masks/a_mask_1.png", "masks/a_mask_2.png"], "a"),
        ("images/A.PNG", ["masks/a-mask.PNG"], "A"),
        ("case001.png", ["case001_tumor.png"], "case001"),  # BrEaST
        ("test_Image_1.png", ["mask_1.png"], "test_Image_1"),  # STU
        ("x.png", ["x_segmentation.png"], "x"),
        ("x.png", ["x_lesion2.png"], "x"),
    ],
)
def test_naming_rules(tmp_path: Path, image: str, masks: list[str], case_id: str) -> None:
    put(tmp_path / image)
    for column, mask in enumerate(masks):
        put(tmp_path / mask, (0, column))
    dataset = load_dataset(tmp_path)
    assert ids(dataset) == [case_id]
    assert lesion_of(dataset[0]) == [[0, column] for column in range(len(masks))]


def test_parts_and_classes_keep_equal_names_apart(tmp_path: Path) -> None:
    for part, column in (("train", 1), ("val", 2)):
        put(tmp_path / part / "images/1.png")
        put(tmp_path / part / "masks/1.png", (0, column))
    dataset = load_dataset(tmp_path)
    assert ids(dataset) == ["train/1", "val/1"] and dataset.labels == ["", ""]
    assert [lesion_of(case) for case in dataset] == [[[0, 1]], [[0, 2]]]


def test_class_folders_inside_images_and_masks(tmp_path: Path) -> None:
    for label in ("cyst", "other"):
        put(tmp_path / f"images/{label}/{label}1.png")
        put(tmp_path / f"masks/{label}/{label}1.png", (0, 0))
    assert load_dataset(tmp_path).labels == ["cyst", "other"]


def test_normal_without_a_mask_is_lesion_free_others_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "normal/n.png")
    put(tmp_path / "benign/b.png")
    with pytest.raises(DataError, match=r"b\.png has no mask \(1 such files\)"):
        load_dataset(tmp_path)
    put(tmp_path / "benign/b_mask.png", (0, 0))
    assert [case.mask.any() for case in load_dataset(tmp_path)] == [True, False]


def test_mask_without_image_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png")
    put(tmp_path / "masks/a.png")
    put(tmp_path / "masks/b.png")
    with pytest.raises(DataError, match=r"b\.png is a mask without an image \(1 such files\)"):
        load_dataset(tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png")
    put(tmp_path / "images/a.bmp")
    with pytest.raises(DataError, match=r"a\.\w+ and a\.\w+ are one case's image"):
        load_dataset(tmp_path)


def test_hidden_files_and_other_structures_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / "case1.png")
    put(tmp_path / "case1_tumor.png", (0, 0))
    put(tmp_path / "case1_other1.png", (1, 1))
    put(tmp_path / "._case1.png")
    put(tmp_path / "__MACOSX/case2.png")
    (tmp_path / "notes.txt").write_text("x")
    listing = list_folder(tmp_path)
    assert ids(listing.dataset) == ["case1"] and lesion_of(listing.dataset[0]) == [[0, 0]]
    assert [path.name for path in listing.other_files] == ["case1_other1.png", "notes.txt"]
    assert [path.name for path in listing.left_out] == ["._case1.png", "__MACOSX"]
    assert ("hidden or linked twice, left out", "2", "._case1.png, __MACOSX") in take_inventory(
        tmp_path, pairs=False
    ).lines()


def test_a_link_that_leads_back_ends(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png")
    put(tmp_path / "masks/a.png")
    (tmp_path / "images/loop").symlink_to(tmp_path, target_is_directory=True)
    assert ids(load_dataset(tmp_path)) == ["a"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "no such folder or manifest"),
        ("empty", "holds no image"),
        ("file.txt", "is neither a folder, a .csv manifest nor COCO annotations in .json"),
    ],
)
def test_nothing_there(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(DataError, match=reason):
        load_dataset(tmp_path / name)


def test_image_and_mask_of_two_sizes(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", shape=(4, 5))
    put(tmp_path / "masks/a.png", shape=(5, 4))
    dataset = load_dataset(tmp_path)
    with pytest.raises(DataError, match=r"image a\.png has shape \(4, 5\), its mask a\.png \(5, 4\)"):
        dataset[0].read()


def test_content_hash_follows_the_bytes(busi_like: Path) -> None:
    def hashes() -> dict[str, str]:
        return {case.case_id: case.content_hash() for case in load_dataset(busi_like)}

    before, whole = hashes(), load_dataset(busi_like).content_hash()
    assert hashes() == before and load_dataset(busi_like).content_hash() == whole
    put(busi_like / "benign/benign (10)_mask_2.png", (0, 1))
    after = hashes()
    assert [case_id for case_id in before if before[case_id] != after[case_id]] == ["benign (10)"]
    assert load_dataset(busi_like).content_hash() != whole


def test_content_hash_tells_mask_from_image(tmp_path: Path) -> None:
    one, two = put(tmp_path / "1.png", (0, 0)), put(tmp_path / "2.png", (1, 1))
    hashes = {
        FileCase("a", "a", "", image, masks).content_hash()
        for image, masks in [(one, (two,)), (two, (one,)), (one, ()), (one, (one,)), (one, (two, two))]
    }
    assert len(hashes) == 5


def test_phantoms_by_name() -> None:
    dataset = load_dataset("phantoms[n=2, seed=3]")
    assert len(dataset) == 2
    assert dataset.content_hash() != load_dataset("phantoms[n=2]").content_hash()
    for bad in ("phantoms[", "phantoms[m=2]", "phantoms[n=x]", "phantoms[n=-1]", "phantomsx", "phantoms[n]"):
        with pytest.raises(DataError, match="phantoms are written"):
            load_dataset(bad)


def test_busi_names_take_the_published_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = {"benign (1)": "benign (1)", "benign (7)": "benign (1)", "normal (1)": "normal (1)"}
    monkeypatch.setattr("hybridseg.data.splits.published_groups", lambda: published)
    for number in (1, 7):
        put(tmp_path / f"benign/benign ({number}).png")
        put(tmp_path / f"benign/benign ({number})_mask.png")
    dataset = load_dataset(tmp_path)
    assert dataset.groups == ["benign (1)", "benign (1)"]
    assert dataset.groups_from == "the published BUSI split"
    assert with_scenes(dataset) is dataset
    put(tmp_path / "normal/normal (2).png")
    dataset = load_dataset(tmp_path)
    assert dataset.groups == ["benign (1)", "benign (1)", "normal (2)"]
    assert dataset.groups_in_words == f"the published BUSI split for 2 of 3, else {GROUPS_ALONE}"
    put(tmp_path / "normal/scan 3.png")  # not BUSI's names: its groups mean nothing here
    assert load_dataset(tmp_path).groups_in_words == GROUPS_ALONE


def test_written_folder_reads_back(tmp_path: Path) -> None:
    dataset = load_dataset("phantoms[n=4]")
    write_folder(dataset, tmp_path / "out")
    back = load_dataset(tmp_path / "out")
    assert ids(back) == ids(dataset) and back.labels == dataset.labels
    for a, b in zip(dataset, back, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)
    with pytest.raises(DataError, match="another picture"):
        write_folder(load_dataset("phantoms[n=4,seed=1]"), tmp_path / "out")
    with pytest.raises(DataError, match="is not empty"):
        write_folder(load_dataset("phantoms[n=2]"), tmp_path / "out")


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", ".."])
def test_no_case_is_written_outside_its_folder(tmp_path: Path, name: str) -> None:
    case = FileCase(name, "g", "benign", put(tmp_path / "a.png"), ())
    with pytest.raises(DataError, match="can't be a file's name"):
        write_folder(Dataset("x", (case,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unreadable_file_names_itself(busi_like: Path) -> None:
    path = busi_like / "malignant/malignant (1).png"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImageError, match=r"malignant \(1\)\.png: "):
        load_dataset(busi_like)[3].read()


def test_naming_a_dataset_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hybridseg.data import load_dataset, grouped_folds;"
        "heavy = {'scipy', 'skimage', 'sklearn', 'cv2', 'tensorflow', 'onnxruntime', 'matplotlib', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.busi
def test_real_busi(busi_dir: Path) -> None:
    dataset = load_dataset(busi_dir)
    if len(dataset) != 619:
        pytest.skip("not the development part of BUSI")
    assert Counter(dataset.labels) == Counter(benign=350, malignant=162, normal=107)
    cases = {case.case_id: case for case in dataset}
    assert sum(len(case.mask_paths) > 1 for case in cases.values() if isinstance(case, FileCase)) == 13
    assert dataset.groups_from == "the published BUSI split" and len(set(dataset.groups)) < 619
    several = cases["benign (195)"]
    assert isinstance(several, FileCase) and len(several.mask_paths) == 3
    areas = [int(read_mask(path).sum()) for path in several.mask_paths]
    assert max(areas) < int(several.mask.sum()) <= sum(areas)
    assert not cases["normal (1)"].mask.any()
    assert cases["benign (4)"].read()[1].any()  # one of its masks is RGBA
