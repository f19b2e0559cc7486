"""How long data sets take to read, every image and mask, in this fresh process.

    python benchmarks/speed/reading.py --data Dataset_BUSI_with_GT --data BUSBRA --data BUS-UCLM \\
        -o benchmarks/results/reading.md

Wall time counts whatever else runs on the machine; processor time doesn't.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from hybridseg.data import load_dataset
from hybridseg.processes.machine import describe_machine
from hybridseg.text import markdown_table


@click.command()
@click.option("--data", required=True, multiple=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: tuple[str, ...], output: Path) -> None:
    """Read, time, write."""
    rows = []
    for source in data:
        began = time.perf_counter(), time.process_time()
        dataset = load_dataset(source)
        listed = time.perf_counter() - began[0]
        for case in dataset:
            case.read()
        wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        rows.append([dataset.layout, str(len(dataset)), f"{listed:.1f}", f"{wall:.1f}", f"{cpu:.1f}"])
    machine = describe_machine()
    output.write_text("\n".join([
        "# Reading data sets", "",
        f"`python benchmarks/speed/reading.py {' '.join(f'--data {Path(source).name}' for source in data)}`", "",
        f"In one process; usable cores of {machine['cpu']}: {machine['usable_cores']}. Listed: the layout is",
        "found, and what masks' values mean is decided. Then every image and mask is read. Wall time counts what",
        "else runs there.", "",
        *markdown_table(["set", "images", "listed after, s", "all read after, s", "processor time, s"], rows), "",
    ]), "utf-8")  # fmt: skip


if __name__ == "__main__":
    main()
