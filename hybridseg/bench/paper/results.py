"""Results: the table, who is better, mistakes, parts of the data, agreement, cost, each from the report's chapters."""

from __future__ import annotations

from ...text import counted
from ..report.accuracy import distributions, verdicts
from ..report.across import across
from ..report.agreement import agreement
from ..report.breakdown import failures, lesion_free, parts
from ..report.document import ReportTable, Section
from ..report.facts import RunFacts
from ..report.fragment import DEFAULT_COLUMNS, latex_of, markdown_of
from ..report.overlays import Gallery
from ..report.price import price
from ..report.seeds import seeds
from ..report.sure import how_sure
from .blocks import Block, DrawnFigure, Heading, MainTable, Paragraph, plain


def results(facts: RunFacts, drawn: dict[str, str]) -> list[Block]:
    """Return the whole section; ``drawn`` are the figures that there are, with their captions."""
    measured = agreement(facts, Gallery(facts, ()))
    chapters = [
        distributions(facts), parts(facts), lesion_free(facts), how_sure(facts), measured, price(facts), seeds(facts),
    ]  # fmt: skip
    if facts.description.get("sources"):
        chapters.insert(0, across(facts))
    columns = _columns(facts)
    return [
        Heading("Results", 1),
        Paragraph(_flow(facts)),
        MainTable(latex_of(facts, columns), markdown_of(facts, columns)),
        *(DrawnFigure(name, caption) for name, caption in drawn.items()),
        Heading("Comparison of methods"), *_comparisons(facts),
        *(block for chapter in chapters for block in _chapter(chapter)),
        Heading("Failures"), *_failures(facts),
        Paragraph("[?interpret the results: limits, bias, what they mean for patients and users]"),
    ]  # fmt: skip


def _columns(facts: RunFacts) -> list[str]:
    """Return the main table's columns: those of each test set where there are several."""
    sets = list(dict.fromkeys(each.tested_on for method in facts.methods for each in method.sets))
    if not sets:
        return list(DEFAULT_COLUMNS)
    return [*(f"f1@{name}" for name in sets), *(f"missed@{name}" for name in sets), "ms", "mb"]


def _flow(facts: RunFacts) -> str:
    cases = set().union(*({row.case_id for row in rows} for rows in facts.rows.values()))
    lesion = sum(facts.shares[case_id] > 0 for case_id in cases)
    failed = sum(method.failed for method in facts.methods)
    told = counted(failed, "prediction") if failed else "No prediction"
    return (
        f"{len(cases)} images were scored, {lesion} of them with a lesion, by {counted(len(facts.methods), 'method')}. "
        f"{told} failed. "
        "[?add a flow chart from the patients asked to the images scored]"
    )


def _comparisons(facts: RunFacts) -> list[Block]:
    section = verdicts(facts)
    blocks: list[Block] = [Paragraph(plain(text.text), is_item=text.kind == "li") for text in section.texts]
    return [*blocks, *map(_narrow, section.tables)]


def _chapter(section: Section) -> list[Block]:
    """Return a chapter of the report as a part of the results; what it says of missing things is left out."""
    if not section.tables:
        return []
    texts = [Paragraph(plain(text.text)) for text in section.texts if text.kind in ("p", "warning")]
    return [Heading(section.title), *texts, *map(_narrow, section.tables)]


def _narrow(table: ReportTable) -> ReportTable:
    """Return a table without the column of ranks."""
    if table.header[0] != "#":
        return table
    return ReportTable(table.caption, table.header[1:], tuple(row[1:] for row in table.rows), max(1, table.names - 1))


def _failures(facts: RunFacts) -> list[Block]:
    section = failures(facts)
    return [*(Paragraph(plain(text.text)) for text in section.texts), *section.tables]
