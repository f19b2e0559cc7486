"""How well near-duplicates are found: against a list of known pairs, and against the published folds.

    python benchmarks/accuracy/near_duplicates.py --data Dataset_BUSI_with_GT --known busi_near_duplicate_pairs.csv \\
        -o benchmarks/results/near_duplicates.md --sheet pairs.png

The list has columns ``image_a,image_b``. A pair that isn't on it counts as known where the list's pairs join it
indirectly; whatever is left goes on the contact sheet, to be judged by eye. Run it when nothing else runs: it times.
"""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from hybridseg.data import load_dataset
from hybridseg.data.duplicates import LEAST_SPECKLE_CORRELATION, Pair, contact_sheet, find_pairs, group_cases
from hybridseg.data.splits import busi_split
from hybridseg.processes.machine import describe_machine


@click.command()
@click.option("--data", required=True)
@click.option("--known", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--sheet", type=click.Path(path_type=Path), help="Write the pairs that the list doesn't know here.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: str, known: Path, sheet: Path | None, output: Path) -> None:
    """Search twice, the second time from the cache, and compare."""
    dataset = load_dataset(data).select(busi_split().case_ids)
    with tempfile.TemporaryDirectory() as cache:
        start = time.monotonic()
        pairs = find_pairs(dataset, cache_dir=cache)
        first = time.monotonic() - start
        start = time.monotonic()
        assert find_pairs(dataset, cache_dir=cache) == pairs
        again = time.monotonic() - start
    with known.open() as stream:
        listed = [(row["image_a"], row["image_b"]) for row in csv.DictReader(stream)]
    joined = group_cases(dataset, [Pair(a, b, 1.0, None, 1.0, 0) for a, b in listed])
    found = {frozenset((pair.case_a, pair.case_b)) for pair in pairs}
    recalled = sum(frozenset(pair) in found for pair in listed)
    unknown = [pair for pair in pairs if joined[pair.case_a] != joined[pair.case_b]]
    if sheet is not None:
        contact_sheet(dataset, unknown, sheet)
    fold = {case_id: number for number, each in enumerate(busi_split().folds) for case_id in each.test}
    crossing = [pair for pair in pairs if fold[pair.case_a] != fold[pair.case_b]]
    groups = group_cases(dataset, pairs)
    label = {case.case_id: case.label for case in dataset}
    outlines = [pair.mask_iou for pair in pairs if pair.mask_iou is not None]
    scores = np.array([pair.score for pair in pairs])
    machine = describe_machine()
    output.write_text(
        "\n".join(
            [
                "# Near-duplicates in BUSI's development part",
                "",
                f"In {len(dataset)} images {len(pairs)} pairs were found, which leaves "
                f"{len(set(groups.values()))} scenes.",
                "",
                "| | |",
                "|---|---|",
                f"| known pairs found | {recalled} of {len(listed)} ({recalled / len(listed):.1%}) |",
                f"| pairs found that the list doesn't know, even indirectly | {len(unknown)} |",
                f"| pairs under two labels | {sum(label[p.case_a] != label[p.case_b] for p in pairs)} |",
                f"| pairs across the published folds | {len(crossing)} |",
                f"| speckle correlation of the pairs: smallest, median | {scores.min():.2f}, {np.median(scores):.2f} |",
                f"| accepted from | {LEAST_SPECKLE_CORRELATION} |",
                f"| outlines of one frame, drawn twice: IoU mean, median of {len(outlines)} | "
                f"{np.mean(outlines):.3f}, {np.median(outlines):.3f} |",
                f"| seconds, first time | {first:.0f} |",
                f"| seconds, nothing changed | {again:.1f} |",
                "",
                *(f"- not on the list: {p.case_a} ~ {p.case_b}, {p.score:.2f}" for p in unknown),
                f"Machine: {machine['cpu']}, {machine['usable_cores']} cores, {machine['system']}. Command: "
                "`python benchmarks/accuracy/near_duplicates.py --data Dataset_BUSI_with_GT --known "
                "busi_near_duplicate_pairs.csv -o benchmarks/results/near_duplicates.md --sheet pairs.png`",
                "",
            ]
        )
    )
    print(output.read_text())


if __name__ == "__main__":
    main()
