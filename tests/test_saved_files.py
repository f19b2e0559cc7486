"""Models saved by earlier versions still load, and answer as they did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hybridseg
from hybridseg.data.phantoms import phantom

SAVED = sorted(Path(__file__).with_name("saved").glob("*/*.hybridseg"))


@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_saved_model_answers_as_it_did(path: Path) -> None:
    area, total = json.loads((path.parent / "expected.json").read_text("utf-8"))[path.stem]
    model, image = hybridseg.load(path), phantom(0, shape=(80, 96)).image
    # Another build of numpy or onnxruntime may round otherwise.
    assert int(model.predict(image).sum()) == pytest.approx(area, abs=3)
    assert float(model.predict_proba(image).sum()) == pytest.approx(total, rel=1e-3)


def test_every_method_of_the_first_version_is_there() -> None:
    assert [path.stem for path in SAVED] == ["otsu", "random-forest", "unet", "watershed"]
