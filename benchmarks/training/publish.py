"""Fill what `hybridseg recommend` knows without a run: ``hybridseg/zoo/published``.

    python benchmarks/training/publish.py

Counts of the models that ship come from ``benchmarks/results/counts/<model>-<hospital>.csv``, their costs from their
cards. Counts of the classical methods' exported files come from ``busi_fold0_cases.csv``, their costs from
``classical_cost.md``. Run it whenever one of these has changed; a test compares.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybridseg.bench.records.published import COSTS, COUNTS
from hybridseg.text import csv_text
from hybridseg.zoo.cards import PUBLISHED, cards

RESULTS = Path(__file__).resolve().parents[1] / "results"
CLASSICAL = ("otsu", "watershed", "random-forest")
COLUMNS = ("method", "set", "case_id", "group", "label", "tp", "fp", "fn", "tn")
KEPT = ("cold_ms", "warm_ms_median", "warm_ms_p95", "cores_used", "peak_mib", "saved_bytes", "threads")


def published() -> dict[str, str]:
    """Return the content of each file."""
    costs: dict[str, dict[str, Any]] = {}
    rows: list[list[str]] = []
    for card in cards():
        one_thread = card["cost"]["threads_1"]
        costs[card["file"]] = {"cpu": card["machine"]["cpu"], "sha256": card["sha256"],
                               **{name: one_thread[name] for name in KEPT}}  # fmt: skip
        for hospital in card["hospitals"]:
            for line in _lines(RESULTS / "counts" / f"{card['name']}-{hospital}.csv"):
                rows.append([card["file"], hospital, *(line[name] for name in COLUMNS[2:])])
    costs |= dict(_classical_costs())
    for line in _lines(RESULTS / "busi_fold0_cases.csv"):
        if line["method"].removesuffix(".onnx") in CLASSICAL and line["method"].endswith(".onnx"):
            rows.append([line["method"], "BUSI", *(line[name] for name in COLUMNS[2:])])
    return {COUNTS: csv_text(COLUMNS, rows) + "\n", COSTS: json.dumps(costs, indent=1) + "\n"}


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _classical_costs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each exported file's cost from the columns of the page that tells them."""
    text = (RESULTS / "classical_cost.md").read_text("utf-8")
    cpu = text.partition("BUSI's fold 0. ")[2].partition(".\n")[0]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in CLASSICAL:
            ms, p95, mib, mb, share = map(float, cells[6:11])
            yield f"{cells[0]}.onnx", {
                "cpu": cpu, "warm_ms_median": ms, "warm_ms_p95": p95, "cores_used": share, "peak_mib": mib,
                "saved_bytes": round(mb * 1e6), "threads": 1,
            }  # fmt: skip


if __name__ == "__main__":
    PUBLISHED.mkdir(exist_ok=True)
    for name, content in published().items():
        (PUBLISHED / name).write_text(content, "utf-8")
