"""A table for a paper, as LaTeX: chosen columns, the best in bold, a star where one differs from a reference."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ...metrics import CaseMetric, case_metrics
from ...text import counted, escaped
from ...version import __version__
from ..verdicts.methods import MethodSummary, SetScores
from ..verdicts.origin import NOT_KNOWN_NOTE, OTHER_CASES, SEEN, in_words
from ..verdicts.pairing import SIGNIFICANT, differences, lesion_scores, rankings
from .document import Entry, count, number, percent
from .facts import RunFacts
from .latex import escape
from .paths import hide_paths

DEFAULT_COLUMNS = ("iou", "f1", "missed", "false_alarms", "ms", "mb")


@dataclass(frozen=True)
class Column:
    """A column by name: its heading, a method's entry, and whether the largest or the smallest is best; None: neither.

    ``metric`` names what methods are tested by, ``tested_on`` the one test set that it is of; empty for none.
    """

    heading: str
    entry: Callable[[MethodSummary], Entry]
    more_is_better: bool | None
    metric: str = ""
    tested_on: str = ""


def _interval(method: MethodSummary | SetScores, name: str) -> Entry:
    value, low, high = (getattr(method, f"{name}{end}") for end in ("", "_low", "_high"))
    return number(value, low=low, high=high)


def _attribute(method: MethodSummary | SetScores, name: str, digits: int = 3, factor: float = 1.0) -> Entry:
    return number(getattr(method, name), digits, factor=factor)


def _metric(method: MethodSummary, metric: CaseMetric) -> Entry:
    return number(method.metrics[metric.name].value, metric.shown_places)


def _known_columns() -> dict[str, Column]:
    ratios = {
        "scene_iou": "IoU per scene", "scene_f1": "F1 per scene", "pooled_iou": "pooled IoU", "pooled_f1": "pooled F1",
        "precision": "precision", "recall": "recall",
    }  # fmt: skip
    return {
        "iou": Column("IoU [95 % CI]", partial(_interval, name="iou"), True, "iou"),
        "f1": Column("F1 [95 % CI]", partial(_interval, name="f1"), True, "f1"),
        "lesion_f1": Column("lesion F1 [95 % CI]", partial(_interval, name="lesion_f1"), True),
        **{name: Column(title, partial(_attribute, name=name), True) for name, title in ratios.items()},
        **{
            name: Column(each.heading, partial(_metric, metric=each), each.more_is_better, name if each.ranks else "")
            for name, each in case_metrics().items()
        },
        "missed": Column("missed, %", lambda m: percent(m.missed), False),
        "false_alarms": Column("false alarms, %", lambda m: percent(m.false_positive_rate), False),
        "images": Column("images", lambda m: count(m.lesion_images), None),
        "scenes": Column("scenes", lambda m: count(m.scenes), None),
        "ms": Column("ms", partial(_attribute, name="ms_median", digits=1), False),
        "p95": Column("ms, 95th percentile", partial(_attribute, name="ms_p95", digits=1), False),
        "mb": Column("MB", partial(_attribute, name="saved_bytes", digits=2, factor=1e-6), False),
        "mib": Column("MiB", partial(_attribute, name="peak_mib", digits=0), False),
        "start": Column("start, s", partial(_attribute, name="cold_ms", digits=2, factor=1e-3), False),
    }


_OF_A_SET: dict[str, Callable[[SetScores], Entry]] = {
    "iou": partial(_interval, name="iou"),
    "f1": partial(_interval, name="f1"),
    "missed": lambda each: percent(each.missed),
    "false_alarms": lambda each: percent(each.false_positive_rate),
}


def _column(name: str, sets: Sequence[str]) -> Column:
    """Return a column by its name; ``f1@BUSI`` is of one test set."""
    known = _known_columns()
    base, at, tested_on = name.partition("@")
    if base not in (_OF_A_SET if at else known):
        raise ValueError(f"`columns` must be among {', '.join(_OF_A_SET if at else known)}, got `{base}`")
    if not at:
        return known[base]
    if tested_on not in sets:
        raise ValueError(f"`columns`: the run's test sets are {', '.join(sets) or 'not named'}, got `{tested_on}`")
    column = known[base]
    entry = partial(_of_set, tested_on=tested_on, of=_OF_A_SET[base])
    return Column(f"{tested_on}: {column.heading}", entry, column.more_is_better, column.metric, tested_on)


def _of_set(method: MethodSummary, tested_on: str, of: Callable[[SetScores], Entry]) -> Entry:
    return next((of(each) for each in method.sets if each.tested_on == tested_on), Entry("-"))


def latex_table(
    run: str | os.PathLike[str], columns: Sequence[str] = (), *, against: str = "", label: str = "tab:hybridseg"
) -> str:
    """Return a run's table as LaTeX, to be put into a paper that loads ``booktabs``.

    Parameters
    ----------
    run : path
    columns : sequence of str, optional
        `DEFAULT_COLUMNS` if not given: names of metrics and costs; ``f1@BUSI`` is F1 on one of several test sets.
    against : str, optional
        The method that the others are tested against: the first in rank if not given.
    label : str

    Raises
    ------
    RunError
        If it is no run folder, a damaged one, or one without rows.
    ValueError
        If a column or the reference isn't known.
    """
    return latex_of(RunFacts(run), columns, against=against, label=label)


@dataclass(frozen=True)
class _Marked:
    """An entry as it reads, whether it is the best of its column, and whether it differs from the reference."""

    text: str
    is_best: bool
    differs: bool


@dataclass(frozen=True)
class _Content:
    """Names of methods, headings and entries by column, and the caption."""

    names: list[str]
    headings: list[str]
    columns: list[list[_Marked]]
    caption: str


def _content(facts: RunFacts, columns: Sequence[str], against: str) -> _Content:
    sets = list(dict.fromkeys(each.tested_on for method in facts.methods for each in method.sets))
    chosen = [_column(name, sets) for name in columns or DEFAULT_COLUMNS]
    compared = [method for method in facts.methods if method.is_compared]
    names = [method.method for method in compared]
    if against and against not in names:
        raise ValueError(f"`against` must be one of {', '.join(names)}, got `{against}`")
    reference = against or (names[0] if names else "")
    tested = any(column.metric for column in chosen) and len(compared) > 1
    return _Content(
        [facts.marked[method.method] for method in facts.methods],
        [column.heading for column in chosen],
        [_cells(facts, column, reference) for column in chosen],
        _caption(facts, hide_paths([reference])[0] if tested else ""),
    )


def markdown_of(facts: RunFacts, columns: Sequence[str] = (), *, against: str = "") -> str:
    """Return the same table as Markdown, its caption above it."""
    content = _content(facts, columns, against)
    entries = [[_as_markdown(entry) for entry in column] for column in content.columns]
    header = " | ".join(["method", *map(escaped, content.headings)])
    rule = " | ".join(["---", *["---:"] * len(entries)])
    rows = [" | ".join([escaped(name), *(column[row] for column in entries)]) for row, name in enumerate(content.names)]
    return "\n".join([escaped(content.caption), "", *(f"| {line} |" for line in (header, rule, *rows))])


def _as_markdown(entry: _Marked) -> str:
    text = f"**{escaped(entry.text)}**" if entry.is_best else escaped(entry.text)
    return text + ("\\*" if entry.differs else "")


def _as_latex(entry: _Marked) -> str:
    text = rf"\textbf{{{escape(entry.text)}}}" if entry.is_best else escape(entry.text)
    return text + ("$^{*}$" if entry.differs else "")


def latex_of(facts: RunFacts, columns: Sequence[str] = (), *, against: str = "", label: str = "tab:hybridseg") -> str:
    """Do what `latex_table` promises for a run that was read."""
    content = _content(facts, columns, against)
    entries = [[_as_latex(entry) for entry in column] for column in content.columns]
    rows = [
        " & ".join([escape(name), *(column[row] for column in entries)]) + r" \\"
        for row, name in enumerate(content.names)
    ]
    header = " & ".join(["method", *map(escape, content.headings)])
    return "\n".join([
        f"% hybridseg {__version__}, run {escape(facts.folder.root.resolve().name)}; needs \\usepackage{{booktabs}}",
        r"\begin{table}", r"\centering", rf"\caption{{{escape(content.caption)}}}", rf"\label{{{label}}}",
        r"\vspace{4pt}", r"\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{l{'r' * len(entries)}}}", r"\toprule", rf"{header} \\", r"\midrule", *rows,
        r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ])  # fmt: skip


def _cells(facts: RunFacts, column: Column, reference: str) -> list[_Marked]:
    """Return a column in which the best of the ranked is marked, and whoever differs from the reference."""
    found = {method.method: column.entry(method) for method in facts.methods}
    texts = {method.method: found[method.method].text.partition(" ")[0] for method in facts.methods if method.is_ranked}
    values = {name: float(text) for name, text in texts.items() if text != "-"}
    best = None
    if column.more_is_better is not None and len(values) > 1:
        best = max(values.values()) if column.more_is_better else min(values.values())
    stars = _differing(facts, column, [each.method for each in facts.methods if each.is_compared], reference)
    return [
        _Marked(entry.text, best is not None and values.get(name) == best, name in stars)
        for name, entry in found.items()
    ]


def _differing(facts: RunFacts, column: Column, compared: Sequence[str], reference: str) -> set[str]:
    if column.metric not in rankings():
        return set()
    rows = {
        name: [row for row in facts.rows[name] if not column.tested_on or row.tested_on == column.tested_on]
        for name in compared
    }
    scores = {name: lesion_scores(each, column.metric) for name, each in rows.items()}
    pairs = {name: (scores[reference], scores[name]) for name in compared if name != reference}
    return {name for name, each in differences(pairs, facts.groups).items() if each.p_value < SIGNIFICANT}


def _caption(facts: RunFacts, reference: str) -> str:
    first = facts.methods[0]
    parts = [
        f"{facts.title}: {counted(first.lesion_images, 'lesion image')} of {first.scenes} scenes or patients, "
        f"{counted(first.lesion_free_images, 'lesion-free image')}. Means over lesion images with 95 % intervals by "
        "bootstrap over scenes or patients. An empty mask scores 0 where there is a lesion. Bold: the best of "
        "its column."
    ]
    if reference:
        parts.append(
            f"*: differs from {reference} (paired sign-flip permutation test over scenes or patients, Holm-corrected "
            f"within the column, p < {SIGNIFICANT})."
        )
    taught = [method for method in facts.methods if method.seen]
    for method, name in zip(taught, hide_paths([method.method for method in taught]), strict=True):
        parts.append(f"{SEEN} {name}: {in_words(method.seen or 0, method.cases)}, not ranked.")
    others = hide_paths([method.method for method in facts.methods if method.other_cases])
    if others:
        parts.append(f"{OTHER_CASES} {', '.join(others)}: not scored on the same cases, not ranked.")
    if any(method.seen is None for method in facts.methods):
        parts.append(NOT_KNOWN_NOTE)
    return " ".join(parts)
