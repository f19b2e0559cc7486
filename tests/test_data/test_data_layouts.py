"""Data sets as their authors ship them, as tiny made-up trees with the defects of the real ones."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hybridseg.cli import main
from hybridseg.data import (
    DataError,
    Dataset,
    DataWarning,
    load_dataset,
    match_predictions,
    published_folds,
    take_inventory,
)
from hybridseg.data.cases import GROUPS_ALONE
from hybridseg.data.layouts import GROUP, Layout, known_layouts

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
        f'left,"[0,0,10,1]"'
        for name in names
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


@pytest.fixture
def breast(tmp_path: Path) -> Path:
    """Four cases, one of them lesion-free, one with corners that are white and transparent."""
    root = tmp_path / "BrEaST"
    for number in range(1, 5):
        picture(root / f"images/case00{number}.png", number)
        if number < 4:
            mask(root / f"images/case00{number}_tumor.png")
    mask(root / "images/case002_other1.png", shape=(3, 3))
    seen = np.full((8, 10, 4), 255, dtype=np.uint8)
    seen[0, 0, 3] = 0
    Image.fromarray(seen).save(root / "images/case001.png")
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.create_sheet("BrEaST-Lesions-USG clinical dat")
    book.worksheets[0].append(["a dictionary", "of the columns"])
    header = "CaseID Image_filename Pixel_size BIRADS Verification Diagnosis Classification"
    book.worksheets[1].append(header.split())
    for number, label in enumerate(("benign", "malignant", "benign", "normal"), 1):
        row = [number, f"case00{number}.png", 0.007, "4a", "confirmed by biopsy", "not applicable", label]
        book.worksheets[1].append(row)
    book.save(root / "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx")
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


def test_breast(breast: Path) -> None:
    dataset = load_dataset(breast)
    assert dataset.layout == "BrEaST" and ids(dataset) == ["case001", "case002", "case003", "case004"]
    assert dataset.labels == ["benign", "malignant", "benign", "normal"]
    assert dataset[1].facts == {"spacing_mm": 0.07, "birads": "4a", "verification": "confirmed by biopsy"}
    assert dataset[1].spacing_mm == (0.07, 0.07)
    assert [int(case.mask.sum()) for case in dataset] == [10, 10, 10, 0]
    assert dataset[0].image[0, :2].tolist() == [0, 255]  # transparent corners are seen on black
    assert take_inventory(breast, pairs=False).other_files == ["images/case002_other1.png"]


def test_breast_without_its_table_says_what_is_lost(breast: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    lost = r'needs openpyxl: pip install "hybridseg\[tables\]"; class, Pixel_size, BIRADS, .* unknown; 1 images without'
    with pytest.warns(DataWarning, match=lost):
        dataset = load_dataset(breast)
    assert ids(dataset) == ["case001", "case002", "case003"] and dataset[1].facts == {}
    next(breast.glob("*.xlsx")).unlink()
    with pytest.warns(DataWarning, match=r"BrEaST: its table \(\*.xlsx\) is missing; class"):
        load_dataset(breast)


def test_a_table_s_far_columns_are_not_read(breast: Path) -> None:
    """A row of 30 bytes may claim 16,384 cells: a million of them took minutes."""
    openpyxl = pytest.importorskip("openpyxl")
    table = next(breast.glob("*.xlsx"))
    book = openpyxl.load_workbook(table)
    book.worksheets[1].insert_cols(1, 255)
    book.save(table)
    with pytest.raises(DataError, match="has no sheet with the columns"):
        load_dataset(breast)


def test_breast_with_a_damaged_table_is_one_line(breast: Path) -> None:
    next(breast.glob("*.xlsx")).write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match=r"can't be read as \.xlsx: "):
        load_dataset(breast)


@pytest.mark.parametrize(
    ("name", "image", "masked", "case_id", "device"),
    [
        ("UDIAT", "original/000001.png", "GT/000001.png", "000001", "Siemens ACUSON Sequoia C512"),
        ("STU", "Test_Image_1.png", "mask_1.png", "Test_Image_1", "GE Voluson E10"),
    ],
)
def test_layouts_without_a_table(tmp_path: Path, name: str, image: str, masked: str, case_id: str, device: str) -> None:
    picture(tmp_path / image)
    mask(tmp_path / masked)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == name and ids(dataset) == [case_id] and dataset[0].mask.sum() == 10
    assert dataset[0].facts == {"device": device} and dataset.groups_in_words == GROUPS_ALONE


def test_busi_in_parts_keeps_its_layout(tmp_path: Path) -> None:
    for part, name in (("train", "benign/benign (1)"), ("test", "malignant/malignant (2)")):
        picture(tmp_path / part / f"{name}.png")
        mask(tmp_path / part / f"{name}_mask.png")
        mask(tmp_path / part / f"{name}_mask_1.png", (0, 0, 0), (9, 9, 200))
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "BUSI" and ids(dataset) == ["benign (1)", "malignant (2)"]
    assert dataset.labels == ["benign", "malignant"] and dataset[0].mask.sum() == 20


def test_names_that_only_resemble_a_layout_are_read_as_a_pair(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / f"images/CASE_00{number}.png", number)
        mask(tmp_path / f"masks/CASE_00{number}.png")
    assert load_dataset(tmp_path).layout == ""


def test_a_package_offers_its_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Offered:
        name, value = "ours", "theirs:LAYOUT"

        def load(self) -> object:
            return Layout(name="Ours", image=r"scan_(?P<key>[0-9]+)", mask=r"contour_(?P<key>[0-9]+)")

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Offered()] if group == GROUP else [])
    known_layouts.cache_clear()
    picture(tmp_path / "scan_7.png")
    mask(tmp_path / "contour_7.png")
    assert load_dataset(tmp_path).layout == "Ours"
    monkeypatch.setattr(Offered, "load", lambda self: "no layout")
    known_layouts.cache_clear()
    with pytest.raises(DataError, match=r"layout `ours` \(theirs:LAYOUT\) must be a Layout, got str"):
        load_dataset(tmp_path)
    known_layouts.cache_clear()


def test_what_cant_be_listed_is_accounted_for(busbra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset(busbra)
    (busbra / "closed").mkdir()
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"closed can't be listed \(1 such files\)"):
        load_dataset(busbra)
    assert take_inventory(busbra, pairs=False).unread_folders == ["closed"]
    with pytest.raises(DataError, match="closed: can't be listed: Permission denied"):
        match_predictions(dataset, busbra)


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


def test_real_bus_uclm_through_the_verbs(busuclm_dir: Path, tmp_path: Path) -> None:
    checked = CliRunner().invoke(main, ["data", "check", "--no-pairs", "--format", "json", str(busuclm_dir)])
    found = json.loads(checked.stdout)
    assert checked.exit_code == 0 and found["layout"] == "BUS-UCLM" and found["joined"] == ["CHCO = CHVI"]
    assert found["mask_values"] == {"#00ff00": 70, "#ff0000": 64} and len(found["lesion_free"]) == 130
    split = ["data", "split", str(busuclm_dir), "-o", str(tmp_path / "folds.csv")]
    assert "groups: BUS-UCLM's patients" in CliRunner().invoke(main, split).stdout


def test_real_bus_bra_is_benchmarked_on_its_published_folds(busbra_dir: Path) -> None:
    planned = CliRunner().invoke(main, ["bench", "--data", str(busbra_dir), "-m", "otsu", "--dry-run"])
    assert planned.exit_code == 0, planned.output
    assert "BUS-BRA, published: 5 folds, no group in two of them" in planned.stdout
    assert "288 (1118)  294 (1112)  264 (1142)  275 (1131)  285 (1121)" in planned.stdout
