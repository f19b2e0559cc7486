"""kill -9 before each write of every verb that writes: started again, it ends as an unbroken run does.

    python benchmarks/robustness/kill_points.py

Each command runs in a copy of one folder, made anew for each kill, in a fork of this process, so that Python starts and
imports once. What tells times is compared without them (see `kills.py`), everything else byte for byte. `export`
compares the method with its graph on two pictures only. `tests/test_kills.py` runs three kills of each command.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from kills import contents

from hybridseg.cli import main
from hybridseg.onnx import exporting, parity

WRITING = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
TIMED = ("bench", "score", "fit")

METHODS = '''
from pathlib import Path

import numpy as np
from hybridseg import Segmenter, Tags


class Epochs(Segmenter):
    """Learns one number, in epochs, with checkpoints."""

    tags = Tags(requires_fit=True, exportable=False, export_reason="it is a test")

    def __init__(self, *, checkpoint_dir=None):
        self.checkpoint_dir = checkpoint_dir

    def _fit(self, images, masks, *, groups, validation, progress):
        if self.checkpoint_dir is not None:
            Path(self.checkpoint_dir).mkdir(exist_ok=True)
            Path(self.checkpoint_dir, "checkpoint.npz").write_text("whatever")
        self.level_ = float(np.mean([image.mean() for image in images])) / 2
        self.history_ = [{"epoch": 1.0, "loss": 0.5, "validation_f1": 0.5}]

    def _predict_proba(self, image):
        return (image < self.level_).astype(np.float32)
'''

BENCH = ["bench", "--data", "data", "--folds", "2", "--no-cost", "--as-read", "-m", "mine.py:Epochs"]
COMMANDS = [
    [*BENCH, "-o", "new"],
    ["merge", "first", "second", "-o", "new"],
    ["score", "--truth", "data", "--pred", "masks", "-o", "new"],
    ["score", "--truth", "data", "--pred", "masks", "-o", "run"],
    ["report", "run"],
    ["segment", "data", "-m", "otsu", "-o", "new", "--overlay", "--existing", "skip",
     "--measure", "sizes.csv"],
    ["fit", "mine.py:Epochs", "--data", "data", "--as-read", "-o", "new.hybridseg"],
    ["export", "otsu", "-o", "new.onnx"],
    ["data", "split", "data", "--folds", "2", "--as-read", "-o", "new.csv"],
    ["data", "phantoms", "--n", "2", "-o", "new"],
]  # fmt: skip


def is_write(event: str, arguments: tuple[Any, ...], folder: str) -> bool:
    """Whether an audit event is a change of a file or folder below ``folder``."""
    if event not in WRITING or not isinstance(arguments[0], str | bytes | os.PathLike):
        return False
    if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return False
    return os.path.abspath(os.fsdecode(arguments[0])).startswith(folder)


def fork(command: list[str], folder: Path, kill_at: int) -> tuple[int, int]:
    """Run a command in a fork, in ``folder``; before write number ``kill_at`` it is killed.

    Returns its exit code, and the number of writes that it has begun.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            writes = len(stream.read())
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), writes
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(os.open(folder.parent / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    begun = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal begun
        if is_write(event, arguments, str(folder)):
            begun += 1
            if begun == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(writing, b".")

    sys.addaudithook(hook)
    try:
        main(command, prog_name="hybridseg")
    except SystemExit as end:
        Path(folder.parent, "modules.txt").write_text("\n".join(sys.modules))
        os._exit(int(end.code or 0))
    os._exit(99)


def kill_everywhere(command: list[str], root: Path, most: int | None) -> tuple[int, int]:
    """Kill a command before its writes, ``most`` at most; return how many writes and kills there were.

    Raises SystemExit if going on doesn't end as an unbroken run does.
    """
    here, timed = root / "here", command[0] in TIMED

    def fresh() -> None:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(root / "base", here)

    def end(after: str) -> int:
        code, writes = fork(command, here, 0)
        if code:
            raise SystemExit(f"{' '.join(command)}{after} ends with {code}")
        return writes

    fresh()
    writes = end("")
    for name in Path(root, "modules.txt").read_text().split():  # the forks that follow needn't import them again
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    whole = contents(here, timed=timed)
    points = range(1, writes + 1) if most is None else sorted(set(np.linspace(1, writes, most).round().astype(int)))
    for point in points:
        fresh()
        killed, _ = fork(command, here, point)
        after = f", killed before write {point} of {writes} and started again,"
        if killed != -signal.SIGKILL:
            raise SystemExit(f"{' '.join(command)} has no write {point}")
        end(after)
        found = contents(here, timed=timed)
        differing = sorted(name for name in {*whole, *found} if whole.get(name) != found.get(name))
        if differing:
            raise SystemExit(f"{' '.join(command)}{after} ends with other files: {', '.join(differing)}")
    return writes, len(points)


def prepare(base: Path) -> None:
    """Make the folder in which each command finds what it reads."""
    base.mkdir()
    (base / "mine.py").write_text(METHODS)
    for command in (
        ["data", "phantoms", "--n", "2", "-o", "data"],
        [*BENCH, "-o", "run"],
        [*BENCH, "-o", "first", "--shard", "1/2"],
        [*BENCH, "-o", "second", "--shard", "2/2"],
        ["segment", "data", "-m", "otsu", "-o", "masks"],
    ):
        code, _ = fork(command, base, 0)
        if code:
            raise SystemExit(f"{' '.join(command)} ends with {code}")


@click.command()
@click.option("--most", type=int, help="Kills of a command at most, evenly spaced [default: one before each write].")
def run(most: int | None) -> None:
    """Kill each command, start it again, and print the rows of a table."""
    some = list(parity.parity_images())[:2]
    exporting.parity_images = lambda: some
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()
        prepare(root / "base")
        click.echo("| command | writes | kills |\n|---|---:|---:|")
        for command in COMMANDS:
            writes, kills = kill_everywhere(command, root, most)
            click.echo(f"| `{' '.join(command)}` | {writes} | {kills} |")


if __name__ == "__main__":
    run()
