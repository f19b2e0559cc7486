"""A report as one HTML page: nothing is loaded from elsewhere, and no text of the data is read as markup."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources
from itertools import groupby
from string import Template

from ...images import shown
from .document import DISCLAIMER, Cell, Document, PanelRow, Section, Table, Text


def page(document: Document) -> str:
    """Return a report as HTML."""
    script, style = _read("page.js"), _read("page.css")
    return Template(_read("page.html")).substitute(
        # Only this very script may run: a name that slipped through the escaping would still be no program.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        title=escape(document.title),
        subtitle=escape(document.subtitle),
        disclaimer=escape(DISCLAIMER),
        style=style,
        script=script,
        contents="".join(f'<li><a href="#{each.slug}">{escape(each.title)}</a></li>' for each in document.sections),
        pictures=_pictures(document),
        sections="\n".join(_section(each, document) for each in document.sections),
    )


def escape(text: str) -> str:
    """Return a text as HTML shows it: nothing in it is markup, and what can't be printed is spelled out."""
    return html.escape(shown(text))


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _pictures(document: Document) -> str:
    """Return every picture once, to be shown in any number of places."""
    return "".join(
        f'<g id="case{number}"><image width="{each.width}" height="{each.height}" href="{each.uri}"/>'
        f'<path class="truth" d="{each.truth}"/></g>'
        for number, each in enumerate(document.pictures)
    )


def _section(section: Section, document: Document) -> str:
    figures = "".join(
        f"<figure>{each.svg}<figcaption>{escape(each.caption)}</figcaption></figure>" for each in section.figures
    )
    parts = [
        f'<section id="{section.slug}"><h2>{escape(section.title)}</h2>',
        _texts(section.texts),
        f'<div class="figures">{figures}</div>' if figures else "",
        *map(_table, section.tables),
        *(_panels(row, document) for row in section.panels),
        "</section>",
    ]
    return "".join(parts)


def _texts(texts: tuple[Text, ...]) -> str:
    parts = []
    for kind, group in groupby(texts, key=lambda each: each.kind):
        items = [escape(each.text) for each in group]
        if kind == "li":
            parts.append(_list(items))
        elif kind == "code":
            parts += [f"<pre><code>{item}</code></pre>" for item in items]
        else:
            mark = ' class="warning"' if kind == "warning" else ""
            parts += [f"<p{mark}>{item}</p>" for item in items]
    return "".join(parts)


_OPEN_ITEMS = 15


def _list(items: list[str]) -> str:
    def listed(some: list[str]) -> str:
        return "<ul>" + "".join(f"<li>{item}</li>" for item in some) + "</ul>"

    more = items[_OPEN_ITEMS:]
    folded = f"<details><summary>{len(more)} more</summary>{listed(more)}</details>" if more else ""
    return listed(items[:_OPEN_ITEMS]) + folded


def _table(table: Table) -> str:
    numeric = [_is_numeric([row[index] for row in table.rows]) for index in range(len(table.header))]
    head = "".join(
        f'<th scope="col"{_kind(is_number)}><button type="button">{escape(title)}</button></th>'
        for is_number, title in zip(numeric, table.header, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(_cell(cell, numeric[index]) for index, cell in enumerate(row)) + "</tr>" for row in table.rows
    )
    caption = escape(table.caption)
    return (
        f'<div class="table" role="region" aria-label="{caption}" tabindex="0"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _is_numeric(cells: list[Cell]) -> bool:
    return all(cell.value is not None or cell.text == "-" for cell in cells)


def _kind(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _cell(cell: Cell, numeric: bool) -> str:
    attributes = _kind(numeric)
    if cell.value is not None:
        attributes += f' data-value="{cell.value:.6g}"'
    if cell.shade is not None:
        attributes += f' style="--shade:{100 * cell.shade:.0f}%"'
    return f"<td{attributes}>{escape(cell.text)}</td>"


def _panels(row: PanelRow, document: Document) -> str:
    parts = []
    for panel in row.panels:
        picture = document.pictures[panel.picture]
        title, detail = escape(panel.title), escape(panel.detail)
        parts.append(
            f'<button type="button" class="panel" aria-label="{title}; {detail}">'
            f'<svg viewBox="0 0 {picture.width} {picture.height}" aria-hidden="true">'
            f'<use href="#case{panel.picture}"/><path class="prediction" d="{panel.prediction}"/></svg>'
            f'<span class="title">{title}</span><span class="detail">{detail}</span></button>'
        )
    return f'<h3>{escape(row.title)}</h3><div class="panels">{"".join(parts)}</div>'
