"""What goes wrong where a method goes wrong: lesion images sorted by cause, from the counts of each case.

    python benchmarks/accuracy/failures.py benchmarks/results/busi_5fold_cases.csv

Prints a Markdown table. The file is a run's ``cases.csv``. A lesion image counts once:

- good: IoU of at least 0.5;
- missed: nothing is predicted;
- wrong place: most of the prediction lies outside the lesion, and most of the lesion outside the prediction;
- too large, too small: the rest, by whether the prediction has more pixels than the lesion.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import click

from hybridseg.metrics import Counts, iou, precision, recall
from hybridseg.text import markdown_table

CAUSES = ("good", "too large", "too small", "wrong place", "missed")


@click.command()
@click.argument("cases", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(cases: Path) -> None:
    """Sort every method's lesion images."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: {cause: [] for cause in CAUSES})
    with cases.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            counts = Counts(*(int(row[name]) for name in ("tp", "fp", "fn", "tn")))
            if counts.tp + counts.fn:
                scores[row["method"]][cause_of(counts)].append(iou(counts))
    rows = []
    for method, found in scores.items():
        total = sum(map(len, found.values()))
        rows.append([method, str(total), *(_cell(found[cause], total) for cause in CAUSES)])
    print("Lesion images by what went wrong: share, and mean IoU of those.\n")
    print("\n".join(markdown_table(["method", "images", *CAUSES], rows)))


def cause_of(counts: Counts) -> str:
    """Return one of `CAUSES` for an image with a lesion."""
    if iou(counts) >= 0.5:
        return "good"
    if counts.tp + counts.fp == 0:
        return "missed"
    if max(precision(counts), recall(counts)) < 0.5:
        return "wrong place"
    return "too large" if counts.fp > counts.fn else "too small"


def _cell(scores: list[float], total: int) -> str:
    return f"{100 * len(scores) / total:.1f} % ({sum(scores) / len(scores):.2f})" if scores else "0"


if __name__ == "__main__":
    main()
