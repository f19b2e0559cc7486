"""The other verbs, and the promise that wrong input gives one line and an exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import hybridseg
from hybridseg.cli import VERBS, main
from hybridseg.cli.bench import default_methods
from hybridseg.images import write_image
from hybridseg.zoo import cards

METHODS = '''
import time

import logging
import numpy as np
from hybridseg import Segmenter, Tags


class Level(Segmenter):
    """Dark pixels; learns how dark.

    More text that a list has no room for.
    """

    tags = Tags(requires_fit=True, exportable=False, export_reason="it is a test")

    def __init__(self, *, share=1.0):
        self.share = share

    def _fit(self, images, masks, *, groups, validation, progress):
        logging.getLogger("hybridseg.training").info("looked at %d", len(images))
        self.level_ = self.share * float(np.mean([image.mean() for image in images]))

    def _predict_proba(self, image):
        return (image < self.level_).astype(np.float32)


class Slip(Segmenter):
    """Its graph needs an argument that it isn't given."""

    def _predict_proba(self, image):
        return (image < 50).astype(np.float32)

    def _to_onnx(self, graph):
        return graph


class Slow(Segmenter):
    """Takes its time."""

    def _predict_proba(self, image):
        time.sleep(30)
        return np.zeros(image.shape, np.float32)
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a plug-in file, an image, a text file and an empty folder in it."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(METHODS)
    write_image("grey.png", np.full((40, 60), 7, np.uint8))
    Path("text.onnx").write_text("not a graph")
    Path("text.hybridseg").write_text("not a model")
    Path("cut.png").write_bytes(Path("grey.png").read_bytes()[:40])
    Path("empty").mkdir()
    Path("settings.json").write_text("{}")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), prog_name="hybridseg")


def test_help_lists_every_verb_as_the_verb_describes_itself() -> None:
    listed = run("--help").output
    for name in VERBS:
        assert f"  {name} " in listed
        result = run(name, "--help")
        assert result.exit_code == 0, result.output
        assert f"Usage: hybridseg {name}" in result.output


def test_version() -> None:
    assert run("--version").output == f"hybridseg, version {hybridseg.__version__}\n"


def test_fit_then_segment_and_info(here: Path) -> None:
    result = run("fit", "mine.py:Level", "--data", "phantoms[n=4]", "-p", "share=0.5", "-o", "level.hybridseg")
    assert result.exit_code == 0, result.output
    assert result.stdout == "level.hybridseg: Level(share=0.5) fitted on 4 cases of phantoms\n"
    assert result.stderr == "looked at 4\n"
    shown = run("info", "level.hybridseg").output
    assert "Level" in shown
    assert "share      0.5" in shown
    assert "level_" in shown
    done = run("segment", "grey.png", "-m", "level.hybridseg")
    assert done.stdout == "grey.png: lesion 100.0 % -> grey_mask.png\n"
    again = run("fit", "mine.py:Level", "--data", "phantoms[n=4]", "-o", "level.hybridseg")
    assert (again.exit_code, again.stderr) == (
        2, "hybridseg: level.hybridseg exists; give --overwrite to replace it\n"
    )  # fmt: skip


def test_methods_lists_what_is_installed() -> None:
    names = run("methods", "--names").output.split()
    assert {"otsu", "watershed", "random-forest", "unet"} <= set(names)
    table = run("methods").output
    assert all(name in table for name in names)


def test_default_methods_leave_out_what_needs_tensorflow() -> None:
    assert "otsu" in default_methods()
    assert "unet" not in default_methods()


def test_info_about_a_method_an_image_and_a_run(here: Path) -> None:
    method = run("info", "mine.py:Level[share=0.25]").output
    assert "Dark pixels; learns how dark." in method
    assert "no: it is a test" in method
    assert "share      0.25   default 1.0" in method
    image = run("info", "grey.png").output
    assert "40 rows x 60 columns" in image
    assert "7 to 7, mean 7.0" in image
    assert "40 rows x 60 columns, from row 0 and column 0" in image
    Image.new("L", (60, 40), 9).save("two.tif", save_all=True, append_images=[Image.new("L", (60, 40), 9)])
    assert "2; what follows is of the first" in run("info", "two.tif").output
    arguments = ("--data", "phantoms[n=4]", "--folds", 2, "--no-cost", "-m", "mine.py:Level", "-o", "run")
    assert run("bench", *arguments).exit_code == 0
    folder = run("info", "run").output
    assert "4 of 4" in folder
    assert "mine.py:Level" in folder


def test_models_lists_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cards, "ZOO", tmp_path)
    assert "no trained model ships" in run("models").output
    (tmp_path / "small.json").write_text('{"hospitals": {"BUS-BRA": {"f1": 0.7123}}, "license": "Apache-2.0"}')
    (tmp_path / "small.onnx").write_bytes(b"0" * 1_500_000)
    row = run("models").output.splitlines()[1]
    assert row.split() == ["small", "-", "0.712", "-", "-", "1.5", "Apache-2.0"]
    assert cards.shipped("small") == cards.shipped("small.onnx") == tmp_path / "small.onnx"
    assert cards.shipped("other") is None


BAD = [
    (["nonsense"], "No such command 'nonsense'"),
    (["segmnt"], "no such command `segmnt`; did you mean `segment`?"),
    (["bench", "--nonsense"], "No such option"),
    (["bench", "-m", "ostu"], "did you mean `otsu`?"),
    (["bench", "-m", "otsu[deepth=3]"], "`deepth` is not a parameter of OtsuSegmenter; known: "),
    (["bench", "-m", "otsu", "-m", "otsu"], "method `otsu` is named twice"),
    (["bench", "-m", "otsu[depth"], "a method is written"),
    (["bench", "--data", "nowhere"], "nowhere: no such folder or manifest"),
    (["bench", "--data", "empty"], "empty: holds no image"),
    (["bench", "--data", "phantoms[n=3]", "--folds", "4"], "at most the number of groups (3), got 4"),
    (["bench", "--data", "phantoms[n=3]", "--folds", "3", "--fold", "3"], "`fold` must be 0 to 2"),
    (["bench", "--data", "phantoms[n=3]", "--split", "nowhere.csv"], "nowhere.csv"),
    (["bench", "--data", "phantoms[n=3]", "--split", "busi"], "lacks 619 of the 619 files"),
    (["bench", "--data", "phantoms[n=3]", "--test-part"], "lacks 619 of the 619 files"),
    (["bench", "--data", "phantoms[n=3]", "--test-part", "--folds", "5"], "no other split or number of folds with it"),
    (["bench", "--data", "phantoms[n=3]", "--folds", "3", "-m", "otsu", "-o", "empty/../grey.png"], "is a file"),
    (["fit", "otsu", "--data", "phantoms[n=3]", "-o", "no/where.hybridseg"], "there is no folder no"),
    (["fit", "otsu", "--data", "phantoms[n=3]", "-p", "depth", "-o", "x.hybridseg"], "written `name=value`"),
    (["fit", "otsu", "--data", "phantoms[n=3]", "-o", "x.onnx"], "`fit` saves a model, not ONNX"),
    (["fit", "unet.onnx", "--data", "phantoms[n=3]", "-o", "x.hybridseg"], "unet.onnx: an ONNX file can't be trained"),
    (["fit", "otsu", "--data", "phantoms[n=3]", "-o", "settings"], "settings.json exists; give --overwrite"),
    (["info", "missing.hybridseg[threads=2]"], "missing.hybridseg: no such file"),
    (["segment", "-m", "settings.json", "grey.png"], "the file of that name is written `./settings.json`"),
    (["fit", "otsu", "--data", "empty", "-o", "x.hybridseg"], "empty: holds no image"),
    (["fit", "mine.py:Nobody", "--data", "phantoms[n=3]", "-o", "x.hybridseg"], "mine.py has no `Nobody`"),
    (["export", "mine.py:Level", "-o", "x.onnx"], "must be trained first"),
    (["export", "text.hybridseg", "-o", "x.onnx"], "not a saved hybridseg model"),
    (["export", "otsu", "-o", "no/x.onnx"], "there is no folder no"),
    (["export", "otsu", "-o", "x.txt"], "-o must end in .onnx, got x.txt"),
    (["export", "mine.py:Slip", "-o", "x.onnx"], "(HYBRIDSEG_DEBUG=1 shows where)"),
    (["info", "text.onnx"], "text.onnx: not an ONNX file"),
    (["info", "text.hybridseg"], "not a saved hybridseg model"),
    (["info", "cut.png"], "cut.png"),
    (["info", "empty"], "empty: not a run folder (no run.json); `hybridseg data check` describes data"),
    (["info", "settings.json"], "settings.json: is neither a saved model, an ONNX file nor an image"),
    (["page", "-o", "page.txt"], "-o must end in .html, so that a browser opens it, got page.txt"),
    (["info", "missing.png"], "missing.png: no such file"),
    (["info", "mehtod"], "unknown method `mehtod`; known: "),
    (["segment", "-m", "text.onnx", "grey.png"], "text.onnx: not an ONNX file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_wrong_input_is_one_line_and_leaves_nothing(here: Path, arguments: list[str], message: str) -> None:
    def files() -> set[str]:
        return {str(path) for path in here.rglob("*") if "__pycache__" not in path.parts}

    before = files()
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert files() == before


def test_debug_variable_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDSEG_DEBUG", "1")
    assert isinstance(run("info", "mehtod").exception, hybridseg.registry.UnknownMethodError)


WRONG = """
from hybridseg import Segmenter

class Wrong(Segmenter):
    def _fit(self, images, masks, *, groups, validation, progress):
        {}["learning"]

    def _predict_proba(self, image):
        return {}["predicting"]

    def _to_onnx(self):
        return {}["writing"]
"""


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["fit", "wrong.py:Wrong", "--data", "phantoms[n=3]", "-o", "x.hybridseg"], "learning"),
        (["export", "wrong.py:Wrong", "-o", "x.onnx"], "writing"),
        (["segment", "-", "-m", "wrong.py:Wrong"], "predicting"),
    ],
    ids=["fit", "export", "segment"],
)
def test_what_a_methods_code_raises_has_its_type(here: Path, arguments: list[str], key: str) -> None:
    (here / "wrong.py").write_text(WRONG)
    result = CliRunner().invoke(main, arguments, input=(here / "grey.png").read_bytes(), prog_name="hybridseg")
    assert result.exit_code == 2
    assert result.stderr == f"hybridseg: KeyError: '{key}' (HYBRIDSEG_DEBUG=1 shows where)\n"
