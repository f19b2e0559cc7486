"""Folders and manifests become datasets; what is doubtful is refused with one line."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hybridseg.data import DataError, Dataset, FileCase, load_dataset, take_inventory
from hybridseg.data.cases import GROUPS_ALONE, natural_key
from hybridseg.data.files import write_folder
from hybridseg.data.readers import list_folder
from hybridseg.data.scenes import with_scenes
from hybridseg.images import ImageError, read_mask


def put(path: Path, *lesion: tuple[int, int], shape: tuple[int, int] = (4, 5), colour: bool = False) -> Path:
    """Write a picture that is 255 at the pixels of ``lesion`` and 0 elsewhere."""
    pixels = np.zeros(shape, dtype=np.uint8)
    for row, column in lesion:
        pixels[row, column] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([pixels] * 3, axis=2) if colour else pixels).save(path)
    return path


def ids(dataset: Dataset) -> list[str]:
    return [case.case_id for case in dataset]


def lesion_of(case: Any) -> list[list[int]]:
    return [[int(i) for i in pixel] for pixel in np.argwhere(case.mask)]


@pytest.fixture
def busi_like(tmp_path: Path) -> Path:
    root = tmp_path / "Dataset_BUSI_with_GT"
    for number in (1, 2, 10):
        put(root / f"benign/benign ({number}).png", colour=True)
        put(root / f"benign/benign ({number})_mask.png", (0, 0))
    put(root / "benign/benign (10)_mask_1.png", (1, 1))
    put(root / "benign/benign (10)_mask_2.png", (1, 1), (3, 4))
    put(root / "malignant/malignant (1).png")
    put(root / "malignant/malignant (1)_mask.png", (2, 2))
    put(root / "normal/normal (1).png")
    put(root / "normal/normal (1)_mask.png", colour=True)
    return root


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
        (["mask"], "has no column `image`, expected image, mask"),
        (["image"], "has no column `mask`"),
        ([""], "has no column `image`"),
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


def test_manifest_of_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"image,mask\n\xff\xfe,\n")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        load_dataset(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"image,mask\na\0.png,\n")
    with pytest.raises(DataError, match=r"must be a path inside|is not CSV"):
        load_dataset(tmp_path / "b.csv")


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


def test_inventory_counts_every_decision(busi_like: Path) -> None:
    pixels = np.zeros((4, 5, 3), dtype=np.uint8)
    pixels[0, 0] = (255, 255, 0)
    Image.fromarray(pixels).save(busi_like / "benign/benign (2).png")  # a coloured caliper
    Image.fromarray(np.full((4, 5), 200, np.uint8)).save(busi_like / "malignant/malignant (1)_mask.png")
    put(busi_like / "benign/benign (1)_mask.png")  # empty, though benign
    put(busi_like / "normal/normal (1)_mask.png", (0, 0))
    put(busi_like / "benign/benign (3).png", shape=(4, 5))
    put(busi_like / "benign/benign (3)_mask.png", shape=(5, 5))
    put(busi_like / "benign/benign (4)_mask.png")
    put(busi_like / "benign/benign (5).png")
    put(busi_like / "benign/benign (6)_mask.png", (0, 0))
    (busi_like / "benign/benign (6).png").write_bytes(b"not a picture")
    (busi_like / "readme.txt").touch()
    found = take_inventory(busi_like, pairs=False)
    assert found.labels == Counter(benign=5, malignant=1, normal=1)
    assert (found.n_images, found.n_masks) == (7, 9)
    assert found.image_modes == Counter({"PNG RGB": 3, "PNG L": 3})
    assert found.several_masks == ["benign (10)"]
    assert found.coloured == ["benign (2)"]
    assert found.grey_masks == ["malignant (1)"]
    assert found.lesion_free == ["benign (1)"] and found.empty_with_lesion_class == ["benign (1)"]
    assert found.lesion_with_normal_class == ["normal (1)"]
    assert len(found.shape_mismatches) == 1 and "benign (3)" in found.shape_mismatches[0]
    assert len(found.unreadable) == 1 and "benign (6).png" in found.unreadable[0]
    assert found.masks_without_image == ["benign/benign (4)_mask.png"]
    assert found.images_without_mask == ["benign/benign (5).png"]
    assert found.other_files == ["readme.txt"]
    assert found.shapes == Counter({"4 x 5": 5})
    assert found.near_duplicates is None and not found.usable


def test_inventory_counts_second_images_of_a_case(busi_like: Path) -> None:
    whole = take_inventory(busi_like, pairs=False)
    Image.open(busi_like / "benign/benign (1).png").save(busi_like / "benign/benign (1).bmp")
    found = take_inventory(busi_like, pairs=False)
    assert found.second_images == ["benign/benign (1).png"]
    assert ("second images of a case, left out", "1", "benign/benign (1).png") in found.lines()
    assert (found.n_images, found.n_masks, found.labels) == (whole.n_images, whole.n_masks, whole.labels)
    assert whole.usable and not found.usable
    with pytest.raises(DataError, match="are one case's image"):
        load_dataset(busi_like)


def test_inventory_of_a_clean_folder_is_usable(busi_like: Path) -> None:
    found = take_inventory(busi_like, pairs=False)
    assert found.usable and found.to_dict()["shapes"] == {"4 x 5": 5}
    assert ("lesion-free", "1", "normal (1)") in found.lines()


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
