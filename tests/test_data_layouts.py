"""Data sets as their authors ship them, as tiny made-up trees with the defects of the real ones."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybridseg.data import DataError, Dataset, load_dataset, published_folds, take_inventory

RED, GREEN = (255, 0, 0), (0, 255, 0)


def picture(path: Path, seed: int = 0, shape: tuple[int, int] = (8, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)


def mask(path: Path, *colours: tuple[int, int, int], shape: tuple[int, int] = (8, 10), value: int = 255) -> None:
    """Write a mask: row 0 white, or row ``i`` in the i-th colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*shape, 3) if colours else shape, dtype=np.uint8)
    for row, colour in enumerate(colours or (value,)):
        pixels[row] = colour
    Image.fromarray(pixels).save(path)


def table(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n", encoding=encoding)


@pytest.fixture
def busbra(tmp_path: Path) -> Path:
    root = tmp_path / "BUSBRA"
    names = ["0001-l", "0001-r", "0002-l", "0002-r", "0003-s", "0004-l", "0005-l"]
    for seed, name in enumerate(names):
        picture(root / f"Images/bus_{name}.png", seed)
        mask(root / f"Masks/mask_{name}.png")
    rows = "\n".join(
        f"bus_{name},{int(name[:4])},fibroadenoma,{'benign' if int(name[:4]) % 2 else 'malignant'},4,GE Logiq 7,10,8,"
        f'left,"[0,0,10,1]"' for name in names
    )
    table(root / "bus_data.csv", f"ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX\n{rows}")
    folds = "\n".join(f"bus_{name},x,{int(name[:4])},1" for name in names)
    table(root / "5-fold-cv.csv", f"ID,Pathology,kFold,valid_1\n{folds}")
    return root


@pytest.fixture
def busuclm(tmp_path: Path) -> Path:
    root = tmp_path / "BUS-UCLM"
    rows = []
    for seed, (name, label, colours) in enumerate([
        ("ANAT_000", "Normal", ()), ("ANAT_001", "Benign", (GREEN,)), ("CHCO_000", "Malignant", (RED,)),
        ("CHVI_005", "Malignant", (RED,)), ("HESN_000", "Malignant", (RED, GREEN)),
    ]):  # fmt: skip
        picture(root / f"images/{name}.png", seed)
        mask(root / f"masks/{name}.png", *colours or ((0, 0, 0),))
        rows.append(f"{name}.png;10x8;{label};No;{'Y' if seed else 'No'};No")
    shutil.copy(root / "images/CHCO_000.png", root / "images/CHVI_005.png")
    table(root / "INFO.csv", "Image;Resolution;Label;Doppler;Marks;Combined\n" + "\n".join(rows), "utf-8-sig")
    return root


def ids(dataset: Dataset) -> list[str]:
    return [case.case_id for case in dataset]


@pytest.mark.parametrize("below", [True, False])
def test_bus_bra(busbra: Path, below: bool) -> None:
    dataset = load_dataset(busbra.parent if below else busbra)
    assert dataset.layout == "BUS-BRA" and dataset.groups_from == "BUS-BRA's patients"
    assert ids(dataset)[:3] == ["bus_0001-l", "bus_0001-r", "bus_0002-l"]
    assert dataset.groups[:3] == ["1", "1", "2"] and dataset.labels[:3] == ["benign", "benign", "malignant"]
    assert dataset[0].facts == {
        "patient": "1", "device": "GE Logiq 7", "birads": "4", "histology": "fibroadenoma", "side": "left"
    }  # fmt: skip
    assert dataset[0].mask.sum() == 10


def test_published_folds_of_bus_bra(busbra: Path) -> None:
    dataset = load_dataset(busbra)
    split = published_folds(dataset, 5)
    assert [len(fold.test) for fold in split.folds] == [2, 2, 1, 1, 1]
    assert split.folds[0].test == ("bus_0001-l", "bus_0001-r")
    with pytest.raises(DataError, match="`n_folds` must be 5 as published, got 10"):
        published_folds(dataset, 10)


def test_published_folds_that_part_a_patient_are_refused(busbra: Path) -> None:
    path = busbra / "5-fold-cv.csv"
    path.write_text(path.read_text().replace("bus_0002-r,x,2", "bus_0002-r,x,3"))
    with pytest.raises(DataError, match="bus_0002-l and bus_0002-r of one group in two folds"):
        published_folds(load_dataset(busbra), 5)


def test_bus_uclm(busuclm: Path) -> None:
    dataset = load_dataset(busuclm)
    assert dataset.layout == "BUS-UCLM"
    assert dataset.labels == ["normal", "benign", "malignant", "malignant", "malignant"]
    assert dataset.groups == ["ANAT", "ANAT", "CHCO", "CHCO", "HESN"]  # CHVI shares an image with CHCO
    assert [int(case.mask.sum()) for case in dataset] == [0, 10, 10, 10, 20]
    assert dataset[3].facts == {
        "patient": "CHVI", "device": "Siemens ACUSON S2000", "doppler": "no", "marks": "yes", "combined": "no"
    }  # fmt: skip
    assert ("patients that share an image, joined", "1", "CHCO = CHVI") in take_inventory(busuclm, pairs=False).lines()


def test_masks_of_another_size_are_left_out_and_counted(busuclm: Path) -> None:
    mask(busuclm / "masks/HESN_000.png", RED, shape=(4, 5))
    assert "HESN_000" not in ids(load_dataset(busuclm))
    inventory = take_inventory(busuclm, pairs=False)
    assert inventory.other_size == ["images/HESN_000.png"] and inventory.usable


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda root: (root / "bus_data.csv").unlink(), "looks like BUS-BRA, but bus_data.csv is missing"),
        (lambda root: shutil.rmtree(root / "Masks"), r"bus_0001-l.png has no mask \(7 such files\)"),
        (
            lambda root: (root / "Images/bus_0003-s.png").unlink(),
            "BUS-BRA is incomplete: 1 of the 7 images that bus_data.csv lists are missing, for example bus_0003-s",
        ),
        (lambda root: picture(root / "Images/bus_0009-l.png"), "bus_data.csv doesn't list bus_0009-l.png"),
        (lambda root: picture(root / "extra.png"), "extra.png is neither an image nor a mask of BUS-BRA"),
        (lambda root: shutil.copytree(root, root / "copy"), "two tables of BUS-BRA"),
    ],
)
def test_half_downloads_are_one_line(busbra: Path, harm: Callable[[Path], object], reason: str) -> None:
    harm(busbra)
    with pytest.raises(DataError, match=reason) as error:
        load_dataset(busbra)
    assert "\n" not in str(error.value)


def test_two_data_sets_in_one_folder_are_refused(busbra: Path, busuclm: Path) -> None:
    with pytest.raises(DataError, match=r"holds several data sets \(BUS-BRA and BUS-UCLM\)"):
        load_dataset(busbra.parent)


@pytest.mark.parametrize("n_folds", [5, 10])
def test_real_bus_bra(busbra_dir: Path, n_folds: int) -> None:
    dataset = load_dataset(busbra_dir)
    with open(busbra_dir / "BUSBRA" / f"{n_folds}-fold-cv.csv") as file:
        rows = list(csv.DictReader(file))
    split = published_folds(dataset, n_folds)
    for number, fold in enumerate(split.folds, 1):
        assert set(fold.test) == {row["ID"] for row in rows if int(row["kFold"]) == number}
    assert (len(dataset), len(set(dataset.groups))) == (1406, 798)


def test_real_bus_uclm(busuclm_dir: Path) -> None:
    dataset = load_dataset(busuclm_dir)
    assert (len(dataset), len(set(dataset.groups)), dataset.labels.count("normal")) == (264, 18, 130)
