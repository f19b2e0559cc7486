"""A paper's blocks as LaTeX and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ...text import escaped, markdown_table, printable
from ..report.document import DISCLAIMER, ReportTable
from ..report.latex import escape
from .blocks import Block, DrawnFigure, Heading, MainTable, Paragraph, with_marks

_LONG_WORD, _LEAST, _MOST = 16, 5, 26
"""Longer words may break; characters of the narrowest and of the widest column."""
_SIZES = ((70, r"\footnotesize"), (95, r"\scriptsize"), (1000, r"\tiny"))
"""Fonts, by how many characters a line of the table has at most."""
_PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{textcomp}
\usepackage{array}
\usepackage[margin=22mm]{geometry}
\usepackage{graphicx}
\usepackage{longtable}
\IfFileExists{booktabs.sty}{\usepackage{booktabs}}{\let\toprule\hline\let\midrule\hline\let\bottomrule\hline}
\setlength{\emergencystretch}{3em}
\newcommand{\gap}[1]{\textbf{[AUTHOR: #1]}}
\begin{document}"""


def latex_section(blocks: Sequence[Block]) -> str:
    """Return the text as LaTeX, for a paper that defines ``\\gap`` and loads graphicx, array, booktabs, longtable."""
    lines: list[str] = []
    for index, block in enumerate(blocks):
        if isinstance(block, Heading):
            lines += ["", rf"\{'section' if block.level == 1 else 'subsection'}{{{escape(block.text)}}}"]
        elif isinstance(block, Paragraph):
            lines += _latex_text(block, blocks[index - 1] if index else None, blocks[index + 1 : index + 2])
        elif isinstance(block, DrawnFigure):
            lines += [
                "", r"\begin{figure}[htbp]", r"\centering",
                rf"\includegraphics[width=\linewidth]{{figures/{block.name}}}",
                rf"\caption{{{escape(block.caption)}}}\label{{fig:{block.name}}}", r"\end{figure}",
            ]  # fmt: skip
        elif isinstance(block, MainTable):
            lines += ["", block.latex]
        else:
            lines += ["", _latex_table(block)]
    return "\n".join(lines).strip() + "\n"


def _latex_text(block: Paragraph, before: Block | None, after: Sequence[Block]) -> list[str]:
    text = with_marks(
        block.text, escape, lambda keys: rf"\cite{{{','.join(keys)}}}", lambda what: rf"\gap{{{escape(what)}}}"
    )
    if not block.is_item:
        return ["", text]
    starts = not (isinstance(before, Paragraph) and before.is_item)
    ends = not any(isinstance(each, Paragraph) and each.is_item for each in after)
    return [
        *([r"\begin{itemize}"] if starts else []), rf"\item {text}", *([r"\end{itemize}"] if ends else []),
    ]  # fmt: skip


def _latex_table(table: ReportTable) -> str:
    """Return a table that may break over pages; columns share the line by the length of what is in them."""
    lengths = [
        max(_LEAST, *map(len, title.split()), min(_MOST, max((len(row[index].text) for row in table.rows), default=0)))
        for index, title in enumerate(table.header)
    ]
    shares = [length / sum(lengths) for length in lengths]
    columns = "".join(
        rf">{{\raggedright\arraybackslash}}p{{\dimexpr{share:.3f}\linewidth-2\tabcolsep\relax}}" for share in shares
    )
    header = " & ".join(map(escape, table.header)) + r" \\"
    rows = [" & ".join(_breaking(entry.text) for entry in row) + r" \\" for row in table.rows]
    size = next((font for most, font in _SIZES if sum(lengths) <= most), _SIZES[-1][1])
    return "\n".join([
        rf"{{{size}\setlength{{\tabcolsep}}{{2pt}}", rf"\begin{{longtable}}{{{columns}}}",
        rf"\multicolumn{{{len(table.header)}}}{{p{{\linewidth}}}}{{{escape(table.caption)}}} \\[2pt]",
        r"\toprule", header, r"\midrule", r"\endhead", *rows, r"\bottomrule", r"\end{longtable}}",
    ])  # fmt: skip


def _breaking(text: str) -> str:
    """Return an escaped text whose long words may break."""
    words = (
        r"\allowbreak{}".join(escape(word[start : start + 6]) for start in range(0, len(word), 6))
        if len(word) > _LONG_WORD
        else escape(word)
        for word in text.split(" ")
    )
    return " ".join(words)


def latex_document(title: str, references: Sequence[tuple[str, str]]) -> str:
    """Return a document around ``section.tex`` that compiles as it is; ``references`` by key, as they are printed."""
    return "\n".join([
        _PREAMBLE, rf"\title{{{escape(title)}}}", r"\author{\gap{authors}}", r"\date{}", r"\maketitle",
        rf"\noindent\textbf{{{escape(DISCLAIMER)}}} Text in bold brackets is the author's to fill.", "",
        r"\input{section}", "", rf"\begin{{thebibliography}}{{{len(references)}}}",
        *(rf"\bibitem{{{key}}} {escape(text)}" for key, text in references), r"\end{thebibliography}",
        r"\end{document}", "",
    ])  # fmt: skip


def markdown(title: str, blocks: Sequence[Block], references: Sequence[tuple[str, str]]) -> str:
    """Return the text as Markdown; citations are ``[@key]``, as pandoc reads them."""
    lines = [f"# {_plain(title)}", "", f"**{DISCLAIMER}**"]
    for block in blocks:
        if isinstance(block, Heading):
            lines += ["", f"{'##' if block.level == 1 else '###'} {_plain(block.text)}"]
        elif isinstance(block, Paragraph):
            text = with_marks(block.text, _plain, _cite, lambda what: f"**[AUTHOR: {_plain(what)}]**")
            lines += ["", f"- {text}" if block.is_item else text]
        elif isinstance(block, DrawnFigure):
            lines += ["", f"![{_plain(block.caption)}](figures/{block.name}.svg)"]
        elif isinstance(block, MainTable):
            lines += ["", block.markdown]
        else:
            rows = [[printable(entry.text) for entry in row] for row in block.rows]
            lines += ["", _plain(block.caption), "", *markdown_table(list(map(printable, block.header)), rows)]
    lines += ["", "## References", "", *(f"- `{key}`: {_plain(text)}" for key, text in references)]
    return "\n".join(lines) + "\n"


def _cite(keys: Sequence[str]) -> str:
    return f"[{'; '.join(f'@{key}' for key in keys)}]"


def _plain(text: str) -> str:
    return escaped(printable(text))
