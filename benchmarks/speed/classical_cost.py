"""What the classical methods cost: time per image as Python and as a file, and what fitting them on one fold takes.

    python benchmarks/speed/classical_cost.py --data Dataset_BUSI_with_GT -o benchmarks/results/classical_cost.md

Each method is fitted on the training part of fold 0 in a process of its own, which tells seconds and peak memory. Then
it is timed in fresh processes on one thread, decoded pixels to mask, on test images brought to 560x470; the table has
the median over images. Run it when nothing else runs: a share of a core below 0.8 says that something did.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from hybridseg import create, load
from hybridseg.bench import measure_cost
from hybridseg.bench.run.cost import MAX_IMAGES, THREAD_VARIABLES, peak_memory_mib
from hybridseg.data import CaseReader, busi_split, load_dataset
from hybridseg.processes.machine import describe_machine
from hybridseg.text import markdown_table

FACTORY = "hybridseg.registry:create"
METHODS = ("otsu", "watershed", "random-forest")
SIZE = (560, 470)
"""Width and height."""


@click.command()
@click.option("--data", required=True, help="BUSI, as unzipped.")
@click.option("--images", default=MAX_IMAGES, type=click.IntRange(1), help="Test images to time on.")
@click.option("--train-on", type=click.IntRange(1), help="Only the first cases of the fold, to try this script out.")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(data: str, images: int, train_on: int | None, output: Path | None) -> None:
    """Fit, export, time; print the page, and write it."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    fold = busi_split().folds[0]
    timed = [resized(case.image) for case in load_dataset(data).select(fold.test)[:images]]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for spec in METHODS:
            saved, exported = Path(folder, f"{spec}.hybridseg"), Path(folder, f"{spec}.onnx")
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                seconds, peak = fresh.apply(fit, (data, spec, fold.train[:train_on], saved))
            load(saved).to_onnx(exported)
            costs = [
                measure_cost(FACTORY, spec, timed, model_path=saved),
                measure_cost(FACTORY, str(exported), timed),
            ]
            rows.append([spec, *(cell for cost in costs for cell in cells(cost)), f"{seconds:.0f}", mib(peak)])
            print(rows[-1], flush=True)
    header = ["method"]
    for what in ("Python", "file"):
        header += [f"{what}: ms", "p95", "peak MiB", "MB", "share of a core"]
    header += ["fit s", "fit peak MiB"]
    machine = describe_machine()
    page = "\n".join([
        "# Time and memory of the classical methods", "",
        f"`python benchmarks/speed/classical_cost.py --data Dataset_BUSI_with_GT{f' -o {output}' if output else ''}`. "
        "Aims, one thread, as Python and as a file: Otsu 15 and 30 ms, watershed 60 and 150 ms, forest 400 and 300 ms. "
        "For fitting the forest: 300 s and 4096 MiB.", "",
        f"Median of {len(timed)} images of {SIZE[0]}x{SIZE[1]}, one thread, fresh processes. Fitted on {train_on or ''}"
        f"{' of ' if train_on else ''}{len(fold.train)} images of BUSI's fold 0. {machine['cpu']}.", "",
        *markdown_table(header, rows),
    ])  # fmt: skip
    print(page)
    if output is not None:
        output.write_text(page + "\n", encoding="utf-8")


def fit(data: str, spec: str, train: tuple[str, ...], path: Path) -> tuple[float, float | None]:
    """Fit and save a method; return seconds, images in memory beforehand, and this process's peak memory in MiB."""
    cases, reader = load_dataset(data).select(train), CaseReader()
    for case in cases:
        reader.read(case)
    model = create(spec)
    start = time.perf_counter()
    model.fit(reader.images(cases), reader.masks(cases), groups=cases.groups)
    seconds = time.perf_counter() - start
    model.save(path)
    return seconds, peak_memory_mib()


def resized(image: np.ndarray) -> np.ndarray:
    """Return an image at `SIZE`."""
    return np.asarray(Image.fromarray(image).resize(SIZE, Image.Resampling.BILINEAR))


def mib(peak: float | None) -> str:
    """Return memory as the table holds it; not every system tells it."""
    return "-" if peak is None else f"{peak:.0f}"


def cells(cost: dict[str, Any]) -> list[str]:
    """Return what the table holds of a cost."""
    if cost["error"]:
        raise SystemExit(cost["error"])
    return [
        f"{cost['warm_ms_median']:.1f}", f"{cost['warm_ms_p95']:.1f}", mib(cost["peak_mib"]),
        f"{cost['saved_bytes'] / 1e6:.2f}", f"{cost['cores_used']:.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
