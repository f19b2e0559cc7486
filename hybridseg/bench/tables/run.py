"""A run's summary as a table: text for terminals and pipes, Markdown, CSV, JSON."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from ...files import write_atomically
from ...metrics import CaseMetric, case_metrics
from ...text import aligned, csv_text, escaped, interval_text, markdown_table, shortened, wrapped
from ..verdicts.methods import MethodSummary, RunSummary, SetScores
from ..verdicts.origin import in_words
from ..verdicts.pairing import Comparison
from .sets import MethodColumn, set_tables

FORMATS = ("text", "md", "csv", "json")
FILES = {"text": "table.txt", "md": "table.md", "csv": "table.csv", "json": "table.json"}
_NAME_WIDTH = 27
_COMPARED_NAME_WIDTH = 14


def render(summary: RunSummary, form: str) -> str:
    """Return the tables of a run in one of `FORMATS`; what isn't UTF-8 in a name is written as ``\\udcff``.

    Raises
    ------
    ValueError
        If ``form`` is another.
    """
    writers = {"text": _text, "md": _markdown, "csv": _csv, "json": _json}
    if form not in writers:
        raise ValueError(f"`form` must be one of {', '.join(FORMATS)}, got `{form}`")
    return writers[form](summary).encode(errors="backslashreplace").decode()


def write_tables(summary: RunSummary, folder: str | os.PathLike[str]) -> None:
    """Write the tables in every format into a run folder."""
    for form, name in FILES.items():
        write_atomically(Path(folder, name), (render(summary, form) + "\n").encode())


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


_ACCURACY: tuple[MethodColumn, ...] = (
    ("IoU [95 % CI]", lambda m: interval_text(m.iou, m.iou_low, m.iou_high)),
    ("F1 [95 % CI]", lambda m: interval_text(m.f1, m.f1_low, m.f1_high)),
    ("scene IoU", lambda m: _number(m.scene_iou)),
    ("scene F1", lambda m: _number(m.scene_f1)),
    ("scenes", lambda m: str(m.scenes)),
)
_POOLED: MethodColumn = ("pooled IoU", lambda m: _number(m.pooled_iou))
_MISSES: tuple[MethodColumn, ...] = (
    ("missed %", lambda m: _percent(m.missed)),
    ("failed", lambda m: str(m.failed)),
)
_LESION_FREE: tuple[MethodColumn, ...] = (
    ("lesion-free images", lambda m: str(m.lesion_free_images)),
    ("with a mask %", lambda m: _percent(m.false_positive_rate)),
    ("area of the image %", lambda m: _percent(m.false_positive_area)),
)
_ALL_IMAGES: tuple[MethodColumn, ...] = (
    ("all images IoU", lambda m: _number(m.all_iou)),
    ("all images F1", lambda m: _number(m.all_f1)),
)
_LESIONS: tuple[MethodColumn, ...] = (
    ("lesions", lambda m: _count(m.lesions)),
    ("found", lambda m: _count(m.lesions_found)),
    ("false regions", lambda m: _count(m.false_regions)),
    ("lesion F1 [95 % CI]", lambda m: interval_text(m.lesion_f1, m.lesion_f1_low, m.lesion_f1_high)),
)
_COST: tuple[MethodColumn, ...] = (
    ("ms median", lambda m: _number(m.ms_median, 1)),
    ("ms p95", lambda m: _number(m.ms_p95, 1)),
    ("cold s", lambda m: _number(None if m.cold_ms is None else m.cold_ms / 1e3, 2)),
    ("peak MiB", lambda m: _number(m.peak_mib, 0)),
    ("file MB", lambda m: _number(None if m.saved_bytes is None else m.saved_bytes / 1e6, 3)),
    ("threads", lambda m: "-" if m.threads is None else str(m.threads)),
    ("fit s", lambda m: _number(m.fit_seconds, 1)),
)


def _lesions(methods: Sequence[MethodSummary]) -> tuple[MethodColumn, ...]:
    """Return columns for single lesions; none where no row tells."""
    return _LESIONS if any(method.lesions is not None for method in methods) else ()


def _learned_from(methods: Sequence[MethodSummary]) -> tuple[MethodColumn, ...]:
    """Return the column of those that were trained on these images; none where there is none."""
    column: MethodColumn = ("learned from", lambda m: in_words(m.seen, m.cases) if m.seen else "-")
    return (column,) if any(method.seen for method in methods) else ()


def _scored_on(methods: Sequence[MethodSummary]) -> tuple[MethodColumn, ...]:
    """Return the column of what each was scored on; none where that is the same for all."""
    return (("scored on", lambda m: m.scored_on),) if any(method.other_cases for method in methods) else ()


def _lesion_free(methods: Sequence[MethodSummary]) -> tuple[MethodColumn, ...]:
    """Return columns for lesion-free images and for means that hold them; none where there is nothing to tell."""
    free = _LESION_FREE if any(method.lesion_free_images for method in methods) else ()
    return (*free, *(_ALL_IMAGES if any(method.all_iou is not None for method in methods) else ()))


def _detail(methods: Sequence[MethodSummary]) -> tuple[MethodColumn, ...]:
    """Return columns of the metrics that any method has, and of misses."""
    known = [each for each in case_metrics().values() if any(m.metrics[each.name].images for m in methods)]
    return (_POOLED, *map(_metric_column, known), *_MISSES)


def _metric_column(metric: CaseMetric) -> MethodColumn:
    """Return a metric's mean, with the number of images behind it where not all have a value."""

    def entry(method: MethodSummary) -> str:
        mean = method.metrics[metric.name]
        counted = "" if metric.missing is not None or mean.value is None else f" ({mean.images})"
        return f"{_number(mean.value, metric.shown_places)}{counted}"

    return metric.heading if metric.missing is not None else f"{metric.heading} (n)", entry


def _scaling(methods: Sequence[MethodSummary]) -> tuple[MethodColumn, ...]:
    """Return columns for other numbers of threads and for networks; none where there is nothing to tell."""
    swept = sorted({entry["threads"] for method in methods for entry in method.sweep} - {m.threads for m in methods})
    columns: list[MethodColumn] = [
        (f"ms, {count} threads", functools.partial(_ms_with, threads=count)) for count in swept
    ]
    if any(method.multiply_adds for method in methods):
        columns.append(("parameters M", lambda m: _number(None if m.parameters is None else m.parameters / 1e6, 2)))
        columns.append(
            ("multiply-adds G", lambda m: _number(None if m.multiply_adds is None else m.multiply_adds / 1e9, 2))
        )
    return tuple(columns)


def _ms_with(method: MethodSummary, threads: int) -> str:
    found = [entry["warm_ms_median"] for entry in method.sweep if entry["threads"] == threads]
    return _number(found[0] if found else None, 1)


def _tables(methods: Sequence[MethodSummary]) -> tuple[tuple[MethodColumn, ...], ...]:
    """Return the tables' columns: on the one data set, or on each of several."""
    if any(method.sets for method in methods):
        first, *others = set_tables(methods)
        return ((*first, *_learned_from(methods)), *others, _lesions(methods), _COST, _scaling(methods))
    accuracy = (*_ACCURACY, *_learned_from(methods))
    return (accuracy, _detail(methods), _lesions(methods), _lesion_free(methods), _COST, _scaling(methods))


def _text(summary: RunSummary) -> str:
    methods = summary.methods
    names = shortened([method.marked for method in methods], _NAME_WIDTH)
    blocks = [
        aligned(
            ["method", *(title for title, _ in columns)],
            [[name, *(entry(method) for _, entry in columns)] for name, method in zip(names, methods, strict=True)],
            numbers=True,
        )
        for columns in _tables(methods)
        if columns
    ]
    blocks += ["\n".join(wrapped(note) for note in summary.notes)]
    if summary.comparisons:
        every = [method.method for method in summary.methods]
        short = dict(zip(every, shortened(every, _COMPARED_NAME_WIDTH), strict=True))
        rows = [[short[c.first], short[c.second], *_comparison(c)] for c in summary.comparisons]
        blocks.append(aligned(_COMPARED, rows))
        blocks.append(wrapped(summary.test))
    if summary.ceilings:
        blocks.append(aligned(_CEILING, _ceilings(summary)))
    return "\n\n".join([wrapped(summary.title), *blocks])


_COMPARED = ("method", "against", "IoU difference [95 % CI]", "scenes", "p (Holm)", "verdict")


_CEILING = (
    "second reader", "method", "images read", "scenes", "reader IoU", "method IoU", "reader minus method [95 % CI]",
)  # fmt: skip


def _ceilings(summary: RunSummary) -> list[list[str]]:
    return [
        [
            each.reader, each.method, str(each.images), str(each.scenes), f"{each.reader_iou:.3f}",
            f"{each.method_iou:.3f}", interval_text(each.difference, each.low, each.high, sign="+"),
        ]
        for each in summary.ceilings
    ]  # fmt: skip


def _comparison(c: Comparison) -> list[str]:
    p = "< 0.001" if c.p_holm < 0.001 else f"{c.p_holm:.3f}"
    verdict = "no detectable difference"
    if c.better:
        verdict = "better" if c.better == c.first else "worse"
    return [interval_text(c.difference, c.low, c.high, sign="+"), str(c.scenes), p, verdict]


def _markdown(summary: RunSummary) -> str:
    lines = [f"**{escaped(summary.title)}**"]
    methods = summary.methods
    main = (*_scored_on(methods), *_ACCURACY, *_learned_from(methods), *_detail(methods), *_COST, *_scaling(methods))
    tables: tuple[tuple[MethodColumn, ...], ...] = (main, _lesions(summary.methods), _lesion_free(summary.methods))
    if any(method.sets for method in summary.methods):
        tables = _tables(summary.methods)
    for columns in tables:
        if columns:
            header = ["method", *(title for title, _ in columns)]
            rows = [[method.marked, *(entry(method) for _, entry in columns)] for method in summary.methods]
            lines += ["", *markdown_table(header, rows)]
    lines += ["", *(f"{escaped(note)}  " for note in summary.notes)]
    if summary.comparisons:
        rows = [[c.first, c.second, *_comparison(c)] for c in summary.comparisons]
        lines += ["", *markdown_table(list(_COMPARED), rows), "", escaped(summary.test)]
    if summary.ceilings:
        lines += ["", *markdown_table(list(_CEILING), _ceilings(summary))]
    return "\n".join(lines)


def _csv(summary: RunSummary) -> str:
    names = list(dict.fromkeys(each.tested_on for method in summary.methods for each in method.sets))
    of_set = [field.name for field in fields(SetScores) if field.name != "tested_on"]
    apart = ("trained_on", "sets", "metrics", "is_reader")
    columns = [field.name for field in fields(MethodSummary) if field.name not in apart]
    rows = []
    for method in summary.methods:
        values = asdict(method)
        values["sweep"] = json.dumps(values["sweep"]) if values["sweep"] else ""
        row = [*(values[column] for column in columns), *_metric_values(method).values()]
        if names:
            worst = method.worst_set
            found = {each.tested_on: asdict(each) for each in method.sets}
            row += [method.trained_on, worst.tested_on if worst else ""]
            row += [found.get(name, {}).get(column) for name in names for column in of_set]
        rows.append(row)
    more = ["training", "worst_set", *(f"{name} {column}" for name in names for column in of_set)] if names else []
    return csv_text([*columns, *_metric_values(summary.methods[0]), *more], rows)


def _metric_values(method: MethodSummary) -> dict[str, float | int | None]:
    """Return each metric's mean by its column, and the number of images behind it where some have no value."""
    values: dict[str, float | int | None] = {}
    for name, metric in case_metrics().items():
        values[name] = method.metrics[name].value
        if metric.missing is None:
            values[metric.images_column] = method.metrics[name].images
    return values


def _json(summary: RunSummary) -> str:
    content = asdict(summary)
    content["methods"] = [{**asdict(method), **_metric_values(method)} for method in summary.methods]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
