"""The chapter on accuracy against time and size."""

from __future__ import annotations

from dataclasses import asdict

from ...metrics import Estimate
from ..records.costs import time_note, timed_on
from ..verdicts.methods import MethodSummary
from .accuracy import ceiling_note
from .document import Entry, Figure, ReportTable, Section, Text, count, number
from .facts import RunFacts
from .figures import Point, scatter

_NOT_MEASURED = (
    "Cost was not measured in this run, so there is no plot. Times are the run's own, beside whatever else it did. "
    "Memory and size are not known."
)
_NO_TIMES = "There are masks only, made elsewhere: nothing is known of their cost."


def price(facts: RunFacts) -> Section:
    """Return plots of accuracy against time and size, and the table of costs."""
    places = timed_on([(each.method, asdict(each)) for each in facts.methods], facts.cpus)
    measured = [each for each in facts.methods if each.threads is not None and each.ms_median]
    texts = []
    if not measured:
        texts.append(Text(_NOT_MEASURED if places else _NO_TIMES))
    else:
        others = [each.method for each in facts.methods if each not in measured]
        if others:
            texts.append(Text(f"Cost was not measured, so not in the plots: {', '.join(others)}."))
    if places:
        doubtful = len(places) > 1 or "MIXED" in next(iter(places))
        texts.append(Text(f"Times: {time_note(places)}", "warning" if doubtful else "p"))
    alike = len(timed_on([(each.method, asdict(each)) for each in measured], facts.cpus)) == 1
    figures = []
    for unit, cost_of, what in (
        ("ms per image", _milliseconds, "time (median, warm)"),
        ("MB", _megabytes, "size of the saved method"),
    ):
        plotted = [(each, cost_of(each)) for each in measured if each.iou is not None and cost_of(each)]
        if plotted:
            line = alike or unit == "MB"
            caption = f"IoU against {what}; further up and left is better." + (
                " Orange, joined by a line: methods that no other beats in both." if line else
                " No line is drawn: these times don't compare."
            )  # fmt: skip
            plot = scatter(_points(facts, plotted, line), unit, facts.ceilings())
            figures.append(Figure(plot, caption + ceiling_note(facts)))
    return Section("Accuracy against cost", "cost", tuple(texts), tuple(figures), tuple(_tables(facts)))


def _milliseconds(method: MethodSummary) -> float | None:
    return method.ms_median


def _megabytes(method: MethodSummary) -> float | None:
    return None if method.saved_bytes is None else method.saved_bytes / 1e6


def _points(facts: RunFacts, plotted: list[tuple[MethodSummary, float | None]], line: bool) -> list[Point]:
    known = [(method, cost or 0.0, method.iou or 0.0) for method, cost in plotted]
    ranked = [(cost, iou) for method, cost, iou in known if method.is_ranked]
    return [
        Point(
            facts.short[method.method],
            cost,
            Estimate(iou, method.iou_low or 0.0, method.iou_high or 0.0),
            line and method.is_ranked and not any(c <= cost and i >= iou and (c, i) != (cost, iou) for c, i in ranked),
        )
        for method, cost, iou in known
    ]


def _tables(facts: RunFacts) -> list[ReportTable]:
    rows: list[tuple[Entry, ...]] = [
        (
            Entry(method.marked),
            number(method.ms_median, 1),
            number(method.ms_p95, 1),
            Entry("-") if method.threads is None else count(method.threads),
            number(None if method.cold_ms is None else method.cold_ms / 1e3, 2),
            number(method.peak_mib, 0),
            number(_megabytes(method), 3),
            number(method.fit_seconds, 1),
        )
        for method in facts.methods
    ]
    header: tuple[str, ...] = ("method", "ms", "ms p95", "threads", "cold start s", "peak MiB", "file MB", "fit s")
    title = "Time per image (median, 95th percentile) from decoded pixels to mask, and cost."
    tables = [ReportTable(title, header, tuple(rows))]
    swept = sorted({entry["threads"] for method in facts.methods for entry in method.sweep})
    networks = any(method.multiply_adds for method in facts.methods)
    if len(swept) > 1 or networks:
        rows = [(Entry(method.marked), *_scaling(method, swept)) for method in facts.methods]
        header = ("method", *(f"ms, threads: {threads}" for threads in swept), "parameters M", "multiply-adds G")
        tables.append(ReportTable("By number of threads, and the network inside.", header, tuple(rows)))
    return tables


def _scaling(method: MethodSummary, swept: list[int]) -> list[Entry]:
    by_threads = {entry["threads"]: entry["warm_ms_median"] for entry in method.sweep}
    return [
        *(number(by_threads.get(threads), 1) for threads in swept),
        number(None if method.parameters is None else method.parameters / 1e6, 2),
        number(None if method.multiply_adds is None else method.multiply_adds / 1e9, 2),
    ]
