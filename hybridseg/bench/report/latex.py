"""A report as LaTeX: a whole document of plain tables that needs no package but those of every installation."""

from __future__ import annotations

import re
from itertools import groupby

from ...text import printable
from .document import DISCLAIMER, Document, ReportTable, Section

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "-": "{-}", "[": "{[}", "]": "{]}", "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}",
    "§": r"\S{}", "¶": r"\P{}", "≥": r"$\geq$", "≤": r"$\leq$",
    "±": r"$\pm$", "×": r"$\times$", "–": "--", "—": "---", "…": r"\ldots{}", "µ": r"$\mu$", "²": r"$^2$",
}  # fmt: skip
_HEAD = r"""\documentclass[10pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{textcomp}
\usepackage{array}
\usepackage{longtable}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\setlength{\tabcolsep}{4pt}
\setlength{\emergencystretch}{3em}
\sloppy
\begin{document}"""
_TEXT_WIDTH_CM = 26.2
_LONG, _LEAST_CM = 24, 3.0
"""Columns with longer entries are paragraphs that break, not lines; and how narrow they may get."""
_SIZES = ((r"\footnotesize", 0.17, 4.0), (r"\scriptsize", 0.15, 3.0), (r"\tiny", 0.12, 2.0))
"""Font, what a character of it takes in cm (bold headers more than digits), and half the distance of columns in pt."""
_POINTS_PER_CM = 28.45
_WORD = 16
"""Longer words may break anywhere between groups of this many characters, and behind punctuation."""


def escape(text: str) -> str:
    """Return a text as LaTeX prints it, whatever it holds.

    Letters with accents are kept; characters that a plain installation has no letter for are spelled out as U+4E2D.
    """
    return "".join(_SPECIAL.get(c) or _letter(c) for c in printable(text))


def _letter(c: str) -> str:
    if c.isascii() or (c.isalpha() and ord(c) < 0x17F):
        return c
    return f"U+{ord(c):04X}"


def _breakable(text: str) -> str:
    """Return an escaped text whose long words (hashes, parameters) may break."""
    words = []
    for word in text.split(" "):
        parts = re.findall(rf".{{1,{_WORD}}}?[,;:=/._\-\]]|.{{1,{_WORD}}}", word) if len(word) > _WORD else [word]
        words.append(r"\allowbreak{}".join(map(escape, parts)))
    return " ".join(words)


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


def _table(table: ReportTable) -> str:
    size, separation, columns = _layout(table)
    rows = [" & ".join(_breakable(entry.text) for entry in row) + r" \\" for row in table.rows]
    header = " & ".join(rf"\textbf{{{escape(title)}}}" for title in table.header) + r" \\"
    return "\n".join([
        rf"{{{size}\setlength{{\tabcolsep}}{{{separation}pt}}", rf"\begin{{longtable}}[l]{{{columns}}}",
        rf"\multicolumn{{{len(table.header)}}}{{p{{0.9\linewidth}}}}{{{escape(table.caption)}}} \\[2pt]",
        r"\hline", header, r"\hline", r"\endhead", *rows, r"\hline", r"\end{longtable}}", "",
    ])  # fmt: skip


def _layout(table: ReportTable) -> tuple[str, float, str]:
    """Return the largest font that fits, half the distance of columns, and the columns' types.

    Numbers stand flush right; columns of long texts share what width the others leave.
    """
    longest = [
        max(len(title), *(len(row[index].text) for row in table.rows)) if table.rows else len(title)
        for index, title in enumerate(table.header)
    ]
    numeric = [any(row[index].value is not None for row in table.rows) for index in range(len(table.header))]
    long = [not number and length > _LONG for number, length in zip(numeric, longest, strict=True)]
    taken = sum(length for length, is_long in zip(longest, long, strict=True) if not is_long)
    shares = []
    for _, character_cm, separation in _SIZES:
        left = _TEXT_WIDTH_CM - len(longest) * 2 * separation / _POINTS_PER_CM - character_cm * taken
        shares.append(left / max(1, sum(long)))
    fits = [share >= (_LEAST_CM if any(long) else 0) for share in shares]
    chosen = fits.index(True) if any(fits) else len(_SIZES) - 1
    size, _, separation = _SIZES[chosen]
    paragraph = rf">{{\raggedright\arraybackslash}}p{{{max(_LEAST_CM, shares[chosen]):.1f}cm}}"
    kinds = (paragraph if is_long else "r" if number else "l" for is_long, number in zip(long, numeric, strict=True))
    return size, separation, "".join(kinds)
