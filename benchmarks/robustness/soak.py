"""A soak: many images through one `segment`, with its resident memory watched.

    python benchmarks/robustness/soak.py --data Dataset_BUSI_with_GT --images 20000 -o benchmarks/results/soak.md

The folder's images are taken again and again under new names. Memory counts as flat if, after the first 500 masks, it
never rises more than 5 % above what it was then.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from hybridseg.data import load_dataset
from hybridseg.data.splits import busi_split
from hybridseg.processes.machine import describe_machine

WARM, BOUND = 500, 1.05


def resident_mb(pid: int) -> float:
    """Return a process's resident memory, from Linux's /proc."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--images", default=20_000, show_default=True)
@click.option("-m", "--method", default="unet", show_default=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: Path, images: int, method: str, output: Path) -> None:
    """Run it, write the curve, fail if it rises."""
    files = [case.image_path for case in load_dataset(data).select(busi_split().case_ids)]
    curve: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "images")
        folder.mkdir()
        for number in range(images):  # hard links: `segment` takes two symbolic links to one file for one image
            target = folder / f"{number:06}.png"
            if number < len(files):
                shutil.copyfile(files[number], target)
            else:
                target.hardlink_to(folder / f"{number % len(files):06}.png")
        command = [
            sys.executable, "-u", "-m", "hybridseg", "segment", str(folder), "-m", method, "-o", f"{temporary}/masks",
        ]  # fmt: skip
        start = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for done, _ in enumerate(process.stdout, start=1):
                if done % 100 == 0 and done < images:  # the last lines may outlive the process
                    curve.append((done, resident_mb(process.pid)))
        seconds = time.monotonic() - start
        assert process.returncode == 0, f"segment ended with {process.returncode}"
        masks = sum(1 for _ in Path(temporary, "masks").iterdir())
    assert masks == images, f"{masks} masks for {images} images"
    first = next(mb for done, mb in curve if done >= WARM)
    highest = max(mb for done, mb in curve if done >= WARM)
    steps = [(done, mb) for done, mb in curve if done in (100, WARM) or done % (images // 10) == 0]
    output.write_text("\n".join([
        f"# {images:,} images through one `segment`", "",
        f"`python benchmarks/robustness/soak.py --data Dataset_BUSI_with_GT --images {images} -m {method} "
        f"-o {output}`, on an {describe_machine()['cpu']} in {seconds / 60:.0f} minutes. Every image has its mask.", "",
        "| images | resident, MiB |", "|---:|---:|", *(f"| {done:,} | {mb:.1f} |" for done, mb in steps), "",
        f"After {WARM} images {first:.1f} MiB, at most {highest:.1f} MiB later: {highest / first - 1:+.1%} "
        f"(bound: {BOUND - 1:+.0%}).",
    ]) + "\n")  # fmt: skip
    assert highest <= BOUND * first, f"memory rose from {first:.1f} to {highest:.1f} MiB"


if __name__ == "__main__":
    main()
