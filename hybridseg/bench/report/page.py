"""A report as one HTML page: nothing is loaded from elsewhere, and no text of the data is read as markup."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources
from itertools import groupby
from string import Template

from ...text import printable
from .document import DISCLAIMER, Document, Entry, PanelRow, ReportTable, Section, Text


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
    return html.escape(printable(text))


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _pictures(document: Document) -> str:
    """Return every picture once, to be shown in any number of places."""
    return "".join(
        f'<g id="case{number}"><image width="{each.width}" height="{each.height}" href="{each.uri}"/>'
        f'<path class="truth" d="{each.truth}"/></g>'
        for number, each in enumerate(document.pictures)
    )


_LEGEND = "Blue: ground truth. Orange: prediction. Click a picture to enlarge it; arrow keys go on from there."


def _section(section: Section, document: Document) -> str:
    figures = "".join(
        f"<figure>{each.svg}<figcaption>{escape(each.caption)}</figcaption></figure>" for each in section.figures
    )
    parts = [
        f'<section id="{section.slug}"><h2>{escape(section.title)}</h2>',
        _texts(section.texts),
        f'<div class="figures">{figures}</div>' if figures else "",
        *map(_table, section.tables),
        f"<p>{_LEGEND}</p>" if section.panels else "",
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


def _table(table: ReportTable) -> str:
    kinds = [_kind(table, index) for index in range(len(table.header))]
    head = "".join(
        f'<th scope="col"{_class(kind)}><button type="button">{escape(title)}</button></th>'
        for kind, title in zip(kinds, table.header, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(_entry(entry, kind) for kind, entry in zip(kinds, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    caption = escape(table.caption)
    return (
        f'<p class="caption">{caption}</p><div class="table" role="region" aria-label="{caption}" tabindex="0">'
        f'<table aria-label="{caption}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _kind(table: ReportTable, index: int) -> str:
    """Return what a column holds: the name that stays in sight when the table is moved, numbers, or words."""
    is_counted = table.header[0] in ("#", "item")
    if index == int(is_counted):
        return "name"
    if index == 0:
        return "number"
    entries = [row[index] for row in table.rows]
    return "number" if all(entry.value is not None or entry.text == "-" for entry in entries) else ""


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _entry(entry: Entry, kind: str) -> str:
    attributes = _class(kind)
    if entry.value is not None:
        attributes += f' data-value="{entry.value:.6g}"'
    if entry.shade is not None:
        attributes += f' style="--shade:{100 * entry.shade:.0f}%"'
    return f"<td{attributes}>{escape(entry.text)}</td>"


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
