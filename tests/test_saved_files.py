"""Models and run folders of earlier versions are read, and say what they said."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import hybridseg
from hybridseg.bench import compare_runs, read_run, run_plan, summarize
from hybridseg.bench.tables.run import render
from hybridseg.data.phantoms import phantom

RUN = Path(__file__).with_name("saved") / "0.1.0" / "run"
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


def test_a_run_has_the_columns_and_values_that_it_had() -> None:
    with (RUN / "table.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    summary = summarize(RUN)
    now = {line["method"]: line for line in csv.DictReader(render(summary, "csv").splitlines())}
    assert [line["method"] for line in lines] == [method.method for method in summary.methods]
    for line in lines:
        assert line.keys() <= now[line["method"]].keys()
        for column in ("iou", "f1", "hd95_px", "hd95_images", "nsd", "hd95_mm", "hd95_mm_images"):
            assert line[column] == now[line["method"]][column], column
    (pair, _) = compare_runs(RUN, RUN, metric="nsd").pairs
    assert pair.mean_a == pytest.approx(float(lines[0]["nsd"]))


def test_attributes_of_the_first_version_say_what_to_write_instead() -> None:
    row, method = read_run(RUN)[1][0], summarize(RUN).methods[0]
    pair = compare_runs(RUN, RUN).pairs[0]
    assert row.metrics.keys() == {"hd95_px", "nsd", "hd95_mm"}
    for old, instead in ((row, row.metrics), (method, {n: each.value for n, each in method.metrics.items()})):
        for name in ("hd95_px", "hd95_mm", "nsd"):
            with pytest.warns(DeprecationWarning, match=rf'`{name}` is deprecated, write `metrics\["{name}"\]'):
                assert getattr(old, name) == instead[name]
    with pytest.warns(DeprecationWarning, match="hd95_images"):
        assert method.hd95_images == method.metrics["hd95_px"].images == 5
    with pytest.warns(DeprecationWarning, match=r"""write `metrics\["hd95_mm"\]\.images`"""):
        assert method.hd95_mm_images == 0
    for name, value in (("hd95_mm_a", None), ("hd95_mm_b", None), ("hd95_mm_images", 0)):
        with pytest.warns(DeprecationWarning, match=rf'`{name}` is deprecated, write `in_mm\["hd95_mm"\]'):
            assert getattr(pair, name) == value
    with pytest.warns(DeprecationWarning, match="`jobs` is deprecated, write `processes`"), pytest.raises(ValueError):
        run_plan(plan=None, out="", jobs=0)
    with pytest.warns(DeprecationWarning, match="`out` is deprecated, write `run`"):
        assert summarize(out=RUN) == summarize(RUN)
    with pytest.warns(DeprecationWarning, match="`root` is deprecated, write `run`"):
        assert read_run(root=RUN) == read_run(RUN)
    with pytest.warns(DeprecationWarning, match=r"write `hybridseg\.images\.FileFacts`"):
        assert hybridseg.images.Facts is hybridseg.images.FileFacts
    with pytest.warns(DeprecationWarning, match=r"write `hybridseg\.text\.printable`"):
        assert hybridseg.images.shown("a\nb") == "a\\nb"
