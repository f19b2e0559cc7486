"""What `hybridseg segment` tells of lesions: a row each, probabilities, millimetres."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hybridseg.cli import main
from hybridseg.images import write_image

METHOD = '''
import numpy as np
from hybridseg import Segmenter


class Dark(Segmenter):
    """The darker, the surer: 1 at black, a half at grey level 50."""

    def _predict_proba(self, image):
        return np.clip(1 - image / np.float32(100), 0, 1).astype(np.float32)
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHOD)
    image = np.full((40, 60), 120, np.uint8)
    image[10:20, 20:40], image[30:34, 2:6], image[31, 3] = 25, 50, 0
    write_image("scan.png", image)
    return tmp_path


def segment(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["segment", "-m", "mine.py:Dark", *arguments], prog_name="hybridseg")


def rows() -> list[dict[str, str]]:
    with open("sizes.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_lesion_has_a_row() -> None:
    assert segment("scan.png", "--measure", "sizes.csv").exit_code == 0
    written = [(row["lesion"], row["area_px"], row["row"], row["column"], row["largest_probability"]) for row in rows()]
    assert written == [("1", "200", "14.5", "29.5", "0.75"), ("2", "16", "31.5", "3.5", "1.0")]
    assert {row["area_mm2"] for row in rows()} == {""}


def test_the_map_has_sixteen_bits() -> None:
    assert segment("scan.png", "--probability").exit_code == 0
    with Image.open("scan_probability.png") as picture:
        values = np.asarray(picture)
    assert values.dtype == np.uint16
    assert (values[0, 0], values[15, 30], values[31, 3]) == (0, round(0.75 * 65535), 65535)
    Path("scan_mask.png").unlink()
    assert segment(".", "-o", "out").exit_code == 0  # the map isn't taken for an image, now a stranger
    assert {path.name for path in Path("out").iterdir()} == {"scan_mask.png"}


def test_a_map_is_made_where_the_mask_is_there() -> None:
    assert segment("scan.png").exit_code == 0
    assert segment("scan.png", "--probability", "--existing", "skip").exit_code == 0
    assert Path("scan_probability.png").is_file()


@pytest.mark.parametrize("spacing", ["0.08", "sizes_in_mm.csv"])
def test_a_picture_gets_its_millimetres(spacing: str) -> None:
    Path("sizes_in_mm.csv").write_text("image,spacing_mm\nother.png,1\nscan.png,0.08\n")
    Path("other.png").write_bytes(Path("scan.png").read_bytes())
    result = segment("scan.png", "--measure", "sizes.csv", "--spacing", spacing)
    assert result.exit_code == 0, result.output
    assert (rows()[0]["row_mm"], rows()[0]["area_mm2"]) == ("0.08", f"{200 * 0.08**2:.6g}")


@pytest.mark.parametrize(
    ("spacing", "message"),
    [
        ("-1", "`--spacing` must be a positive number of mm, got -1"),
        ("nan", "`--spacing` must be a positive number of mm, got nan"),
        ("0,08", "`--spacing` must be a number of mm or a CSV file, got 0,08"),
        ("none.csv", "none.csv: no such file"),
        ("wrong.csv", "wrong.csv"),
    ],
)
def test_a_wrong_spacing_is_one_line(spacing: str, message: str) -> None:
    Path("wrong.csv").write_text("image,spacing_mm\nscan.png,wide\n")
    Path("other.png").write_bytes(Path("scan.png").read_bytes())
    result = segment("scan.png", "--spacing", spacing)
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not Path("scan_mask.png").exists()
