"""kill -9 at random moments of every verb that writes: what is on disk is whole, and the end is an unbroken run's.

    python benchmarks/robustness/kills.py --kills 100 -o benchmarks/results/kills.md
    python benchmarks/robustness/kills.py --kills 6 --data busi=DIR --data busbra=DIR    # `bench` over both alone

Each command is started, killed after a random time, looked at, and started again until it has been killed as often as
asked and then ends by itself; `bench` and `segment` by turns with one process and with two. After every kill each file
under a final name must be whole; at the end all must be the unbroken run's, byte for byte, but for measured times, and
a run folder may hold nothing half-written. Other folders keep such files for an hour: they may be another process's.
`kill_points.py` kills before each write instead.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import re
import shutil
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

from hybridseg.data import load_dataset, parse_sources
from hybridseg.data.files import write_folder
from hybridseg.data.phantoms import phantom
from hybridseg.images import write_image
from hybridseg.processes.machine import describe_machine

TIMES = ("predict_ms", "seconds")
PART = 8
FIVE = ("otsu", "watershed", "otsu-textbook", "watershed-textbook", "random-forest[n_trees=10,max_depth=6]")
RUN_FOLDERS = ("bench", "score", "merge")
VERBS = ("bench", "segment", "fit", "merge", "score", "report", "export", "data split", "data phantoms")


@dataclass(frozen=True)
class Study:
    """One command: ``arguments(folder)`` write into ``folder``.

    ``jobs`` if it takes ``-j``; ``timed`` if what it writes tells times.
    """

    name: str
    arguments: Callable[[Path], list[str]]
    jobs: bool = False
    timed: bool = False

    def start(self, folder: Path, rng: random.Random) -> subprocess.Popen[bytes]:
        """Start hybridseg with its output thrown away but for what goes wrong."""
        options = ["-j", str(rng.choice((1, 2)))] if self.jobs else []
        command = [sys.executable, "-m", "hybridseg", *self.arguments(folder), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def contents(folder: Path, *, timed: bool = True) -> dict[str, str]:
    """Return a hash for every file under its final name; if ``timed``, raise for one that isn't whole, and leave out
    what tells times.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith("."):
            what = _timeless(path) if timed else [path.read_bytes()]
            lines = (line.replace(str(folder).encode(), b"HERE") for line in what)
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


def look(each: Study, folder: Path, whole: dict[str, str]) -> None:
    """Raise if something is there that an unbroken run doesn't leave, or leaves otherwise; rows may be fewer."""
    for name, digest in contents(folder, timed=each.timed).items():
        if name.endswith((".png", ".hybridseg")) or not each.timed:
            hidden = any(part.startswith(".") for part in Path(name).parts)  # a folder that has no name yet
            assert hidden or whole.get(name) == digest, f"{name} differs from the unbroken run's"


def study(each: Study, kills: int, rng: random.Random, root: Path) -> dict[str, Any]:
    """Kill one command so often; return what the page says of it."""
    began = time.monotonic()
    (root / "whole").mkdir(parents=True)
    _, stderr = each.start(root / "whole", rng).communicate()
    whole = contents(root / "whole", timed=each.timed)
    assert whole, stderr.decode()
    seconds = time.monotonic() - began
    hits, rounds, left = 0, 0, 0
    while hits < kills:
        rounds += 1
        folder = root / f"killed{rounds}"
        folder.mkdir()
        ended = False
        while not ended:
            process = each.start(folder, rng)
            if hits < kills:
                time.sleep(rng.uniform(0.0, seconds))  # so long takes the unbroken run
                process.send_signal(signal.SIGKILL)
            _, stderr = process.communicate()
            look(each, folder, whole)
            ended = process.returncode != -signal.SIGKILL
            hits += not ended
            left += not ended and bool(parts(folder))
        # What was killed after its file had its name finds a file that isn't its own any more.
        assert process.returncode == 0 or b"exists; give --overwrite" in stderr, stderr.decode()
        assert contents(folder, timed=each.timed) == whole, f"{each.name}: the end differs from the unbroken run's"
        assert not each.name.startswith(RUN_FOLDERS) or not parts(folder), f"half-written files stay: {parts(folder)}"
        shutil.rmtree(folder)
    return {
        "command": each.name, "kills": hits, "with a file half-written": left,
        "runs they were spread over": rounds, "unbroken run, s": round(seconds, 1),
        "files compared at the end": len(whole), "minutes": round((time.monotonic() - began) / 60, 1),
    }  # fmt: skip


def studies(root: Path, only: tuple[str, ...]) -> list[Study]:
    """Return the studies of verbs on phantoms, and write what they start from."""
    images = root / "images"
    images.mkdir()
    for number in range(40):
        write_image(images / f"{number}.png", phantom(number, shape=(200, 240)).image)
    network = "unet[encoder=none,width=4,size=64,epochs=15]"
    bench = ["bench", "--data", "phantoms[n=18]", "--folds", "2", "--no-cost", "-m", "otsu", "-m", "watershed"]
    for arguments in (
        [*bench, "-o", root / "shard1", "--shard", "1/2"],
        [*bench, "-o", root / "shard2", "--shard", "2/2"],
        [*bench, "-o", root / "run"],
        ["data", "phantoms", "--n", "12", "-o", root / "data"],
        ["segment", root / "data", "-m", "otsu", "-o", root / "masks"],
    ):
        subprocess.run([sys.executable, "-m", "hybridseg", *arguments], check=True, stdout=subprocess.DEVNULL)
    data, run = str(root / "data"), str(root / "run")
    arguments_of: dict[str, Callable[[Path], list[str]]] = {
        "bench": lambda out: [*bench, "-m", "random-forest[n_trees=5]", "-o", str(out)],
        "segment": lambda out: [
            "segment", str(images), "-m", "unet", "-o", str(out), "--overlay", "--existing", "skip",
            "--measure", str(out / "sizes.csv"),
        ],
        "fit": lambda out: ["fit", network, "--data", "phantoms[n=12]", "-o", str(out / "model.hybridseg")],
        "merge": lambda out: ["merge", str(root / "shard1"), str(root / "shard2"), "-o", str(out / "run")],
        "score": lambda out: ["score", "--truth", data, "--pred", str(root / "masks"), "-o", str(out)],
        "report": lambda out: ["report", run, "-o", str(out / "report.html"), "--overwrite"],
        "export": lambda out: ["export", "otsu", "-o", str(out / "otsu.onnx")],
        "data split": lambda out: ["data", "split", data, "--as-read", "-o", str(out / "split.csv")],
        "data phantoms": lambda out: ["data", "phantoms", "--n", "6", "-o", str(out)],
    }  # fmt: skip
    return [
        Study(name, arguments_of[name], jobs=name in ("bench", "segment"), timed=name in ("bench", "fit", "score"))
        for name in VERBS if not only or name in only
    ]  # fmt: skip


def across(sets: tuple[str, ...], root: Path) -> Study:
    """Return the study of `bench` over parts of data sets: `PART` images of each, spread over it."""
    data = []
    for name, source in parse_sources(sets).items():
        dataset = load_dataset(source)
        some = dataset[:: len(dataset) // PART]
        write_folder(dataset.select([case.case_id for case in some]), root / name)
        data += ["--data", f"{name}={root / name}"]
    methods = [part for method in FIVE for part in ("-m", method)]
    bench = ["bench", *data, "--folds", "2", "--as-read", "--no-cost", *methods]
    return Study(f"bench, {len(FIVE)} methods", lambda out: [*bench, "-o", str(out)], jobs=True, timed=True)


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--only", type=click.Choice(VERBS), multiple=True)
@click.option("--data", "sets", multiple=True, metavar="NAME=DIR", help="Kill `bench` over parts of these sets alone.")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(kills: int, seed: int, only: tuple[str, ...], sets: tuple[str, ...], output: Path | None) -> None:
    """Run the studies and write the page."""
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for each in [across(sets, root)] if sets else studies(root, only):
            found.append(study(each, kills, random.Random(seed), root / each.name))
            print(found[-1], flush=True)
    lines = [
        "# kill -9 at random moments", "",
        f"`python benchmarks/robustness/kills.py --kills {kills} --seed {seed}`, on an {describe_machine()['cpu']}", "",
        "| " + " | ".join(found[0]) + " |", "|---|" + "---:|" * (len(found[0]) - 1),
        *("| " + " | ".join(map(str, row.values())) + " |" for row in found), "",
        "After each kill every file under a final name was whole. The last row of a run's cell may be torn, and is "
        "made again. Pictures and models were those of the unbroken run. At the end all files were the unbroken "
        "run's, byte for byte, but for measured times and the sessions in `run.json`. No run folder held anything "
        "half-written. `bench` and `segment` worked by turns with one process and with two.",
    ]  # fmt: skip
    if output is not None:
        output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
