"""The models that ship: what their cards say is so, and they work out of the box."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import hybridseg
from hybridseg import find_scan
from hybridseg.cli import main
from hybridseg.data.phantoms import phantom
from hybridseg.zoo.hashes import SHA256

ZOO = Path(hybridseg.__file__).parent / "zoo"
ROOT = Path(__file__).parents[2]
LARGEST_MB = {"unet": 12, "unet-tiny": 1}


@pytest.fixture(params=sorted(LARGEST_MB))
def name(request) -> str:
    return request.param


def test_card_describes_the_file(name: str) -> None:
    content = (ZOO / f"{name}.onnx").read_bytes()
    card = json.loads((ZOO / f"{name}.json").read_text())
    assert len(content) <= LARGEST_MB[name] * 1e6
    assert card["bytes"] == len(content)
    assert card["sha256"] == SHA256[name] == hashlib.sha256(content).hexdigest()
    assert "not for diagnosis" in card["intended_use"]
    assert card["scores"] == card["hospitals"]["BUSI"]
    page = (ZOO / f"{name}.md").read_text()
    assert card["sha256"] in page
    for hospital, scores in card["hospitals"].items():
        for key in (key for key in scores if f"{key}_interval" in scores):
            low, high = scores[f"{key}_interval"]
            assert 0 <= low <= scores[key] <= high <= 1
        assert hospital in page and f"{scores['iou']:.3f}" in page


@pytest.mark.parametrize("hospital", ["BUSI", "BUS-BRA", "BUS-UCLM"])
def test_card_scores_come_from_the_stored_counts(name: str, hospital: str) -> None:
    """Anyone can make the card's means again: the counts are in the repository."""
    path = ROOT / "benchmarks" / "results" / "counts" / f"{name}-{hospital}.csv"
    counts = [tuple(map(int, line.split(",")[3:7])) for line in path.read_text().splitlines()[1:]]
    lesions = [(tp, fp, fn) for tp, fp, fn, _ in counts if tp + fn]
    scores = json.loads((ZOO / f"{name}.json").read_text())["hospitals"][hospital]
    assert scores["lesion_images"] == len(lesions) > 50
    assert scores["iou"] == pytest.approx(np.mean([tp / (tp + fp + fn) for tp, fp, fn in lesions]), abs=1e-4)
    assert scores["f1"] == pytest.approx(np.mean([2 * tp / (2 * tp + fp + fn) for tp, fp, fn in lesions]), abs=1e-4)


def test_file_carries_its_own_description(name: str) -> None:
    metadata = hybridseg.load(ZOO / f"{name}.onnx").metadata
    card = json.loads((ZOO / f"{name}.json").read_text())
    assert metadata["method"] == "UNetSegmenter"
    assert "not for diagnosis" in metadata["intended_use"]
    assert json.loads(metadata["operating_point"]) == card["operating_point"]
    assert json.loads(metadata["scores"]) == card["scores"]
    assert metadata["training_data_sha256"] == card["data"]["content_sha256"]


def test_segment_finds_a_plain_lesion(name: str, tmp_path: Path) -> None:
    made = phantom(6)
    Image.fromarray(made.image).save(tmp_path / "scan.png")
    result = CliRunner().invoke(main, ["segment", str(tmp_path / "scan.png"), "-m", name])
    assert result.exit_code == 0, result.output
    mask = np.asarray(Image.open(tmp_path / "scan_mask.png")) > 0
    assert 2 * (mask & made.mask).sum() / (mask.sum() + made.mask.sum()) > 0.8


def test_unet_is_what_segment_uses_unless_told(tmp_path: Path) -> None:
    Image.fromarray(phantom(6).image).save(tmp_path / "scan.png")
    masks = []
    for more in ([], ["-m", "unet"]):
        result = CliRunner().invoke(main, ["segment", str(tmp_path / "scan.png"), "--existing", "overwrite", *more])
        assert result.exit_code == 0, result.output
        masks.append((tmp_path / "scan_mask.png").read_bytes())
    assert masks[0] == masks[1]


def test_a_file_or_folder_of_its_name_does_not_stand_before_a_model_that_ships(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    Path(f"{name}.onnx").write_bytes(b"somebody's")
    Image.fromarray(phantom(6).image).save("scan.png")
    result = CliRunner().invoke(main, ["segment", "scan.png", "-m", name])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(main, ["segment", "scan.png", "-m", f"{name}.onnx", "-o", "out"])  # its name: the file
    assert result.exit_code == 2 and "not an ONNX file" in result.stderr


@pytest.mark.parametrize("grey", [0, 7, 35, 128])
@pytest.mark.parametrize("shape", [(470, 560), (1, 1)])
def test_a_blank_frame_has_no_lesion(name: str, grey: int, shape: tuple[int, int]) -> None:
    model = hybridseg.load(ZOO / f"{name}.onnx")
    blank = np.full(shape, grey, np.uint8)
    blank[0, 0] += 31
    assert not model.predict_proba(blank).any()
    assert not model.predict_proba(np.pad(np.full((470, 560), grey, np.uint8), 20)).any()
    assert not model.predict(blank).any()


def test_a_model_that_ships_looks_at_the_scan_as_it_is_found_now(name: str) -> None:
    model = hybridseg.load(ZOO / f"{name}.onnx")
    framed = np.pad(phantom(6).image, ((60, 90), (40, 80)))
    framed[-60:-40, 10:-10] = framed[70:200, -40:-30] = 200  # captions, one of them wider than the scan
    framed[200] = 0  # a line, which parts nothing
    scan, expected = find_scan(framed), np.zeros(framed.shape, np.float32)
    assert framed[scan].shape == phantom(6).image.shape
    expected[scan] = model.predict_proba(np.ascontiguousarray(framed[scan]))
    np.testing.assert_array_equal(model.predict_proba(framed), expected)
    assert expected[:200].any() and expected[201:].any()


def test_models_lists_what_ships_with_scores_and_cost() -> None:
    result = CliRunner().invoke(main, ["models"])
    assert result.exit_code == 0
    for name in LARGEST_MB:
        card = json.loads((ZOO / f"{name}.json").read_text())
        (line,) = [line for line in result.output.splitlines() if line.split()[0:1] == [name]]
        assert all(f"{scores['f1']:.3f}" in line for scores in card["hospitals"].values())
        assert f"{card['cost']['ms_median']:.0f}" in line


def test_a_copy_is_the_file_with_its_card(name: str, tmp_path: Path) -> None:
    command = ["models", "--copy", name, "-o", str(tmp_path / "here")]
    first, second = (CliRunner().invoke(main, command) for _ in range(2))
    copies = [tmp_path / "here" / f"{name}.{kind}" for kind in ("onnx", "json", "md")]
    assert first.output.splitlines() == [str(path) for path in copies]
    assert all(path.read_bytes() == (ZOO / path.name).read_bytes() for path in copies)
    assert second.exit_code == 2
    assert "exists; give --overwrite" in second.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--copy", "none", "-o", "here"], "no model ships as none; those that do: unet, unet-tiny"),
        (["--copy", "unet"], "--copy NAME and -o DIR belong together"),
        (["-o", "here"], "--copy NAME and -o DIR belong together"),
    ],
)
def test_what_cannot_be_copied_is_one_line(
    arguments: list[str], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["models", *arguments])
    assert done.exit_code == 2
    assert done.output.endswith(f"{problem}\n")
    assert list(tmp_path.iterdir()) == []


def test_info_needs_no_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridseg.cli.info.find_spec", lambda package: None)
    for module in ("onnx", "spox"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    done = CliRunner().invoke(main, ["info", f"{name}.onnx"])
    assert done.exit_code == 0, done.output
    card = json.loads((ZOO / f"{name}.json").read_text())
    assert f"{card['bytes'] / 1e6:.2f} MB" in done.output
    assert json.dumps(card["operating_point"])[1:20] in done.output
    assert "not for diagnosis" in done.output
