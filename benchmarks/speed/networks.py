"""What the known networks cost at their published widths: parameters, multiply-adds, bytes and time.

    python benchmarks/speed/networks.py -o benchmarks/results/networks_cost.md

It needs no data and trains nothing: cost doesn't depend on weights, accuracy does. Each network is built at 256 x 256
pixels with one grey channel, and exported with the pipeline around it. It is then timed in fresh processes on one
thread. ``--no-time`` leaves that out where other work runs beside it.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from pathlib import Path

import click
import numpy as np

import hybridseg
from hybridseg.bench import measure_cost
from hybridseg.bench.run.cost import THREAD_VARIABLES
from hybridseg.data.phantoms import phantom
from hybridseg.onnx import describe
from hybridseg.processes.machine import describe_machine
from hybridseg.text import markdown_table
from hybridseg.training.convert import network_to_onnx

FACTORY = "hybridseg.registry:create"
SIZE, IMAGES = 256, 5


@click.command()
@click.option("--time/--no-time", "timed", default=True, help="Measure time as well.")
@click.option("-m", "--method", "methods", multiple=True, help="Only this one; may be repeated [default: all].")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(timed: bool, methods: tuple[str, ...], output: Path | None) -> None:
    """Build, export, count, time; print the page, and write it."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    known = [name for name, info in hybridseg.available().items() if info.value.startswith("hybridseg_networks")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in methods or (*known, "unet"):
            with multiprocessing.get_context("spawn").Pool(1) as fresh:  # converting takes gigabytes: give them back
                rows.append(fresh.apply(cells, (name, Path(folder, f"{name}.onnx"), timed)))
            click.echo(rows[-1], err=True)
    header = ["method", "parameters, M", "multiply-adds, G", "file, MB", *(["ms", "share of a core"] if timed else [])]
    command = f"python benchmarks/speed/networks.py{'' if timed else ' --no-time'}{f' -o {output}' if output else ''}"
    times = (
        f" Time: median of {IMAGES} synthetic images, decoded pixels to mask, one thread, in fresh processes. "
        f"{describe_machine()['cpu']}."
        if timed
        else " Time wasn't measured: other work ran beside it."
    )
    page = "\n".join([
        "# What the known networks cost", "",
        f"`{command}`. Built at their published widths, {SIZE} x {SIZE} pixels, one grey channel, without averaging of "
        "mirrored images. None is trained, so nothing here is about accuracy. Counts are of convolutions and matrix "
        "products in the exported graph. Papers also count norms, biases and up-sampling, and a transposed convolution "
        f"four times, so they have more.{times}", "",
        *markdown_table(header, sorted(rows, key=lambda row: float(row[2]))),
    ])  # fmt: skip
    click.echo(page)
    if output is not None:
        output.write_text(page + "\n", encoding="utf-8")


def cells(name: str, path: Path, timed: bool) -> list[str]:
    """Return a network's line of the table."""
    import onnx

    model = hybridseg.create(f"{name}[size={SIZE},flip_averaging=False]")
    model.network_ = np.frombuffer(network_to_onnx(model._build(SIZE)), np.uint8)
    onnx.save(model._to_onnx(), path)
    found = describe(path)
    row = [name, f"{found.parameters / 1e6:.2f}", f"{found.multiply_adds / 1e9:.2f}", f"{found.size_bytes / 1e6:.1f}"]
    if timed:
        cost = measure_cost(FACTORY, str(path), [phantom(seed)[0] for seed in range(IMAGES)])
        if cost["error"]:
            raise SystemExit(f"{name}: {cost['error']}")
        row += [f"{cost['warm_ms_median']:.0f}", f"{cost['cores_used']:.2f}"]
    return row


if __name__ == "__main__":
    main()
