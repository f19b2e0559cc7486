"""How surely fingerprints tell the images that a model learned from: stored again, resized, and strangers.

    python benchmarks/accuracy/fingerprints.py --data Dataset_BUSI_with_GT --data BUSBRA --data BUS-UCLM \\
        -o benchmarks/results/fingerprints.md

The first data set teaches, then the second, and so on. Its images, stored again, should be found among its
fingerprints; those of the other sets shouldn't. Nothing is learned from any of them, so data for testing may be named.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from PIL import Image

from hybridseg.data import load_dataset
from hybridseg.data.fingerprints import (
    EXACT_BYTES,
    MOST_DIFFERING_BITS,
    encode_fingerprints,
    fingerprint,
    is_among,
)

WAYS = ("as it is", "JPEG 90", "half the size", "half the size, JPEG 90")


@dataclass
class Set:
    """A data set's fingerprints by way of storing, each (N, 18), and the seconds that one took."""

    name: str
    prints: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


@click.command()
@click.option("--data", required=True, multiple=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: tuple[str, ...], output: Path) -> None:
    """Take, compare, write."""
    sets = [take(folder) for folder in data]
    lines = [
        "# Fingerprints: is an image one that taught the model?", "",
        f"An image is marked if its pixels are the same, or if at most {MOST_DIFFERING_BITS} of 96 bits differ from an "
        "image that taught. `hybridseg.data.fingerprints` says how they are made.", "",
        "## Copies: found among their own set's fingerprints", "",
        "| set | images | " + " | ".join(f"{way}: found, most bits" for way in WAYS) + " |",
        "|---|---:|" + "---:|" * len(WAYS),
    ]  # fmt: skip
    lines += [f"| {each.name} | {len(each.seconds)} | " + " | ".join(copies(each)) + " |" for each in sets]
    lines += [
        "",
        "## Strangers: marked among another set's fingerprints",
        "",
        "| taught by | examined on | images | marked | fewest bits |",
        "|---|---|---:|---:|---:|",
    ]
    lines += [strangers(teacher, other) for teacher in sets for other in sets if teacher is not other]
    every = np.concatenate([each.prints["as it is"] for each in sets])
    ms = 1e3 * float(np.median([second for each in sets for second in each.seconds]))
    lines += ["", f"The text of all {len(every)} fingerprints has {len(encode_fingerprints(every))} bytes. One takes "
              f"{ms:.1f} ms (median, with whatever else ran on the machine).", "",
              "Not found: a copy that is cropped, mirrored or turned. `hybridseg data pairs` finds cropped ones.", "",
              f"Command: `python benchmarks/accuracy/fingerprints.py {' '.join(['--data SET'] * len(data))} "
              "-o benchmarks/results/fingerprints.md`", ""]  # fmt: skip
    output.write_text("\n".join(lines))


def take(folder: str) -> Set:
    """Return a data set's fingerprints."""
    dataset = load_dataset(folder)
    found = Set(dataset.layout or dataset.name)
    rows: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    for case in dataset:
        for way, image in zip(WAYS, stored_again(case.image), strict=True):
            start = time.perf_counter()
            rows[way].append(fingerprint(image))
            if way == WAYS[0]:
                found.seconds.append(time.perf_counter() - start)
    found.prints = {way: np.array(each) for way, each in rows.items()}
    return found


def stored_again(image: np.ndarray) -> list[np.ndarray]:
    """Return an image as it is, as JPEG, at half its size, and as JPEG at half its size."""
    half = Image.fromarray(image).resize((max(1, image.shape[1] // 2), max(1, image.shape[0] // 2)))
    return [image, as_jpeg(Image.fromarray(image)), np.asarray(half), as_jpeg(half)]


def as_jpeg(picture: Image.Image) -> np.ndarray:
    """Return a picture's pixels after a JPEG file of quality 90."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return np.asarray(Image.open(stream))


def differing(prints: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the differing bits of each pair of fingerprints, (N, M)."""
    signs, other_signs = prints[:, EXACT_BYTES:], others[:, EXACT_BYTES:]
    return np.stack([np.bitwise_count(other_signs ^ each).sum(axis=1) for each in signs])


def copies(each: Set) -> list[str]:
    """Return, by way, how many copies are found, and the most bits in which one differs from its original."""
    learned = each.prints["as it is"]
    cells = []
    for prints in each.prints.values():
        found = sum(is_among(own, learned) for own in prints)
        bits = np.bitwise_count(prints[:, EXACT_BYTES:] ^ learned[:, EXACT_BYTES:]).sum(axis=1)
        cells.append(f"{found}, {bits.max()}")
    return cells


def strangers(teacher: Set, other: Set) -> str:
    """Return how many of a set's images are marked as another's, and the fewest bits between two."""
    learned, prints = teacher.prints["as it is"], other.prints["as it is"]
    marked = sum(is_among(own, learned) for own in prints)
    return f"| {teacher.name} | {other.name} | {len(prints)} | {marked} | {differing(prints, learned).min()} |"


if __name__ == "__main__":
    main()
