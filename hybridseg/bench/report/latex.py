"""A report as LaTeX: a whole document of plain tables that needs no package but those of every installation."""

from __future__ import annotations

from itertools import groupby

from ...images import shown
from .document import DISCLAIMER, Document, Section, Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "-": "{-}", "[": "{[}", "]": "{]}", "†": r"\textdagger{}", "≥": r"$\geq$", "≤": r"$\leq$", "±": r"$\pm$",
    "×": r"$\times$", "–": "--", "—": "---", "…": r"\ldots{}", "µ": r"$\mu$", "²": r"$^2$",
}  # fmt: skip
_HEAD = r"""\documentclass[10pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage{longtable}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\setlength{\tabcolsep}{4pt}
\setlength{\emergencystretch}{3em}
\sloppy
\begin{document}"""
_TEXT_WIDTH_CM = 25.0
_LONG = 24
"""Columns with longer cells are paragraphs that break, not lines."""


def escape(text: str) -> str:
    """Return a text as LaTeX prints it, whatever it holds.

    Letters with accents are kept; characters that a plain installation has no letter for are spelled out as U+4E2D.
    """
    return "".join(_SPECIAL.get(c) or _letter(c) for c in shown(text))


def _letter(c: str) -> str:
    if c.isascii() or (c.isalpha() and ord(c) < 0x17F):
        return c
    return f"U+{ord(c):04X}"


def latex(document: Document) -> str:
    """Return a report as a LaTeX document."""
    parts = [_HEAD, rf"\section*{{{escape(document.title)}}}", rf"\textbf{{{escape(DISCLAIMER)}}}", ""]
    parts += [escape(document.subtitle), *map(_section, document.sections), r"\end{document}"]
    return "\n".join(parts)


def _section(section: Section) -> str:
    lines = ["", rf"\subsection*{{{escape(section.title)}}}"]
    for kind, texts in groupby(section.texts, key=lambda each: each.kind):
        if kind == "li":
            lines += [r"\begin{itemize}", *(rf"\item {escape(text.text)}" for text in texts), r"\end{itemize}"]
        else:
            command = {"code": r"\texttt", "warning": r"\textbf"}.get(kind, "")
            lines += [f"{command}{{{escape(text.text)}}}\n" for text in texts]
    lines += [_table(table) for table in section.tables]
    for row in section.panels:
        details = "; ".join(f"{panel.title}: {panel.detail}" for panel in row.panels)
        lines.append(rf"\textbf{{{escape(row.title)}}} {escape(details)}" + "\n")
    return "\n".join(lines)


def _table(table: Table) -> str:
    columns = "".join(_columns(table))
    rows = [" & ".join(escape(cell.text) for cell in row) + r" \\" for row in table.rows]
    header = " & ".join(rf"\textbf{{{escape(title)}}}" for title in table.header) + r" \\"
    return "\n".join([
        r"{\footnotesize", rf"\begin{{longtable}}[l]{{{columns}}}",
        rf"\multicolumn{{{len(table.header)}}}{{p{{0.9\linewidth}}}}{{{escape(table.caption)}}} \\[2pt]",
        r"\hline", header, r"\hline", r"\endhead", *rows, r"\hline", r"\end{longtable}}", "",
    ])  # fmt: skip


def _columns(table: Table) -> list[str]:
    """Return column types: numbers flush right, long texts share what width the others leave."""
    longest = [
        max(len(title), *(len(row[index].text) for row in table.rows)) if table.rows else len(title)
        for index, title in enumerate(table.header)
    ]
    numeric = [any(row[index].value is not None for row in table.rows) for index in range(len(table.header))]
    long = [not number and length > _LONG for number, length in zip(numeric, longest, strict=True)]
    taken = sum(0.19 * length + 0.3 for length, is_long in zip(longest, long, strict=True) if not is_long)
    share = max(2.0, (_TEXT_WIDTH_CM - taken) / max(1, sum(long)) - 0.3)
    return [
        rf"p{{{share:.1f}cm}}" if is_long else "r" if number else "l"
        for is_long, number in zip(long, numeric, strict=True)
    ]
