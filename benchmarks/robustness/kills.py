"""kill -9 at random moments of bench, segment and fit: what is on disk is whole, and the end is an unbroken run's.

    python benchmarks/robustness/kills.py --kills 100 -o benchmarks/results/kills.md

Each command is started, killed after a random time, looked at, and started again until it has been killed as often as
asked and then ends by itself; `bench` and `segment` by turns with one process and with two. After every kill each file
under a final name must be whole; at the end all must be the unbroken run's, byte for byte, but for measured times, and
a run folder may hold nothing half-written. `segment` leaves such files for an hour: they may be another process's.
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
from typing import Any

import click
from PIL import Image

from hybridseg.data.phantoms import phantom
from hybridseg.images import write_image
from hybridseg.processes.machine import describe_machine

TIMES = ("predict_ms", "seconds")


@dataclass(frozen=True)
class Study:
    """One command: ``arguments(folder)`` write into ``folder``; ``jobs`` if it takes ``-j``."""

    name: str
    arguments: Callable[[Path], list[str]]
    jobs: bool = True

    def start(self, folder: Path, rng: random.Random) -> subprocess.Popen[bytes]:
        """Start hybridseg with its output thrown away but for what goes wrong."""
        options = ["-j", str(rng.choice((1, 2)))] if self.jobs else []
        command = [sys.executable, "-m", "hybridseg", *self.arguments(folder), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def contents(folder: Path) -> dict[str, str]:
    """Return a hash for every file under its final name, measured times left out; raise for one that isn't whole."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith(".") and ".checkpoint/" not in name:
            lines = (line.replace(str(folder).encode(), b"HERE") for line in _timeless(path))
            found[name] = hashlib.sha256(b"\n".join(lines)).hexdigest()
    return found


def parts(folder: Path) -> list[Path]:
    """Return what is half-written."""
    return [path for path in folder.rglob("*.part") if path.is_file()]


def _timeless(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if path.suffix == ".png":
        Image.open(io.BytesIO(data)).load()
    elif path.suffix == ".jsonl":  # rows are appended: the last may be torn, and is made again
        return _rows([json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()])
    elif path.suffix == ".json":  # beside run.json a table with times, or a card, which tells when and how long
        found = json.loads(data)
        return [json.dumps({**found, "sessions": []}).encode() if path.stem == "run" else b"whole"]
    elif path.stem == "table":
        assert data.endswith(b"\n"), f"{path} is half a table"
        return [b"whole"]
    elif path.suffix == ".csv":
        data = b"\n".join(_rows(list(csv.DictReader(io.StringIO(data.decode())))))
    elif path.suffix == ".hybridseg":  # a zip of arrays and of model.json, where the history tells seconds
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in sorted(archive.namelist())}
        seconds = re.compile(rb'"seconds": *[0-9.e-]+')
        return [name.encode() + seconds.sub(b"", content) for name, content in members.items()]
    return [data]


def _rows(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps({k: v for k, v in row.items() if k not in TIMES}).encode() for row in rows]


def look(folder: Path, whole: dict[str, str]) -> None:
    """Raise if something is there that an unbroken run doesn't leave, or leaves otherwise; rows may be fewer."""
    for name, digest in contents(folder).items():
        if name.endswith((".png", ".hybridseg")):
            assert whole.get(name) == digest, f"{name} differs from the unbroken run's"


def study(each: Study, kills: int, rng: random.Random, root: Path) -> dict[str, Any]:
    """Kill one command so often; return what the page says of it."""
    began = time.monotonic()
    (root / "whole").mkdir(parents=True)
    end(each.start(root / "whole", rng))
    seconds = time.monotonic() - began
    whole = contents(root / "whole")
    hits, rounds, left = 0, 0, 0
    while hits < kills:
        rounds += 1
        folder = root / f"killed{rounds}"
        folder.mkdir()
        while hits < kills:
            process = each.start(folder, rng)
            time.sleep(rng.uniform(0.0, seconds))  # so long takes the unbroken run
            process.send_signal(signal.SIGKILL)
            _, stderr = process.communicate()
            look(folder, whole)
            if process.returncode != -signal.SIGKILL:
                assert process.returncode == 0, stderr.decode()
                break  # it had ended: a new round
            hits += 1
            left += bool(parts(folder))
        end(each.start(folder, rng))
        assert contents(folder) == whole, f"{each.name}: the end differs from the unbroken run's"
        assert each.name != "bench" or not parts(folder), f"half-written files stay: {parts(folder)}"
    return {
        "command": each.name, "kills": hits, "with a file half-written": left,
        "runs they were spread over": rounds, "unbroken run, s": round(seconds, 1),
        "files compared at the end": len(whole), "minutes": round((time.monotonic() - began) / 60, 1),
    }  # fmt: skip


def end(process: subprocess.Popen[bytes]) -> None:
    """Let a command end by itself."""
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr.decode()


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--only", type=click.Choice(["bench", "segment", "fit"]))
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(kills: int, seed: int, only: str | None, output: Path | None) -> None:
    """Run the studies and write the page."""
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        images = root / "images"
        images.mkdir()
        for number in range(40):
            write_image(images / f"{number}.png", phantom(number, shape=(200, 240)).image)
        network = "unet[encoder=none,width=4,size=64,epochs=15]"
        studies = [
            Study("bench", lambda out: [
                "bench", "--data", "phantoms[n=18]", "-m", "otsu", "-m", "watershed", "-m",
                "random-forest[n_trees=5]", "--folds", "2", "--no-cost", "-o", str(out),
            ]),
            Study("segment", lambda out: [
                "segment", str(images), "-m", "unet", "-o", str(out), "--overlay", "--existing", "skip",
                "--measure", str(out / "sizes.csv"),
            ]),
            Study("fit", lambda out: [
                "fit", network, "--data", "phantoms[n=12]", "-o", str(out / "model.hybridseg"), "--overwrite",
            ], jobs=False),
        ]  # fmt: skip
        for each in studies:
            if only in (None, each.name):
                found.append(study(each, kills, random.Random(seed), root / each.name))
                print(found[-1], flush=True)
    lines = [
        "# kill -9 at random moments", "",
        f"`python benchmarks/robustness/kills.py --kills {kills} --seed {seed}`; {describe_machine()['cpu']}", "",
        "| " + " | ".join(found[0]) + " |", "|---|" + "---:|" * (len(found[0]) - 1),
        *("| " + " | ".join(map(str, row.values())) + " |" for row in found), "",
        "After each kill every file under a final name was whole (pictures decode, models open, JSON parses; the last "
        "row of a run's cell may be torn and is made again), and pictures and models were those of the unbroken run. "
        "At the end rows, masks, measures, models and `run.json` (its sessions aside) were the unbroken run's, and no "
        "run folder held anything half-written. `bench` and `segment` worked by turns with one process and with two.",
    ]  # fmt: skip
    if output is not None:
        output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
