"""How sure `hybridseg segment` says it is, what it refuses, and what it calls out of scope."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridseg.batch.watching import watch
from hybridseg.cli import main
from hybridseg.images import read_mask, write_image

METHOD = '''
import numpy as np
from hybridseg import Segmenter
from hybridseg.confidence import Calibration


class Dark(Segmenter):
    """The darker, the surer; what is bright at the left is out of scope."""

    calibration = Calibration(lesion=(0.0, 1.0), mask=(0.0, 2.0), empty=(-1.0, 0.0), images=99)

    def _predict_proba(self, image):
        return np.clip(1 - image / np.float32(100), 0, 1).astype(np.float32)

    def is_in_scope(self, image):
        return bool(image[0, 0] < 200)


class Uncalibrated(Dark):
    calibration = None

    def is_in_scope(self, image):
        return None
'''


def picture(lesion: int, ground: int = 120) -> np.ndarray:
    image = np.full((40, 60), ground, np.uint8)
    image[10:20, 20:40] = lesion
    return image


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHOD)
    Path("in").mkdir()
    write_image("in/doubtful.png", picture(40))  # probability 0.6
    write_image("in/sure.png", picture(10))  # 0.9
    write_image("in/stranger.png", picture(10, 220))
    write_image("in/nothing.png", picture(120))
    return tmp_path


def segment(*arguments: str, method: str = "Dark") -> Result:
    return CliRunner().invoke(main, ["segment", "-m", f"mine.py:{method}", *arguments], prog_name="hybridseg")


def rows() -> dict[str, dict[str, str]]:
    with open("sizes.csv", newline="", encoding="utf-8") as stream:
        return {Path(row["image"]).stem: row for row in csv.DictReader(stream)}


def test_table_and_lines_tell_confidence_and_scope() -> None:
    result = segment("in", "-o", "out", "--measure", "sizes.csv")
    assert result.exit_code == 0, result.output
    written = {name: (row["in_scope"], row["image_confidence"], row["confidence"]) for name, row in rows().items()}
    surest = f"{0.9**2 / (0.9**2 + 0.1**2):.6f}"
    assert written == {
        "doubtful": ("True", f"{0.6**2 / (0.6**2 + 0.4**2):.6f}", "0.6"),
        "sure": ("True", surest, "0.9"),
        "stranger": ("False", surest, "0.9"),
        "nothing": ("True", f"{1 / (1 + np.e):.6f}", ""),
    }
    assert {row["refused"] for row in rows().values()} == {"False"}
    assert "sure.png: lesion 8.3 %, confidence 0.99 -> " in result.stdout
    assert "stranger.png: lesion 8.3 %, out of scope -> " in result.stdout  # and no confidence
    assert "in/stranger.png: doesn't look like the images that mine.py:Dark learned from" in result.stderr
    assert "1 out of scope" in result.stderr
    assert Path("out/stranger_mask.png").exists()


def test_an_unsure_mask_is_refused() -> None:
    result = segment("in", "-o", "out", "--overlay", "--measure", "sizes.json", "--refuse-below", "0.7")
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("out").iterdir()} == {f"sure_{kind}.png" for kind in ("mask", "overlay")}
    assert "in/doubtful.png: refused: confidence 0.69 is below 0.7" in result.stderr
    assert "in/stranger.png: refused: out of scope" in result.stderr  # whose confidence is 0.99
    assert "3 refused, unsure or out of scope: not written" in result.stderr
    table = {Path(row["image"]).stem: row for row in json.loads(Path("sizes.json").read_text())}
    assert (table["doubtful"]["refused"], table["doubtful"]["mask"], table["doubtful"]["lesion"]) == (True, None, None)
    assert (table["stranger"]["refused"], table["stranger"]["in_scope"]) == (True, False)
    assert table["doubtful"]["image_confidence"] == pytest.approx(0.692308)
    assert (table["sure"]["refused"], table["sure"]["lesion"]) == (False, 1)


def test_strict_makes_it_a_failure() -> None:
    assert segment("in", "-o", "out", "--refuse-below", "0.7", "--strict").exit_code == 1
    assert segment("in/sure.png", "-o", "more", "--refuse-below", "0.1", "--strict").exit_code == 0


@pytest.mark.parametrize(("existing", "stays"), [("overwrite", False), ("skip", True)])
def test_a_refused_mask_leaves_no_older_one_to_be_overwritten(existing: str, stays: bool) -> None:
    assert segment("in/doubtful.png").exit_code == 0
    assert segment("in/doubtful.png", "--refuse-below", "0.7", "--existing", existing).exit_code == 0
    assert Path("in/doubtful_mask.png").exists() is stays


def test_without_calibration_nothing_can_be_refused() -> None:
    result = segment("in", "-o", "out", "--refuse-below", "0.7", method="Uncalibrated")
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
    assert "mine.py:Uncalibrated has no calibration" in result.stderr
    assert not Path("out").exists()
    result = segment("in", "-o", "out", "--measure", "sizes.csv", method="Uncalibrated")
    assert result.exit_code == 0
    assert result.stderr == "hybridseg segment: the method has no calibration: the table tells no confidence\n"
    assert {(row["in_scope"], row["image_confidence"], row["confidence"]) for row in rows().values()} == {("", "", "")}


def test_watching_refuses_too(tmp_path: Path) -> None:
    looks = watch(Path("in"), tmp_path / "out", lambda: None, method="mine.py:Dark", refuse_below=0.7)
    entries = [next(looks) for _ in range(4)]
    status = {entry["image"]: (entry["status"], entry.get("refused"), entry.get("out_of_scope")) for entry in entries}
    assert status == {
        "doubtful.png": ("refused", 1, None), "nothing.png": ("refused", 1, None), "sure.png": ("done", None, None),
        "stranger.png": ("refused", 1, 1),
    }  # fmt: skip
    assert read_mask(tmp_path / "out" / "sure.png_mask.png").sum() == 200
