"""How long a report takes: a made-up run of 600 cases by 6 methods, its images 500 x 600 pixels.

    python benchmarks/speed/report_speed.py [--keep FOLDER]

Images are noise with an ellipse, predictions the ellipse moved and resized: nothing here says anything about a
method. Wall and CPU seconds of this one process are printed as the lines of a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hybridseg.bench import read_run, summarize
from hybridseg.bench.records.folder import RunFolder, write_json
from hybridseg.bench.report import make_report, render_report
from hybridseg.bench.run.score import score_masks
from hybridseg.data import load_dataset
from hybridseg.images import write_image, write_mask

CASES, METHODS, HEIGHT, WIDTH = 600, 6, 500, 600
ROWS, COLUMNS = np.ogrid[:HEIGHT, :WIDTH]


def ellipse(centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return ((ROWS - centre[0]) / radii[0]) ** 2 + ((COLUMNS - centre[1]) / radii[1]) ** 2 <= 1


def write_run(folder: Path) -> Path:
    """Write images, masks and six readers' masks, and score them into one run folder; return that."""
    rng = np.random.default_rng(0)
    for case in range(CASES):
        label = ("benign", "benign", "malignant", "normal")[case % 4]
        centre, radii = rng.uniform((150, 150), (350, 450)), rng.uniform(20, 110, 2)
        truth = ellipse(centre, radii) if label != "normal" else np.zeros((HEIGHT, WIDTH), bool)
        speckle = rng.rayleigh(40, (HEIGHT // 4, WIDTH // 4)).repeat(4, 0).repeat(4, 1)
        image = np.clip(speckle * np.where(truth, 0.4, 1.0), 0, 255).astype(np.uint8)
        place = folder / "data" / label
        place.mkdir(parents=True, exist_ok=True)
        write_image(place / f"{label}{case}.png", image)
        write_mask(place / f"{label}{case}_mask.png", truth)
        for reader in range(METHODS):
            wrong = rng.normal(0, 6 + 6 * reader, 2)
            found = rng.random() < (0.15 if label == "normal" else 0.97)
            mask = ellipse(centre + wrong, radii * rng.uniform(0.8, 1.3, 2)) if found else np.zeros_like(truth)
            target = folder / f"reader {reader + 1}"
            target.mkdir(exist_ok=True)
            write_mask(target / f"{label}{case}.png", mask)
    truth_set = load_dataset(folder / "data")
    for reader in range(METHODS):
        score_masks(truth_set, folder / f"reader {reader + 1}", folder / "run")
    run = RunFolder(folder / "run")
    for number, method in enumerate(read_run(run.root)[0]["methods"]):
        cost = {
            "cpu": "made up", "threads": 1, "warm_ms_median": 400 / 3**number, "warm_ms_p95": 500 / 3**number,
            "cold_ms": 900.0, "peak_mib": 200.0, "saved_bytes": 3 * 10 ** (7 - number), "cores_used": 1.0, "error": "",
            "parameters": None, "multiply_adds": None, "sweep": [],
        }  # fmt: skip
        (run.root / "costs").mkdir(exist_ok=True)
        write_json(run.cost(method["key"]), cost)
    return run.root


def timed(what: str, call: Callable[[], Any]) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"| {what} | {wall:.1f} | {cpu:.1f} |", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, help="folder for run and page")
    with tempfile.TemporaryDirectory() as temporary:
        folder = parser.parse_args().keep or Path(temporary)
        run = folder / "run" if (folder / "run" / "run.json").is_file() else write_run(folder)
        print(f"| {CASES} cases x {METHODS} methods | wall s | CPU s |\n|---|---:|---:|")
        rows = timed("reading the rows", lambda: read_run(run))[1]
        assert len(rows) == CASES * METHODS
        timed("leaderboard: intervals (2,000 draws) and paired tests", lambda: summarize(run))
        timed("all numbers, without pictures", lambda: make_report(run, pictures=False))
        document = timed("the whole report", lambda: make_report(run))
        page = timed("writing it as HTML", lambda: render_report(document, "html"))
        print(f"\nThe page has {len(page.encode()) / 1e6:.2f} MB and {len(document.pictures)} pictures.")
        (folder / "report.html").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
