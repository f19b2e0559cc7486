"""COCO annotations as a data set, and as masks to score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from hybridseg.batch.formats import Coco
from hybridseg.batch.outputs import Frame
from hybridseg.cli import main
from hybridseg.data import DataError, load_dataset
from hybridseg.data.coco import read_coco
from hybridseg.data.phantoms import phantom
from hybridseg.images import write_image

# A rectangle of 4 x 5 pixels without one inside it, as pycocotools packs it.
PACKED = {"size": [6, 8], "counts": "=42MO11200005"}
COUNTS = {"size": [6, 8], "counts": [13, 4, 2, 1, 1, 2, 2, 4, 2, 4, 2, 4, 7]}


def expected() -> np.ndarray:
    mask = np.zeros((6, 8), bool)
    mask[1:5, 2:7] = True
    mask[2, 3] = False
    return mask


def annotations(segmentation: Any, **image: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.png", "height": 6, "width": 8, **image}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "segmentation": segmentation}],
        "categories": [{"id": 1, "name": "malignant"}],
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("segmentation", [PACKED, COUNTS], ids=["packed", "counts"])
def test_run_lengths(tmp_path: Path, segmentation: dict[str, Any]) -> None:
    (image,) = read_coco(write(tmp_path / "a.json", annotations(segmentation)))
    np.testing.assert_array_equal(image.mask(), expected())


def test_polygons_hold_the_pixels_whose_centre_they_hold(tmp_path: Path) -> None:
    rings = [[1, 1, 4, 1, 4, 3, 1, 3], [6.2, 4.2, 7.8, 4.2, 7.8, 5.8, 6.2, 5.8]]
    (image,) = read_coco(write(tmp_path / "a.json", annotations(rings)))
    assert np.argwhere(image.mask()).tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3], [4, 6], [4, 7],
                                                  [5, 6], [5, 7]]  # fmt: skip


def test_what_segment_writes_is_read_again(tmp_path: Path) -> None:
    case = phantom(1, shape=(90, 120))
    Coco().write(tmp_path / "a.json", Frame("a.png", "m", case.image, case.mask, case.mask.astype(np.float32)))
    (image,) = read_coco(tmp_path / "a.json")
    assert case.mask.any()
    np.testing.assert_array_equal(image.mask(), case.mask)


def test_a_file_is_a_data_set(tmp_path: Path) -> None:
    content = annotations(PACKED, file_name="sub/a.png")
    content["images"].append({"id": 8, "file_name": "b.png", "height": 4, "width": 4})
    (tmp_path / "images" / "sub").mkdir(parents=True)
    write_image(tmp_path / "images" / "sub" / "a.png", np.full((6, 8), 90, np.uint8))
    write_image(tmp_path / "b.png", np.full((4, 4), 90, np.uint8))
    dataset = load_dataset(write(tmp_path / "lesions.json", content))
    assert [(case.case_id, case.label) for case in dataset] == [("b", ""), ("sub/a", "malignant")]
    np.testing.assert_array_equal(dataset[1].mask, expected())
    assert not dataset[0].mask.any()
    before = dataset.content_hash()
    content["annotations"][0]["segmentation"] = COUNTS
    assert load_dataset(write(tmp_path / "lesions.json", content)).content_hash() != before
    write_image(tmp_path / "b.png", np.full((5, 4), 90, np.uint8))
    with pytest.raises(DataError, match=r"case `b`: image b\.png has shape \(5, 4\), its annotations \(4, 4\)"):
        dataset[0].read()


@pytest.mark.parametrize(("content", "said"), [
    ("[]", "not COCO annotations"),
    ("{", "not COCO annotations: Expecting"),
    ("[" * 100_000, "not COCO annotations"),
    ({"images": []}, "it lacks 'annotations'"),
    ({"images": [], "annotations": []}, "it lists no image"),
    (annotations([]), "annotation 1 has no outline: a box alone is no mask"),
    (annotations(PACKED, id=8), "an annotation is of image 7, which isn't listed"),
    (annotations(PACKED, file_name="../a.png"), "`file_name` must lie in the file's folder, got ../a.png"),
    (annotations(PACKED, file_name="/a.png"), "must lie in the file's folder"),
    (annotations(PACKED, height=0), "`height` and `width` must be integers of at least 1, got 0 and 8"),
    (annotations(PACKED, height=10**6, width=10**6), "pixels are more than"),
    (annotations(PACKED, file_name="b.png"), "there is no image b.png beside it or in images/"),
])  # fmt: skip
def test_another_file_is_refused_in_a_line(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(DataError) as error:
        load_dataset(write(tmp_path / "a.json", content))
    assert said in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("segmentation", "said"), [
    ({"size": [6, 9], "counts": [54]}, r"its `size` is \[6, 9\], the image's \[6, 8\]"),
    ({"size": [6, 8], "counts": [47]}, "don't add up to 48 pixels"),
    ({"size": [6, 8], "counts": [50, -2]}, "don't add up"),
    ({"size": [6, 8], "counts": "=42MO1120000"}, "don't add up"),
    ({"size": [6, 8], "counts": "P"}, "end in the middle of a number"),
    ({"size": [6, 8], "counts": " "}, "aren't compressed run lengths"),
    ({"counts": [48]}, "'size'"),
    ([[1, 1, 2]], "a polygon has at least 3 corners x, y, got 3 numbers"),
    ([[1, 1, 2, 2, 3, float("inf")]], "a polygon has at least 3 corners"),
    ([["a", 1, 2, 2, 3, 3]], "can't be read"),
    ("text", "can't be read"),
])  # fmt: skip
def test_a_wrong_annotation_is_refused_in_a_line(tmp_path: Path, segmentation: Any, said: str) -> None:
    (image,) = read_coco(write(tmp_path / "a.json", annotations(segmentation)))
    with pytest.raises(DataError, match=said):
        image.mask()


def test_annotations_are_scored(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.png", np.full((6, 8), 90, np.uint8))
    truth = annotations(PACKED)
    truth["images"].append({"id": 8, "file_name": "b.png", "height": 6, "width": 8})
    truth["annotations"].append({"id": 2, "image_id": 8, "category_id": 1, "segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]]})
    found = annotations([[2, 1, 7, 1, 7, 5, 2, 5]], file_name="images/a.png")
    write(tmp_path / "truth.json", truth)
    write(tmp_path / "found.json", found)
    done = CliRunner().invoke(main, [
        "score", "--truth", str(tmp_path / "truth.json"), "--pred", str(tmp_path / "found.json"), "--format", "json",
        "-o", str(tmp_path / "run"),
    ])  # fmt: skip
    assert done.exit_code == 1, done.output  # b has no prediction
    assert "cases without a prediction, scored as misses (1): b" in done.stderr
    lines = (tmp_path / "run" / "cases.csv").read_text().splitlines()
    columns = lines[0].split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in lines[1:]]
    assert [(row["method"], row["case_id"], row["tp"], row["fp"], row["fn"]) for row in rows] == [
        ("found", "a", "19", "1", "0"), ("found", "b", "0", "0", "12"),
    ]  # fmt: skip
