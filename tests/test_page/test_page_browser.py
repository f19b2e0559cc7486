"""The page in headless Chromium, opened as a file: masks and measures equal Python's, and nothing is asked for."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _page import drive, web, write_pictures
from PIL import Image

from hybridseg import OperatingPoint, create, load, read_image, read_mask
from hybridseg.confidence import Calibration
from hybridseg.data.phantoms import phantom
from hybridseg.images import read_facts
from hybridseg.metrics.measure import measure_lesions
from hybridseg.onnx import OnnxSegmenter
from hybridseg.page import write_page
from hybridseg.zoo.cards import ZOO

MANY = 100
WIDTHS = ((360, 740), (1280, 800), (2560, 1300))
MOST_GROWTH_BYTES = 8_000_000  # the probabilities of a hundred pictures would be 40 MB


class Visit:
    """One visit to the page: pictures of all kinds, a broken file among them, then a hundred, then a look around."""

    def __init__(self, folder: Path) -> None:
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        self.frames = write_pictures(self.pictures)
        names = [str(self.pictures / name) for name in self.frames]
        broken = folder / "broken.png"
        broken.write_bytes((self.pictures / "grey.png").read_bytes()[:-900])
        first = [*names[:3], str(broken), *names[3:]]
        many = [folder / f"{i}.png" for i in range(MANY)]
        for i, path in enumerate(many):
            Image.fromarray(phantom(i % 9, shape=(300, 330 + i))[0] if i < 9 else _rolled(many[i % 9], i)).save(path)
        count = sum(self.frames.values()) + 1
        page = folder / "page.html"
        self.size = write_page(page)
        steps = [*_start(first, count), *_many(many), *_other_ways(names[0]), *_look_around()]
        self.found = {step.get("as", str(i)): each for (i, step), each in zip(
            enumerate(steps), drive(folder, page, steps), strict=True
        )}  # fmt: skip
        self.saved = folder / "saved"

    def rows(self) -> list[dict[str, str]]:
        """The table in the ZIP, row by row."""
        with zipfile.ZipFile(self.saved / "all.zip") as archive:
            return list(csv.DictReader(io.StringIO(archive.read("lesions.csv").decode())))

    def masks(self) -> dict[str, np.ndarray]:
        """The masks in the ZIP by name."""
        with zipfile.ZipFile(self.saved / "all.zip") as archive:
            names = [name for name in archive.namelist() if name.startswith("masks/")]
            return {Path(name).name: np.array(Image.open(archive.open(name))) > 0 for name in names}


def _rolled(path: Path, by: int) -> np.ndarray:
    return np.roll(np.array(Image.open(path)), by, axis=1)


def _start(files: list[str], count: int) -> list[dict[str, Any]]:
    return [
        {"do": "size", "width": 1280, "height": 800},
        {"do": "open", "as": "welcome"},
        {"do": "axe", "as": "axe welcome"},
        {"do": "drop", "files": files},
        {"do": "settle", "count": count, "as": "list"},
        {"do": "save", "selector": "#save-zip", "name": "all.zip"},
        {"do": "click", "selector": "#clear"},
    ]


def _many(files: list[Path]) -> list[dict[str, Any]]:
    start = [str(path) for path in files[:10]]
    return [
        {"do": "drop", "files": start},
        {"do": "settle", "count": 10},
        {"do": "memory", "as": "memory before"},
        {"do": "drop", "files": [str(path) for path in files]},
        {"do": "click", "selector": "#cancel"},
        {"do": "until", "selector": "#cancel", "text": "Go on", "as": "cancelled"},
        {"do": "text", "selector": "#progress-text", "as": "left"},
        {"do": "click", "selector": "#cancel"},
        {"do": "settle", "count": MANY + 10},
        {"do": "memory", "as": "memory after"},
        {"do": "click", "selector": "#clear"},
    ]


def _other_ways(picture: str) -> list[dict[str, Any]]:
    return [
        {"do": "paste", "selector": "#example img", "name": "pasted.png"},
        {"do": "give", "selector": "#camera", "files": [picture]},
        {"do": "settle", "count": 2, "as": "other ways"},
        {"do": "click", "selector": "#clear"},
    ]


def _look_around() -> list[dict[str, Any]]:
    sizes = [
        [{"do": "size", "width": width, "height": height, "dark": dark}, {"do": "overflow", "as": f"{width}-{dark}"}]
        for width, height in WIDTHS
        for dark in (False, True)
    ]
    return [
        {"do": "example"},
        {"do": "settle", "count": 1, "as": "example"},
        {"do": "text", "selector": "#sure", "as": "sure"},
        {"do": "axe", "as": "axe work"},
        {"do": "click", "selector": "#compare"},
        {"do": "text", "selector": "#compare-note", "wait": True, "as": "compare"},
        {"do": "click", "selector": "#compare"},
        {"do": "text", "selector": "#lesions td:nth-child(2)", "as": "area"},
        {"do": "set", "selector": "#threshold", "value": "0.9"},
        {"do": "text", "selector": "#lesions td:nth-child(2)", "as": "area at 0.9"},
        {"do": "click", "selector": "#threshold-reset"},
        {"do": "text", "selector": "#lesions td:nth-child(2)", "as": "area reset"},
        {"do": "click", "selector": "[data-tool=brush]"},
        {"do": "drag", "from": [0.1, 0.2], "to": [0.3, 0.2]},
        {"do": "text", "selector": "#verdict", "as": "painted"},
        {"do": "save", "selector": "#save-mask", "name": "corrected.png"},
        {"do": "click", "selector": "#undo"},
        {"do": "text", "selector": "#verdict", "as": "undone"},
        {"do": "press", "selector": "#canvas", "keys": ["ArrowLeft", " "]},
        {"do": "text", "selector": "#verdict-note", "as": "painted by keys"},
        {"do": "click", "selector": "#discard"},
        {"do": "set", "selector": "#scale-value", "value": "0.1"},
        {"do": "click", "selector": "#scale-set button"},
        {"do": "text", "selector": "#lesions td:nth-child(3)", "as": "long in mm"},
        *(step for pair in sizes for step in pair),
        {"do": "click", "selector": "#about"},
        {"do": "text", "selector": "#about-dialog", "as": "about"},
        {"do": "axe", "as": "axe about"},
        {"do": "requests", "as": "requests"},
        {"do": "errors", "as": "errors"},
        {"do": "connect", "as": "connect"},
    ]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    yield Visit(tmp_path_factory.mktemp("visit"))


def test_masks_equal_pythons(visit: Visit) -> None:
    model, masks, lesions, pictures = load("unet-tiny.onnx"), visit.masks(), 0, 0
    for name, frames in visit.frames.items():
        for frame in range(frames):
            expected = model.predict(read_image(visit.pictures / name, frame))
            mask = masks[_mask_name(visit, name, frame)]
            assert mask.shape == expected.shape, name
            assert (mask != expected).mean() <= 0.0001, name
            lesions, pictures = lesions + bool(expected.any()), pictures + 1
    assert pictures >= 20
    assert 10 <= lesions < pictures  # some pictures have none


def _mask_name(visit: Visit, name: str, frame: int) -> str:
    return next(row["mask"] for row in visit.rows() if row["image"] == name and row["frame"] in ("", str(frame + 1)))


def test_confidences_are_the_models_own(visit: Visit) -> None:
    model = OnnxSegmenter.load(ZOO / "unet-tiny.onnx")
    for row in visit.rows():
        if not row["problem"]:
            image = read_image(visit.pictures / row["image"], int(row["frame"] or 1) - 1)
            expected = model.run_confidence(image[np.newaxis, :, :, np.newaxis])
            got = row["image_confidence"]
            assert got == "" if expected is None else float(got) == pytest.approx(expected[0], abs=1e-3), row["image"]


def test_measures_equal_pythons(visit: Visit) -> None:
    measured = 0
    for row in visit.rows():
        if not int(row["lesion"] or 0):
            continue
        mask = visit.masks()[row["mask"]]
        expected = measure_lesions(mask, read_facts(visit.pictures / row["image"]).spacing_mm)[int(row["lesion"]) - 1]
        for column in ("row", "column", "area_px", "long_px", "short_px", "area_mm2", "long_mm", "short_mm"):
            value = getattr(expected, column)
            assert (row[column] == "") if value is None else float(row[column]) == pytest.approx(value, rel=0.005)
            measured += value is not None
    assert measured > 60


def test_a_broken_file_is_named_and_passed_over(visit: Visit) -> None:
    assert dict(visit.found["list"])["broken.png"] == "Not read"
    [row] = [row for row in visit.rows() if row["image"] == "broken.png"]
    assert row["problem"] and not row["mask"]
    assert [row["image"] for row in visit.rows() if row["problem"]] == ["broken.png"]


def test_pictures_come_from_clipboard_and_camera(visit: Visit) -> None:
    assert [name for name, _ in visit.found["other ways"]] == ["pasted.png", next(iter(visit.frames))]
    assert "Not read" not in dict(visit.found["other ways"]).values()


def test_a_hundred_pictures_leave_memory_flat(visit: Visit) -> None:
    assert visit.found["memory after"] - visit.found["memory before"] < MOST_GROWTH_BYTES


def test_many_can_be_cancelled_and_go_on(visit: Visit) -> None:
    [left] = [int(word) for word in visit.found["left"].split() if word.isdigit()]
    assert visit.found["left"].startswith("Cancelled")
    assert 0 < left <= MANY


def test_nothing_is_asked_for(visit: Visit) -> None:
    asked = [url for url in visit.found["requests"] if not url.startswith(("data:", "blob:"))]
    assert [url.partition(":")[0] for url in asked] == ["file"]  # the page itself
    assert "Failed to fetch" in visit.found["connect"]
    assert visit.found["errors"] == []


def test_the_first_screen_says_what_it_is(visit: Visit) -> None:
    for text in ("ultrasound", "Not for diagnosis", "connects to nothing", "synthetic example"):
        assert text in visit.found["welcome"]
    [[name, told]] = visit.found["example"]
    assert name == "synthetic-example.png"
    assert re.fullmatch(r"1 lesion, \d+\xa0%\xa0sure", told)


@pytest.mark.parametrize("place", ["welcome", "work", "about"])
def test_axe_finds_nothing_serious(visit: Visit, place: str) -> None:
    assert [found for found in visit.found[f"axe {place}"] if found["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("width", [width for width, _ in WIDTHS])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_sticks_out(visit: Visit, width: int, dark: bool) -> None:
    assert visit.found[f"{width}-{dark}"] == 0


def test_threshold_moves_the_outline_and_comes_back(visit: Visit) -> None:
    area, higher = (int(visit.found[name].split()[0]) for name in ("area", "area at 0.9"))
    assert 0 < higher < area
    assert visit.found["area reset"] == visit.found["area"]


def test_a_person_corrects(visit: Visit) -> None:
    assert (visit.found["painted"], visit.found["undone"]) == ("2 lesions found", "1 lesion found")
    corrected = read_mask(visit.saved / "corrected.png")
    assert corrected.shape == (330, 394)
    assert len(measure_lesions(corrected)) == 2
    assert visit.found["painted by keys"] == "You have corrected this outline."
    assert visit.found["long in mm"].endswith("mm")


def test_two_models_side_by_side(visit: Visit) -> None:
    assert "unet-tiny" in visit.found["compare"]
    assert "%" in visit.found["compare"]


def test_it_says_how_sure_and_whose_work_it_is(visit: Visit) -> None:
    scores = load("unet-tiny.onnx").metadata["scores_protocol"]
    assert scores in visit.found["sure"]
    for text in ("onnxruntime-web", "MIT", "unet-tiny", "SHA-256"):
        assert text in visit.found["about"]


def test_it_is_small_enough(visit: Visit) -> None:
    assert visit.size < 16_000_000


def test_it_says_how_sure_the_model_is_of_each_picture(tmp_path: Path) -> None:
    pytest.importorskip("spox")
    model = create("otsu-textbook")
    model.calibration_ = Calibration(lesion=(0.0, 1.0), mask=(-1.0, 0.2), empty=(0.5, 0.05), images=80)
    model.operating_point_ = OperatingPoint(min_area_fraction=0.1)
    off = {"calibration_error": 0.1, "calibration_error_interval": [0, 0.2]}
    model.to_onnx(tmp_path / "otsu.onnx", hospitals=json.dumps({"A": off}))
    write_page(tmp_path / "page.html", [tmp_path / "otsu.onnx"])
    noise = np.random.default_rng(0).integers(170, 256, (90, 110), np.uint8)
    noise[40:50, 40:50] = 0  # too small to be outlined
    pictures = {"lesion.png": phantom(3, shape=(90, 110)).image, "noise.png": noise, "tiny.png": noise[20:60, 20:70]}
    for name, image in pictures.items():
        Image.fromarray(image).save(tmp_path / name)
    steps: list[dict[str, Any]] = [
        {"do": "size", "width": 1280, "height": 1200},
        {"do": "open"},
        {"do": "drop", "files": [str(tmp_path / name) for name in pictures]},
        {"do": "settle", "count": 3, "as": "list"},
        {"do": "text", "selector": "#sure", "as": "lesion.png"},
        {"do": "save", "selector": "#save-table", "name": "own.csv"},
        {"do": "set", "selector": "#threshold", "value": "0.9"},
        {"do": "text", "selector": "#sure", "as": "moved"},
        {"do": "settle", "count": 3, "as": "moved list"},
        {"do": "save", "selector": "#save-table", "name": "moved.csv"},
        {"do": "click", "selector": "#threshold-reset"},
        {"do": "text", "selector": "#sure", "as": "reset"},
        {"do": "show", "number": 2},
        {"do": "text", "selector": "#sure", "as": "noise.png"},
        {"do": "show", "number": 3},
        {"do": "text", "selector": "#sure", "as": "tiny.png"},
        {"do": "errors", "as": "errors"},
    ]
    answers = drive(tmp_path, tmp_path / "page.html", steps)
    said = {step["as"]: answer for step, answer in zip(steps, answers, strict=True) if "as" in step}
    tables = [(tmp_path / "saved" / name).read_text().splitlines() for name in ("own.csv", "moved.csv")]
    own, moved = map(list, map(csv.DictReader, tables))
    listed = dict(said["list"])
    for name, kind in (("lesion.png", "of this outline"), ("noise.png", "that there is no lesion")):
        mask, probability = model.predict_both(pictures[name])
        expected = model.calibration_.of_image(mask, probability)
        assert f"{round(100 * expected)} % sure {kind}." in said[name]
        assert listed[name].endswith(f", {round(100 * expected)}\u00a0%\u00a0sure")
        assert "10 percentage points at A (95 % interval 0 to 20)" in said[name]
        confidences = [float(row["image_confidence"]) for row in own if row["image"] == name]
        assert confidences == pytest.approx([expected] * len(confidences), abs=1e-4)
    assert "isn't known: it isn't the model's own" in said["moved"]
    assert [row["image_confidence"] == "" for row in moved] == [row["image"] == "lesion.png" for row in moved]
    assert listed["tiny.png"] == "No lesion found"  # how sure isn't known of a picture unlike those that were measured
    assert [state.endswith("%\u00a0sure") for _, state in said["moved list"]] == [False, True, False]
    assert said["reset"] == said["lesion.png"]
    assert "isn't like those" in said["tiny.png"]
    assert {row["image"] for row in own if "tiny: 50 x 40" in row["warnings"]} == {"tiny.png"}
    assert said["errors"] == []


def test_its_example_is_a_phantom(tmp_path: Path) -> None:
    example = np.array(Image.open(web(tmp_path) / "example.png"))
    np.testing.assert_array_equal(example, phantom(7, kind="benign", shape=(330, 394)).image)
