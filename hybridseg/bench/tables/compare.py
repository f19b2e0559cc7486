"""A comparison of two runs as text, Markdown, CSV or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from ...metrics import CaseMetric
from ...text import aligned, csv_text, escaped, interval_text, markdown_table, shortened, wrapped
from ..verdicts.compare import MethodPair, RunComparison, SharedMeans, metrics_in_mm
from ..verdicts.origin import mark
from ..verdicts.pairing import rankings

_NAME_WIDTH = 20


def render_comparison(comparison: RunComparison, form: str) -> str:
    """Return a comparison in one of ``text``, ``md``, ``csv``, ``json``.

    Raises
    ------
    ValueError
        If ``form`` is another.
    """
    writers = {"text": _text, "md": _markdown, "csv": _csv, "json": _json}
    if form not in writers:
        raise ValueError(f"`form` must be one of {', '.join(writers)}, got `{form}`")
    return writers[form](comparison)


def _namesakes(comparison: RunComparison) -> bool:
    return all(pair.method_a == pair.method_b for pair in comparison.pairs)


def _header(comparison: RunComparison) -> list[str]:
    unit = rankings()[comparison.metric][0]
    names = ["method"] if _namesakes(comparison) else ["A", "B"]
    in_mm = _in_mm(comparison)
    mm = [f"{'mm' if len(in_mm) == 1 else each.heading} {side}" for each in in_mm for side in "AB"]
    return [*names, f"{unit} A", f"{unit} B", "B - A [95 % CI]", "p (Holm)", "n", "ms A", "ms B", "FP A", "FP B", *mm]


def _in_mm(comparison: RunComparison) -> list[CaseMetric]:
    """Return the metrics in mm that some pair has."""
    known = {name for pair in comparison.pairs for name, means in pair.in_mm.items() if means.images}
    return [metric for metric in metrics_in_mm() if metric.name in known]


def _numbers(pair: MethodPair, in_mm: list[CaseMetric]) -> list[str]:
    means = [(pair.in_mm[each.name], each.shown_places) for each in in_mm]
    return [
        f"{pair.mean_a:.3f}",
        f"{pair.mean_b:.3f}",
        interval_text(pair.difference, pair.low, pair.high, sign="+"),
        "< 0.001" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}",
        f"{pair.cases}/{pair.scenes}",
        *("-" if ms is None else f"{ms:.1f}" for ms in (pair.ms_a, pair.ms_b)),
        *(f"{count}/{pair.lesion_free}" for count in (pair.false_positives_a, pair.false_positives_b)),
        *("-" if mm is None else f"{mm:.{places}f}" for each, places in means for mm in (each.a, each.b)),
    ]


def _rows(comparison: RunComparison, width: int | None) -> list[list[str]]:
    names = list(dict.fromkeys(name for pair in comparison.pairs for name in (pair.method_a, pair.method_b)))
    marked = [mark(name, None if name in comparison.not_known else 0) for name in names]
    short = dict(zip(names, shortened(marked, width) if width else marked, strict=True))
    rows = []
    for pair in comparison.pairs:
        first = [short[pair.method_a]] if _namesakes(comparison) else [short[pair.method_a], short[pair.method_b]]
        rows.append([*first, *_numbers(pair, _in_mm(comparison))])
    return rows


def _title(comparison: RunComparison) -> list[str]:
    return [f"A: {comparison.run_a}", f"B: {comparison.run_b}"]


def _words(comparison: RunComparison) -> list[str]:
    lines = [pair.words for pair in comparison.pairs]
    if not lines:
        lines.append("No pair of methods has a lesion image in common.")
    for letter, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            lines.append(f"Only in {letter}: {', '.join(names)}.")
    return lines


def _text(comparison: RunComparison) -> str:
    blocks = ["\n".join(_title(comparison))]
    if comparison.pairs:
        namesakes = _namesakes(comparison)
        mm = 2 * len(_in_mm(comparison))  # columns
        width, columns = _NAME_WIDTH - (10 if mm else 0), None
        if not namesakes:  # two names leave less room
            width, columns = _NAME_WIDTH // 2, -2 - mm
        lines = [_header(comparison), *_rows(comparison, width)]
        header, *rows = [line[:columns] for line in lines]
        blocks.append(aligned(header, rows, numbers=True))
    blocks.append("\n".join(map(wrapped, _words(comparison))))
    legend = _legend(comparison) if _namesakes(comparison) else _LEGEND.partition(" FP:")[0]
    blocks.append("\n".join(map(wrapped, [legend, *comparison.notes])))
    return "\n\n".join(blocks)


_LEGEND = (
    "n: lesion images in both / their scenes. ms: median time per image. FP: lesion-free images with a predicted pixel."
)


def _legend(comparison: RunComparison) -> str:
    in_mm = _in_mm(comparison)
    titles = " and ".join(each.title for each in in_mm)
    return f"{_LEGEND} mm: mean {titles} where both runs know it." if in_mm else _LEGEND


def _markdown(comparison: RunComparison) -> str:
    lines = [f"{escaped(line)}  " for line in _title(comparison)]
    if comparison.pairs:
        lines += ["", *markdown_table(_header(comparison), _rows(comparison, None))]
    lines += ["", *(f"- {escaped(line)}" for line in _words(comparison)), ""]
    return "\n".join([*lines, *(f"{escaped(note)}  " for note in (_legend(comparison), *comparison.notes))])


def _csv(comparison: RunComparison) -> str:
    columns = [each.name for each in fields(MethodPair) if each.name != "in_mm"]
    in_mm = [f"{metric.name}_{each.name}" for metric in metrics_in_mm() for each in fields(SharedMeans)]
    return csv_text([*columns, *in_mm], (list(_values(pair).values()) for pair in comparison.pairs))


def _json(comparison: RunComparison) -> str:
    content = {**asdict(comparison), "pairs": [_values(pair) for pair in comparison.pairs]}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _values(pair: MethodPair) -> dict[str, Any]:
    """Return a pair's values by column, those of metrics in mm after the others."""
    values = asdict(pair)
    in_mm = values.pop("in_mm")
    return {**values, **{f"{name}_{part}": value for name, means in in_mm.items() for part, value in means.items()}}
