"""The gallery's examples run and draw, and each says whether its pictures or numbers are real."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

GALLERY = Path(__file__).resolve().parents[1] / "docs" / "gallery"
EXAMPLES = sorted(GALLERY.glob("plot_*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_runs_and_draws(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    if example.stem.endswith("copies"):
        pytest.importorskip("cv2")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    monkeypatch.chdir(GALLERY)  # where the site runs them: counts are found from here
    runpy.run_path(str(example))
    drawn = pyplot.get_fignums()
    pyplot.close("all")
    assert drawn


def test_each_says_what_it_shows() -> None:
    texts = {each.stem: " ".join(each.read_text("utf-8").split()) for each in EXAMPLES}
    silent = [name for name, text in texts.items() if "**synthetic**" not in text and "counts are real" not in text]
    assert not silent
    assert len(texts) >= 12
