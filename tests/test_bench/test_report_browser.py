"""The report in a browser: on a phone and on a wide screen, light and dark, used with mouse and keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _browser import browse, find_browser

from hybridseg.bench.records.folder import RunFolder, read_run, write_json
from hybridseg.bench.report import make_report, render_report
from hybridseg.bench.run.score import score_masks
from hybridseg.data import load_dataset
from hybridseg.images import write_mask

SMALLEST_PX = 11.0
FAINTEST = 4.5  # contrast that WCAG 2.1 (1.4.3) asks of text
METHODS = {
    "<script>document.title='gone'</script>": 2,
    "random-forest[n_trees=200,max_depth=12,criterion=entropy,class_weight=balanced]": 4,
    "third": 9,
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a report of three methods, pictures and costs in it, and the page that looks at it."""
    find_browser()
    folder = tmp_path_factory.mktemp("report")
    truth = load_dataset("phantoms[n=12,seed=0]")
    run = RunFolder(folder / "run")
    for number, (name, shift) in enumerate(METHODS.items()):
        for case in truth:
            (folder / f"masks{number}").mkdir(exist_ok=True)
            write_mask(folder / f"masks{number}" / f"{case.case_id}.png", np.roll(case.mask, shift, 0))
        score_masks(truth, folder / f"masks{number}", run.root, name=name)
    (run.root / "costs").mkdir()
    for number, method in enumerate(read_run(run.root)[0]["methods"]):
        write_json(run.cost(method["key"]), {
            "cpu": "made up", "threads": 1, "warm_ms_median": 90 / 3**number, "warm_ms_p95": 99 / 3**number,
            "saved_bytes": 4**number * 10**6, "cores_used": 1.0, "error": "", "sweep": [],
        })  # fmt: skip
    (folder / "report.html").write_text(render_report(make_report(run.root), "html"), "utf-8")
    shutil.copy(Path(__file__).parents[1].joinpath("report_probe.html"), folder)
    return folder


@pytest.fixture(scope="module", params=["light", "dark"])
def seen(request: pytest.FixtureRequest, page: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    """What the probe saw, by width."""
    scheme = f"--blink-settings=preferredColorScheme={0 if request.param == 'dark' else 1}"
    server = browse(page, "report_probe.html", tmp_path_factory.mktemp("profile"), scheme)
    assert "error" not in server.posted, server.posted["error"].decode()
    asked = {path for path in server.asked if path != "/favicon.ico"}
    assert asked == {"/report_probe.html", "/report.html"}, "the report loads something"
    found = {width: json.loads(server.posted[f"seen-{width}"]) for width in (390, 1400)}
    assert all(each["dark"] == (request.param == "dark") for each in found.values())
    return found


@pytest.mark.parametrize("width", [390, 1400])
def test_everything_fits_and_can_be_read(seen: dict[int, Any], width: int) -> None:
    found = seen[width]
    assert found["page_width"] <= found["inner_width"], "the page is wider than its window"
    assert found["sticking_out"] == []
    assert found["widest_name"] <= max(170, 0.45 * width), "names cover the numbers beside them"
    assert found["texts"] > 200
    assert found["smallest"]["size"] >= SMALLEST_PX, found["smallest"]
    assert found["faintest"]["contrast"] >= FAINTEST, found["faintest"]
    assert found["disclaimer"] == "For research, not for diagnosis."
    assert found["disclaimer_top"] < 200


@pytest.mark.parametrize("width", [390, 1400])
def test_tables_sort(seen: dict[int, Any], width: int) -> None:
    found = seen[width]
    assert found["focusable"]
    assert len(set(found["falling"])) == len(METHODS)
    assert found["falling"] == sorted(found["falling"], reverse=True)
    assert found["rising"] == sorted(found["rising"])
    assert found["aria_sort"] == "ascending"


@pytest.mark.parametrize("width", [390, 1400])
def test_pictures_enlarge(seen: dict[int, Any], width: int) -> None:
    found = seen[width]
    assert found["panels"] >= 2 * len(METHODS) and found["pictures"] and all(found["pictures"])
    assert found["zoomed"] > 1.5 * found["panel_width"]
    assert found["line"] != found["line_hidden"]
    assert found["next_by_key"]
    assert found["closed"]
    assert found["violations"] == []
