"""What values in masks mean: decided from the whole data set, or as asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybridseg.data import (
    DataError,
    Dataset,
    load_dataset,
    load_truth,
    match_predictions,
    read_prediction,
    take_inventory,
)

SHAPE = (12, 20)


def put(root: Path, name: str, pixels: np.ndarray) -> None:
    """Write a mask and an image of its size."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(pixels.shape[:2], np.uint8)).save(root / f"images/{name}.png")
    Image.fromarray(pixels).save(root / f"masks/{name}.png")


def grey(**rows: int) -> np.ndarray:
    """Return a mask whose row ``r1`` has a value everywhere, and so on."""
    pixels = np.zeros(SHAPE, np.uint8)
    for row, value in rows.items():
        pixels[int(row[1:])] = value
    return pixels


def sizes(dataset: Dataset) -> list[int]:
    return [int(case.mask.sum()) for case in dataset]


def how(root: Path) -> str:
    (words,) = take_inventory(root, pairs=False).masks_read
    return words


def test_labels_with_255_in_one_mask_ignore_it(tmp_path: Path) -> None:
    pixels = grey(r1=1, r2=1, r3=1, r4=1, r5=1, r6=1)  # 120 pixels
    pixels[0, :3] = 255
    put(tmp_path, "a", pixels)
    put(tmp_path, "b", grey(r1=1))
    dataset = load_dataset(tmp_path)
    assert sizes(dataset) == [120, 20] and [int(case.ignored.sum()) for case in dataset] == [3, 0]
    assert how(tmp_path) == "labels are lesion, 255 is ignored"
    inventory = take_inventory(tmp_path, pairs=False)
    assert inventory.ignored == ["a"] and inventory.mask_values == {"1": 2, "255": 1}
    assert ("mask values", "2", "1 in 2 files, 255 in 1 files") in inventory.lines()


def test_127_beside_a_few_255_is_lesion(tmp_path: Path) -> None:
    pixels = grey(r1=127, r2=127, r3=127, r4=127, r5=127, r6=127)
    pixels[0, :3] = 255
    put(tmp_path, "a", pixels)
    assert sizes(load_dataset(tmp_path)) == [123] and how(tmp_path) == "codes, all but 0 are lesion"


def test_grey_edges_of_white_areas_are_cut_at_half(tmp_path: Path) -> None:
    put(tmp_path, "a", grey(r1=64, r2=255, r3=255, r4=255, r5=255, r6=255, r7=255, r8=255, r9=191))
    assert sizes(load_dataset(tmp_path)) == [160] and how(tmp_path) == "grey edges, cut at half the range"


def test_one_file_alone_would_mislead(tmp_path: Path) -> None:
    put(tmp_path, "a", grey(r1=127))  # alone it is neither labels nor black and white
    put(tmp_path, "b", grey(r1=127, r2=255))
    assert sizes(load_dataset(tmp_path)) == [20, 40]


def test_labels_in_some_and_white_in_others(tmp_path: Path) -> None:
    put(tmp_path, "a", grey(r1=1, r2=2))
    put(tmp_path, "b", grey(r1=255))
    assert sizes(load_dataset(tmp_path)) == [40, 20]
    assert how(tmp_path) == "labels in some masks, black and white in others"


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_colours_are_codes(tmp_path: Path, mode: str) -> None:
    """PASCAL VOC's colours: classes 1 (128, 0, 0) and 2 (0, 128, 0), void (224, 224, 192)."""
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    pixels[1], pixels[2], pixels[3, :4] = (128, 0, 0), (0, 128, 0), (224, 224, 192)
    put(tmp_path, "a", pixels)
    coloured = Image.fromarray(pixels)
    (coloured.quantize(4) if mode == "P" else coloured.convert(mode)).save(tmp_path / "masks/a.png")
    dataset = load_dataset(tmp_path)
    assert sizes(dataset) == [40] and dataset[0].ignored.sum() == 4
    assert how(tmp_path) == "codes, all but 0 are lesion, #e0e0c0 is ignored"


def test_deep_masks(tmp_path: Path) -> None:
    deep = grey(r1=1).astype(np.uint16)
    deep[2] = 65535
    put(tmp_path, "a", deep)
    dataset = load_dataset(tmp_path)
    assert sizes(dataset) == [20] and dataset[0].ignored.sum() == 20


@pytest.mark.parametrize(
    ("asked", "lesion", "ignored"),
    [
        ("[lesion=2]", 20, None),
        ("[lesion=1;2,ignore=7]", 40, 20),
        ("[ignore=1]", 60, 20),
        ("[lesion=#ff0000]", 0, None),
    ],
)
def test_whoever_knows_better_says_so(tmp_path: Path, asked: str, lesion: int, ignored: int | None) -> None:
    put(tmp_path, "a", grey(r1=1, r2=2, r3=7, r4=255))
    case = load_dataset(f"{tmp_path}/../{tmp_path.name}{asked}")[0]
    assert case.mask.sum() == lesion
    assert (None if case.ignored is None else case.ignored.sum()) == ignored
    again = load_dataset(load_dataset(f"{tmp_path}/../{tmp_path.name}{asked}").source)[0]
    assert again.content_hash() == case.content_hash()
    assert case.content_hash() != load_dataset(tmp_path)[0].content_hash()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("[lesion=red]", "mask values are numbers above 0 or colours such as #ff0000, got `red`"),
        ("[lesion=1,ignore=1]", "mask value 1 can't be both lesion and ignored"),
        ("[tumour=1]", r"expected \[lesion=VALUES,ignore=VALUES\], got \[tumour=1\]"),
    ],
)
def test_wrong_values_are_one_line(tmp_path: Path, asked: str, reason: str) -> None:
    put(tmp_path, "a", grey(r1=1))
    with pytest.raises(DataError, match=reason):
        load_dataset(f"{tmp_path}{asked}")


def test_manifest_columns_say_which_values_are_lesion(tmp_path: Path) -> None:
    put(tmp_path, "a", grey(r1=1, r2=2, r3=3))
    put(tmp_path, "b", grey(r1=255))
    header = "image,mask,lesion,ignore,device,spacing_mm"
    (tmp_path / "m.csv").write_text(f"{header}\nimages/a.png,masks/a.png,1;3,2,GE,0.1\nimages/b.png,masks/b.png,,,,\n")
    dataset = load_dataset(tmp_path / "m.csv")
    assert sizes(dataset) == [40, 20] and dataset[0].ignored.sum() == 20 and dataset[1].ignored is None
    assert dataset[0].facts == {"device": "GE", "spacing_mm": 0.1} and dataset[1].facts == {}


@pytest.mark.parametrize("rows", [1, 9])
def test_predictions_in_colour_are_read_whatever_their_size(tmp_path: Path, rows: int) -> None:
    put(tmp_path / "truth", "a", grey(r1=255))
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    pixels[:rows] = 128, 0, 0
    (tmp_path / "pred").mkdir()
    Image.fromarray(pixels).save(tmp_path / "pred/a.png")
    matches = match_predictions(load_dataset(tmp_path / "truth"), tmp_path / "pred")
    assert read_prediction(matches.files["a"], "a", SHAPE, matches.reading).sum() == 20 * rows
    (case,) = load_truth(tmp_path / "truth/masks")
    assert case.mask.sum() == 20
