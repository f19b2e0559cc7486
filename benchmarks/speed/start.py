"""How long a model takes from process start to the mask on disk, beside what importing its runtime takes.

    python benchmarks/speed/start.py -o benchmarks/results/start.md

Fresh processes in turn, onnxruntime's telemetry off in all of them: `python -c "import numpy, PIL, onnxruntime"`, then
`hybridseg segment` of a 470 x 560 PNG with each model, again and again; medians of wall and CPU time (user and system),
their ratios, and the peak memory. Bounds for `unet`: 2.2 times the imports, 0.45 s, 250 MiB. Run it when nothing else
runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image

from hybridseg.data.phantoms import phantom
from hybridseg.processes.machine import describe_machine

MODELS = ("unet", "unet-tiny", "otsu")
IMPORTS = "the imports alone"


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command to its end and return what it took."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def table(costs: dict[str, list[Cost]], command: str) -> str:
    """Return medians, and ratios to the imports', as a page."""
    medians = {
        name: Cost(*np.median([(c.wall_seconds, c.cpu_seconds, c.peak_mib) for c in each], axis=0))
        for name, each in costs.items()
    }
    base = medians[IMPORTS]
    machine = describe_machine()
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# From process start to the mask on disk", "",
        f"Medians of {len(costs[IMPORTS])} fresh processes each, in turn. The imports are "
        '`python -c "import numpy, PIL, onnxruntime"`. A model is `hybridseg segment` of one 470 x 560 PNG. Aims for '
        "`unet`: at most 2.2 times the imports, 0.45 s, 250 MiB.", "",
        "| what | wall s | times the imports | CPU s | times the imports | peak MiB |", "|---|---|---|---|---|---|",
        *(
            f"| {name} | {c.wall_seconds:.3f} | {c.wall_seconds / base.wall_seconds:.2f} | {c.cpu_seconds:.3f} | "
            f"{c.cpu_seconds / base.cpu_seconds:.2f} | {c.peak_mib:.0f} |"
            for name, c in medians.items()
        ),
        "", f"Machine: {machine['cpu']}, {machine['system']}; {versions}. Load average while it ran: "
        f"{os.getloadavg()[0]:.1f}.", "", f"Command: `{command}`", "",
    ]  # fmt: skip
    return "\n".join(lines)


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the page here, too.")
@click.option("--rounds", default=21, show_default=True, type=click.IntRange(1))
def main(output: Path | None, rounds: int) -> None:
    """Time the processes in turn and print the page."""
    if "PYTHONDONTWRITEBYTECODE" in os.environ:
        raise SystemExit("PYTHONDONTWRITEBYTECODE is set: every start would compile hybridseg, and not the others")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(phantom(1, shape=(470, 560)).image).save(folder / "scan.png")
        hybridseg = str(Path(sys.executable).with_name("hybridseg"))
        segment = [hybridseg, "segment", "scan.png", "--existing", "overwrite", "-m"]
        commands = {IMPORTS: [sys.executable, "-c", "import numpy, PIL, onnxruntime"]}
        for model in MODELS:
            target = f"{model}.onnx"
            if model == "otsu":  # `-m otsu` would run it in Python
                export = [hybridseg, "export", model, "-o", target]
                subprocess.run(export, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            commands[target if model == "otsu" else model] = [*segment, target]
        costs: dict[str, list[Cost]] = {what: [] for what in commands}
        for turn in range(rounds + 1):
            for what, command in commands.items():
                cost = measure(command, folder)
                if turn:  # the first round fills caches
                    costs[what].append(cost)
    page = table(costs, f"python benchmarks/speed/start.py --rounds {rounds}{f' -o {output}' if output else ''}")
    print(page)
    if output:
        output.write_text(page)


if __name__ == "__main__":
    main()
