"""A report as Markdown, CSV and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import Any

from ...text import csv_text, escaped, markdown_table, printable
from .document import DISCLAIMER, Document, Entry, ReportTable, Section


def markdown(document: Document) -> str:
    """Return a report as Markdown; figures are left out, since the tables hold their numbers."""
    lines = [f"# {_plain(document.title)}", "", f"**{DISCLAIMER}**", "", _plain(document.subtitle)]
    for section in document.sections:
        lines += ["", f"## {_plain(section.title)}"]
        for kind, texts in groupby(section.texts, key=lambda each: each.kind):
            lines.append("")
            for text in texts:
                if kind == "code":
                    lines += ["", *_code(text.text)]
                elif kind == "li":
                    lines.append(f"- {_plain(text.text)}")
                else:
                    lines += [f"**{_plain(text.text)}**" if kind == "warning" else _plain(text.text), ""]
        for table in section.tables:
            rows = [[printable(entry.text) for entry in row] for row in table.rows]
            header = [printable(title) for title in table.header]
            lines += ["", _plain(table.caption), "", *markdown_table(header, rows)]
        for row in section.panels:
            lines += ["", f"- {_plain(row.title)}"]
            lines += [f"  - {_plain(panel.title)}: {_plain(panel.detail)}" for panel in row.panels]
    return "\n".join(_without_double_gaps(lines))


def _plain(text: str) -> str:
    return escaped(printable(text))


def _code(text: str) -> list[str]:
    """Return a fenced block that no run of backticks in the text can end."""
    text = printable(text)
    longest = max((len(list(run)) for mark, run in groupby(text) if mark == "`"), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, text, fence]


def _without_double_gaps(lines: list[str]) -> list[str]:
    return [line for index, line in enumerate(lines) if line or index == 0 or lines[index - 1]]


def as_csv(document: Document) -> str:
    """Return every entry of every table as a row: section, table, row, column, value, low, high, text."""
    rows = []
    for section in document.sections:
        for table in section.tables:
            for row in table.rows:
                name = _name(table, row)
                for title, entry in list(zip(table.header, row, strict=True))[table.names :]:
                    numbers = ["" if each is None else f"{each:.6g}" for each in (entry.value, entry.low, entry.high)]
                    rows.append((section.slug, table.caption, name, title, *numbers, entry.text))
    return csv_text(("section", "table", "row", "column", "value", "low", "high", "text"), rows)


def _name(table: ReportTable, row: tuple[Entry, ...]) -> str:
    """Return a row's name, without a mere rank."""
    entries = row[1 : table.names] if table.header[0] == "#" else row[: table.names]
    return " | ".join(entry.text for entry in entries)


def as_json(document: Document) -> str:
    """Return texts and tables as JSON; pictures and drawings are left out."""
    content = {
        "title": document.title,
        "subtitle": document.subtitle,
        "disclaimer": DISCLAIMER,
        "sections": [_section(section) for section in document.sections],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "slug": section.slug,
        "texts": [text.text for text in section.texts],
        "tables": [
            {
                "caption": table.caption,
                "header": list(table.header),
                "rows": [[_value(entry) for entry in row] for row in table.rows],
            }
            for table in section.tables
        ],
        "cases": [
            {"title": row.title, "panels": [{"title": each.title, "detail": each.detail} for each in row.panels]}
            for row in section.panels
        ],
    }


def _value(entry: Entry) -> Any:
    """Return an entry's text, or its number, or its number with the interval."""
    if entry.value is None:
        return entry.text
    if entry.low is None:
        return entry.value
    return {name: value for name, value in asdict(entry).items() if name in ("value", "low", "high")}
