"""The page for a browser: its size, how soon it is ready, and what a picture takes there and natively.

    HYBRIDSEG_CHROMIUM=$(which chromium) python benchmarks/speed/page_speed.py

Needs Node, and `npm ci` in hybridseg/page/web. Pictures are phantoms of 470 rows by 560 columns, as in the cards: time
depends on size alone. Browser and onnxruntime run one after the other on the same machine, on one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

import hybridseg
from hybridseg.data.phantoms import phantom
from hybridseg.page import MODELS, write_page
from hybridseg.processes.machine import describe_machine

WEB = Path(__file__).resolve().parents[2] / "hybridseg" / "page" / "web"
SHAPE = (470, 560)


def visit(page: Path, pictures: list[Path], folder: Path) -> list[Any]:
    """Return the clock at the start, when the page is there and at the first outline; then times a picture by model."""
    looks = [step for i in range(len(pictures)) for step in ({"do": "show", "number": i + 1}, took())]
    count = len(pictures)
    steps = [
        {"do": "clock"}, {"do": "open"}, {"do": "clock"},
        {"do": "drop", "files": [str(pictures[0])]}, {"do": "settle", "count": 1}, {"do": "clock"},
        {"do": "drop", "files": [str(path) for path in pictures[1:]]}, {"do": "settle", "count": count}, *looks,
        {"do": "set", "selector": "#model", "value": MODELS[1]}, {"do": "settle", "count": count}, *looks,
    ]  # fmt: skip
    chromium = os.environ.get("HYBRIDSEG_CHROMIUM")
    if not chromium:
        raise SystemExit("set HYBRIDSEG_CHROMIUM to a Chromium")
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"chromium": chromium, "downloads": str(folder), "steps": steps}))
    done = subprocess.run(["node", WEB / "test" / "drive.mjs", page, plan], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    times = [float(each.split()[1]) for step, each in zip(steps, found, strict=True) if step == took()]
    return [found[0], found[2], found[5], times[:count], times[count:]]


def took() -> dict[str, Any]:
    """The step that reads how long a model took."""
    return {"do": "text", "selector": "#took", "wait": True}


def natively(name: str, pictures: list[Path]) -> float:
    """Return the median of milliseconds a picture, the first left out."""
    model, times = hybridseg.load(f"{name}.onnx"), []
    for path in pictures:
        image = hybridseg.read_image(path)
        start = time.perf_counter()
        model.predict(image)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def main() -> None:
    """Print the page's lines of a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=20)
    count = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pictures = [folder / f"{seed}.png" for seed in range(count)]
        for seed, path in enumerate(pictures):
            Image.fromarray(phantom(seed, shape=SHAPE).image).save(path)
        size = write_page(folder / "page.html")
        start, ready, outlined, *times = visit(folder / "page.html", pictures, folder)
        print(f"{describe_machine()['cpu']}; {count} phantoms of {SHAPE[0]} x {SHAPE[1]}, medians, one thread;")
        print(f"load average while it ran: {os.getloadavg()[1]:.1f}.\n")
        print(f"Size {size / 1e6:.1f} MB. Opened in {ready - start} ms. From the first drop to its outline by")
        print(f"`{MODELS[0]}` {outlined - ready} ms, in which the runtime and the model are unpacked.\n")
        print("| model | browser, ms | onnxruntime in Python, ms | ratio |\n|---|---:|---:|---:|")
        for name, values in zip(MODELS, times, strict=True):
            browser, native = statistics.median(values[1:]), natively(name, pictures)
            print(f"| `{name}` | {browser:.0f} | {native:.0f} | {browser / native:.1f} |")


if __name__ == "__main__":
    main()
