"""What `hybridseg data check` counts in a folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from _folders import put
from PIL import Image

from hybridseg.data import DataError, load_dataset, take_inventory


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
