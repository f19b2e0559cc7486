"""kill -9 at random moments of bench, segment and fit: what is on disk is whole, and the end is an unbroken run's.

    python benchmarks/kills.py --kills 100 -o benchmarks/results/kills.md

Each command is started, killed after a random time, looked at, and started again until it has been killed as often as
asked and then ends by itself. After every kill each file under a final name must be whole; at the end all must be the
unbroken run's, byte for byte, but for measured times.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image

from hybridseg.data.phantoms import phantom
from hybridseg.images import write_image

TIMES = ("predict_ms", "seconds")


@dataclass(frozen=True)
class Study:
    """One command: ``arguments(folder)`` write into ``folder``."""

    name: str
    arguments: Callable[[Path], list[str]]


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start hybridseg with its output thrown away but for what goes wrong."""
    command = [sys.executable, "-m", "hybridseg", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def contents(folder: Path) -> dict[str, str]:
    """Return a hash for every file under its final name, measured times left out; raise for one that isn't whole."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name.startswith(".") or ".checkpoint/" in name or path.stem in ("run", "table"):
            continue
        found[name] = hashlib.sha256(b"\n".join(_timeless(path))).hexdigest()
    return found


def _timeless(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if path.suffix == ".png":
        Image.open(io.BytesIO(data)).load()
    elif path.suffix == ".jsonl":  # rows are appended: the last may be torn, and is made again
        rows = [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
        return [json.dumps({k: v for k, v in row.items() if k not in TIMES}).encode() for row in rows]
    elif path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        return [json.dumps({k: v for k, v in row.items() if k not in TIMES}).encode() for row in rows]
    elif path.suffix == ".json":
        json.loads(data)
        return [b"card"]  # it tells when and how long
    elif path.suffix == ".hybridseg":  # a zip of arrays and of model.json, where the history tells seconds
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in sorted(archive.namelist())}
        seconds = re.compile(rb'"seconds": *[0-9.e-]+')
        return [name.encode() + seconds.sub(b"", content) for name, content in members.items()]
    return [data]


def look(folder: Path, whole: dict[str, str]) -> None:
    """Raise if something is there that an unbroken run doesn't leave, or leaves otherwise; rows may be fewer."""
    for name, digest in contents(folder).items():
        if name.endswith((".png", ".hybridseg")):
            assert whole.get(name) == digest, f"{name} differs from the unbroken run's"


def study(each: Study, kills: int, rng: random.Random, root: Path) -> tuple[int, int, float]:
    """Return how many kills hit a running process, how many files were compared, and the unbroken run's seconds."""
    began = time.monotonic()
    process = start(each.arguments(root / "whole"))
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr.decode()
    seconds = time.monotonic() - began
    whole = contents(root / "whole")
    hits, rounds = 0, 0
    while hits < kills:
        rounds += 1
        folder = root / f"killed{rounds}"
        while hits < kills:
            process = start(each.arguments(folder))
            time.sleep(rng.uniform(0.0, seconds))  # so long takes the unbroken run
            process.send_signal(signal.SIGKILL)
            _, stderr = process.communicate()
            if folder.exists():
                look(folder, whole)
            if process.returncode != -signal.SIGKILL:
                assert process.returncode == 0, stderr.decode()
                break  # it had ended: a new round
            hits += 1
        process = start(each.arguments(folder))
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr.decode()
        assert contents(folder) == whole, f"{each.name}: the end differs from the unbroken run's"
    return hits, len(whole), seconds


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--only", type=click.Choice(["bench", "segment", "fit"]))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(kills: int, seed: int, only: str | None, output: Path | None) -> None:
    """Run the studies and write the page."""
    lines = [
        "# kill -9 at random moments", "", f"`python benchmarks/kills.py --kills {kills} --seed {seed}`", "",
        "| command | kills that hit | unbroken run, s | files, all the same at the end |", "|---|---:|---:|---:|",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        images = root / "images"
        images.mkdir()
        for number in range(60):
            write_image(images / f"{number}.png", phantom(number, shape=(200, 240)).image)
        network = "unet[encoder=none,width=4,size=64,epochs=40]"
        studies = [
            Study("bench", lambda out: [
                "bench", "--data", "phantoms[n=30]", "-m", "otsu", "-m", "watershed", "-m",
                "random-forest[n_trees=10]", "--folds", "3", "--no-cost", "-o", str(out),
            ]),
            Study("segment", lambda out: [
                "segment", str(images), "-m", "unet", "-o", str(out), "--overlay", "--existing", "skip",
            ]),
            Study("fit", lambda out: [
                "fit", network, "--data", "phantoms[n=20]", "-o", str(out / "model.hybridseg"), "--overwrite",
            ]),
        ]  # fmt: skip
        for each in studies:
            if only not in (None, each.name):
                continue
            (root / each.name).mkdir()
            if each.name == "fit":
                for name in ("whole", *(f"killed{k}" for k in range(1, kills + 2))):
                    (root / each.name / name).mkdir()
            hits, files, seconds = study(each, kills, random.Random(seed), root / each.name)
            lines.append(f"| {each.name} | {hits} | {seconds:.1f} | {files} |")
            print(lines[-1], flush=True)
    lines += [
        "", "After each kill every file under a final name was whole (pictures decode, models open; the last row of a "
        "run's cell may be torn and is made again), and pictures and models were those of the unbroken run.",
    ]  # fmt: skip
    if output is not None:
        output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
