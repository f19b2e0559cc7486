"""`hybridseg segment --watch` through many files and kills: no file lost, none segmented twice.

    python benchmarks/robustness/watch_kills.py --files 1000 --kills 20 -o benchmarks/results/watch_kills.md

Files arrive while the watch works, each written in two pieces. The watch is killed (kill -9) at random moments and
started again. At the end every file must have one line in the log and one mask that opens, and no mask may have been
written anew after a kill.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import click
import numpy as np

from hybridseg.images import read_mask, write_image
from hybridseg.processes.machine import describe_machine


def deliver(pictures: list[tuple[Path, bytes]], pause: float) -> None:
    """Write each file in two pieces with a pause between them."""
    for path, data in pictures:
        with open(path, "wb", buffering=0) as stream:
            stream.write(data[: len(data) // 2])
            time.sleep(pause)
            stream.write(data[len(data) // 2 :])


def masks_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each mask: a mask that is written anew has others."""
    found = {}
    for path in folder.glob("*_mask.png"):
        status = path.stat()
        found[path.name] = (status.st_ino, status.st_mtime_ns)
    return found


def lines_in(log: Path) -> int:
    """Return how many whole lines the log has."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


@click.command()
@click.option("--files", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--kills", default=20, show_default=True, type=click.IntRange(0))
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(files: int, kills: int, seed: int, output: Path) -> None:
    """Run the study and write its page."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        inbox, outbox, stock = (Path(temporary, name) for name in ("in", "out", "stock.png"))
        inbox.mkdir()
        image = np.random.default_rng(seed).integers(0, 256, (64, 64)).astype(np.uint8)
        write_image(stock, image)
        pictures = [(inbox / f"{number:05}.png", stock.read_bytes()) for number in range(files)]
        command = [sys.executable, "-m", "hybridseg", "segment", inbox, "-o", outbox, "-m", "otsu", "-q"]
        command += ["--watch", "--every", "0.2"]
        start = time.monotonic()
        threading.Thread(target=deliver, args=(pictures, 0.005), daemon=True).start()
        between, torn = 0, 0
        for kill in range(kills + 1):
            kept = masks_in(outbox)
            watching = subprocess.Popen(command)
            wanted = files if kill == kills else lines_in(outbox / "watch.jsonl") + rng.randrange(1, files // 25 + 2)
            while lines_in(outbox / "watch.jsonl") < min(wanted, files) and watching.poll() is None:
                time.sleep(rng.random() * 0.02)
            watching.send_signal(signal.SIGTERM if kill == kills else signal.SIGKILL)
            ended = watching.wait()
            log, now = (outbox / "watch.jsonl").read_bytes(), masks_in(outbox)
            torn += not log.endswith(b"\n")
            between += len(now) > log.count(b"\n")
            assert all(now[name] == state for name, state in kept.items()), "a mask was written twice"
        assert ended == 128 + signal.SIGTERM, f"the last watch ended with {ended}"
        entries = [json.loads(line) for line in log.splitlines()]
        assert sorted(entry["image"] for entry in entries) == [path.name for path, _ in pictures], "lost, or told twice"
        assert {entry["status"] for entry in entries} <= {"done", "was there"}
        first = read_mask(outbox / f"{pictures[0][0].name}_mask.png")
        for path, _ in pictures:
            assert np.array_equal(read_mask(outbox / f"{path.name}_mask.png"), first)
    output.write_text(
        "# Watching a folder through kills\n\n"
        f"`python benchmarks/robustness/watch_kills.py --files {files} --kills {kills} --seed {seed}`, on an "
        f"{describe_machine()['cpu']}\n\n"
        f"{files} files were delivered, each in two pieces. `segment --watch` was killed {kills} times (kill -9): "
        f"{between} times between a mask and its line in the log, {torn} times within a line. At the end each file had "
        "one line and one mask. No mask was written twice, and all were equal, as the synthetic pictures were. A "
        f"SIGTERM ended the last watch with exit code 143. It took {time.monotonic() - start:.0f} s.\n"
    )


if __name__ == "__main__":
    main()
