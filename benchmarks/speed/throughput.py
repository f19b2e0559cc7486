"""How many images an hour: the stages of `segment`, processes of one machine, a Dask cluster, and what follows.

    python benchmarks/speed/throughput.py --data Dataset_BUSI_with_GT -o benchmarks/results/throughput.md

Each rate is that of a whole command, start and end included, over the images of the folder (masks go to a folder that
is thrown away). The last part reckons from these costs. Run it when nothing else runs: it times.
"""

from __future__ import annotations

import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from hybridseg.batch.planning import plan_jobs
from hybridseg.batch.segmenting import MAX_UNIT, Unit, segment_unit
from hybridseg.batch.work import Done, Work
from hybridseg.data import load_dataset
from hybridseg.data.splits import busi_split
from hybridseg.images import decode_image, read_bytes, write_mask
from hybridseg.processes.cluster import ClusterWorkers
from hybridseg.processes.machine import describe_machine, usable_cores
from hybridseg.registry import create_trained

IMAGES, MACHINES, CORES = 10_000_000, 100, 16
TASKS = 2_000
WORK = Work("otsu")


def rate(arguments: list[str], images: int) -> float:
    """Return images a second of one `hybridseg segment`."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        command = [sys.executable, "-m", "hybridseg", "segment", *arguments, "-m", "unet", "-q", "-o", folder]
        subprocess.run(command, check=True)
        return images / (time.monotonic() - start)


def stages(files: list[Path]) -> dict[str, float]:
    """Return the median milliseconds of each stage, in one process with one thread."""
    model = create_trained("unet")
    took: dict[str, list[float]] = {"read and decode": [], "infer": [], "encode and write": []}
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            start = time.perf_counter()
            image = decode_image(read_bytes(file), file.name, None)
            decoded = time.perf_counter()
            mask = model.predict(image)
            inferred = time.perf_counter()
            write_mask(Path(folder, f"{number}.png"), mask)
            times = start, decoded, inferred, time.perf_counter()
            for name, before, after in zip(took, times[:-1], times[1:], strict=True):
                took[name].append(1e3 * (after - before))
    return {name: statistics.median(values[3:]) for name, values in took.items()}


def cluster_rates(folder: Path, images: int, counts: list[int], unit: Unit) -> tuple[dict[int, float], float, float]:
    """Return images a second by number of worker processes; of a unit, the milliseconds and the client's bytes."""
    from distributed import LocalCluster

    rates, unit_ms, unit_bytes = {}, 0.0, 0.0
    for count in counts:
        with LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            address = cluster.scheduler_address
            rates[count] = rate([str(folder), "--cluster", address], images)
            with ClusterWorkers(segment_unit, WORK, address) as workers:
                start = time.monotonic()
                for _ in range(TASKS):
                    workers.put([])
                for _ in range(TASKS):
                    workers.take()
                unit_ms = 1e3 * (time.monotonic() - start) / TASKS
            if not unit_bytes:  # apart from what is timed: tracing makes everything slower
                with ClusterWorkers(segment_unit, WORK, address) as workers:
                    unit_bytes = traced(lambda: [workers.put(pickle.loads(pickle.dumps(unit))) for _ in range(50)]) / 50
    return rates, unit_ms, unit_bytes


def planning(folder: Path, files: int) -> tuple[float, float]:
    """Return microseconds and the client's bytes, at most, that listing costs for each file."""
    start = time.perf_counter()
    jobs = plan_jobs((str(folder),), Path("masks")).jobs
    seconds = time.perf_counter() - start
    assert len(jobs) == files
    return 1e6 * seconds / files, traced(lambda: plan_jobs((str(folder),), Path("masks"))) / files


def traced(call: Callable[[], object]) -> int:
    """Return the most bytes that Python held at once on behalf of a call."""
    tracemalloc.start()
    call()
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size


def verdict(name: str, value: float, bound: str, holds: bool) -> str:
    """Return a line on what was asked of the speed."""
    return f"| {name} | {value:.2f} | {bound} | {'yes' if holds else 'NO'} |"


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="BUSI, as unzipped.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: Path, output: Path) -> None:
    """Measure, reckon, write the page."""
    files = [case.image_path for case in load_dataset(data).select(busi_split().case_ids)]
    cores, machine = usable_cores(), describe_machine()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number, file in enumerate(files):
            (folder / f"{number:04}.png").symlink_to(file.resolve())
        jobs = plan_jobs((str(folder),), Path("masks")).jobs[:MAX_UNIT]
        # Of files that aren't there: what is sent is measured, and nothing shall come of it.
        unit = [(number, replace(job, image=job.image.with_suffix(".gone"))) for number, job in enumerate(jobs)]
        stage = stages(files[:200])
        counts = sorted({1, 2, cores})
        local = {count: rate([str(folder), "-j", str(count)], len(files)) for count in counts}
        remote, unit_ms, unit_bytes = cluster_rates(folder, len(files), counts, unit)
        list_us, list_bytes = planning(folder, len(files))
    sent = len(pickle.dumps((WORK, unit)))
    returned = len(pickle.dumps([Done(k, ["x" * 60]) for k in range(MAX_UNIT)]))
    total, slowest = sum(stage.values()), max(stage.values())
    speedup, of_slowest = local[2] / local[1], 1e3 / (local[2] * slowest)
    held = [
        verdict("images a second, two processes against one", speedup, "at least 1.7", speedup >= 1.7),
        verdict("time of two processes against the slowest stage", of_slowest, "at most 1.15", of_slowest <= 1.15),
    ]
    print("\n".join(held))
    read_mb = sum(file.stat().st_size for file in files) / len(files) / 1e6
    hours = IMAGES / (MACHINES * CORES * remote[1]) / 3600
    units = IMAGES / MAX_UNIT
    output.write_text("\n".join([
        "# Throughput of `segment`", "",
        f"`python benchmarks/speed/throughput.py --data Dataset_BUSI_with_GT -o {output}`: {len(files)} images of "
        f"BUSI's development part, method `unet`, {machine['cpu']}, {cores} cores.", "",
        "## One image, one process, one thread", "",
        "| stage | median ms |", "|---|---:|",
        *(f"| {name} | {value:.1f} |" for name, value in stage.items()),
        f"| together | {total:.1f} |", "",
        "## Images a second, whole commands", "",
        "Each process decodes, infers and encodes its own images, so the stages of different images overlap.", "",
        "| processes | `-j` | against one | of the sum of the stages | on a Dask cluster | against one |",
        "|---:|---:|---:|---:|---:|---:|",
        *(f"| {n} | {local[n]:.1f} | {local[n] / local[1]:.2f} | {local[n] * total / 1e3 / n:.0%} | {remote[n]:.1f} | "
          f"{remote[n] / remote[1]:.2f} |" for n in counts), "",
        "| asked | measured | bound | holds |", "|---|---:|---|---|", *held, "",
        "The slowest stage alone is its median times the number of images, as if decoding, inference and encoding "
        "overlapped without a gap. Starting the processes counts against the other side.", "",
        "The cluster's processes are `distributed.LocalCluster` workers of one thread each, warm. Its scheduler and "
        "the client share the cores with them. That a worker killed in the middle leaves the table as it is: "
        "`tests/test_processes/test_workers.py`.", "",
        f"## {IMAGES:,} images on {MACHINES} machines: a reckoning", "",
        "| | | from |", "|---|---:|---|",
        f"| minutes of work | {60 * hours:.1f} | measured: {remote[1]:.1f} images a second for each cluster process; "
        f"assumed: {CORES} cores a machine as fast as these, one process each, and no other bottleneck |",
        f"| units | {units:,.0f} | {MAX_UNIT} images each |",
        f"| a unit takes, s | {MAX_UNIT / remote[1]:.0f} | measured rate; what a lost worker costs |",
        f"| scheduler and client busy, s | {units * unit_ms / 1e3:.0f} | measured: {unit_ms:.2f} ms for a unit with "
        f"no images, {TASKS:,} of them; it overlaps with the work |",
        f"| sent to workers, GB | {units * sent / 1e9:.1f} | measured: {sent / 1e3:.1f} kB for a unit's names "
        "and what is wanted of them; the model comes from the installed package |",
        f"| returned by workers, GB | {units * returned / 1e9:.1f} | measured: {returned / 1e3:.1f} kB a unit; without "
        "`-q` a line of 60 characters an image |",
        f"| read from storage, TB | {IMAGES * read_mb / 1e6:.2f} | measured: {read_mb * 1e3:.0f} kB an image, "
        "as BUSI's |",
        f"| storage must give, MB/s | {IMAGES * read_mb / hours / 3600:.0f} | the two figures above |",
        f"| listing the files, min | {IMAGES * list_us / 6e7:.0f} | measured: {list_us:.0f} µs a file on a local disk; "
        "a network file system is slower |",
        f"| client's memory, GB | {(IMAGES * list_bytes + units * unit_bytes) / 1e9:.1f} | measured: "
        f"{list_bytes / 1e3:.2f} kB a file for listing, {unit_bytes / 1e3:.1f} kB a unit sent |", "",
        f"With `--shard k/{MACHINES}` each job of an array lists all files and works on its part, and nothing is sent "
        "at all. Both ways, `--existing skip` goes on after anything that stops a run.",
    ]) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
