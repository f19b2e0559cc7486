"""A comparison of two runs as text, Markdown, CSV or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

from ...text import aligned, csv_text, escaped, markdown_table, shortened, wrapped
from ..verdicts.compare import MethodPair, RunComparison
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
    mm = ["mm A", "mm B"] if _in_mm(comparison) else []
    return [*names, f"{unit} A", f"{unit} B", "B - A [95 % CI]", "p (Holm)", "n", "ms A", "ms B", "FP A", "FP B", *mm]


def _in_mm(comparison: RunComparison) -> bool:
    return any(pair.hd95_mm_images for pair in comparison.pairs)


def _numbers(pair: MethodPair, in_mm: bool) -> list[str]:
    return [
        f"{pair.mean_a:.3f}",
        f"{pair.mean_b:.3f}",
        f"{pair.difference:+.3f} [{pair.low:+.3f}, {pair.high:+.3f}]",
        "< 0.001" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}",
        f"{pair.cases}/{pair.scenes}",
        *("-" if ms is None else f"{ms:.1f}" for ms in (pair.ms_a, pair.ms_b)),
        *(f"{count}/{pair.lesion_free}" for count in (pair.false_positives_a, pair.false_positives_b)),
        *("-" if mm is None else f"{mm:.2f}" for mm in (pair.hd95_mm_a, pair.hd95_mm_b) if in_mm),
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
        mm = _in_mm(comparison)
        width, columns = _NAME_WIDTH - (10 if mm else 0), None
        if not namesakes:  # two names leave less room
            width, columns = _NAME_WIDTH // 2, -4 if mm else -2
        lines = [_header(comparison), *_rows(comparison, width)]
        header, *rows = [line[:columns] for line in lines]
        blocks.append(aligned(header, rows, numbers=True))
    blocks.append("\n".join(map(wrapped, _words(comparison))))
    legend = _legend(comparison) if _namesakes(comparison) else _LEGEND.partition(" FP:")[0]
    blocks.append("\n".join(map(wrapped, [legend, *comparison.notes])))
    return "\n\n".join(blocks)


_LEGEND = (
    "n: lesion images in both / their scenes. ms: median time per image. "
    "FP: lesion-free images with a predicted pixel."
)


def _legend(comparison: RunComparison) -> str:
    return f"{_LEGEND} mm: mean HD95 where both runs know it." if _in_mm(comparison) else _LEGEND


def _markdown(comparison: RunComparison) -> str:
    lines = [f"{escaped(line)}  " for line in _title(comparison)]
    if comparison.pairs:
        lines += ["", *markdown_table(_header(comparison), _rows(comparison, None))]
    lines += ["", *(f"- {escaped(line)}" for line in _words(comparison)), ""]
    return "\n".join([*lines, *(f"{escaped(note)}  " for note in (_legend(comparison), *comparison.notes))])


def _csv(comparison: RunComparison) -> str:
    rows = (list(asdict(pair).values()) for pair in comparison.pairs)
    return csv_text([field.name for field in fields(MethodPair)], rows)


def _json(comparison: RunComparison) -> str:
    return json.dumps(asdict(comparison), indent=1, ensure_ascii=False, allow_nan=False)
