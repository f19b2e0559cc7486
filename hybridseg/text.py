"""Text for terminals, pipes, Markdown and CSV: one-line messages, aligned columns, wrapped lines, escaped names."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Sequence

Progress = Callable[[int, int, str], None]
"""``progress(done, total, text)``: how far something is, and what is going on."""
MAX_FIELDS = 200
"""Lines at most about one thing."""


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "", numbers: bool = False) -> str:
    """Return header and rows with each column as wide as its widest entry.

    With ``numbers``, every column but the first is set flush right.
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def line_of(line: list[str]) -> str:
        entries = [
            entry.rjust(width) if numbers and i else entry.ljust(width)
            for i, (entry, width) in enumerate(zip(line, widths, strict=True))
        ]
        return (indent + "  ".join(entries)).rstrip()

    return "\n".join(map(line_of, lines))


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """Return ``name: value`` lines with the values aligned.

    Texts may come from a stranger's file: they are printed as printable characters, cut where they are very long.
    """
    lines = [(bounded(name, 100), bounded(str(value), 2000)) for name, value in pairs[:MAX_FIELDS]]
    if len(pairs) > MAX_FIELDS:
        lines.append(("left out", f"{len(pairs) - MAX_FIELDS} more lines"))
    width = max(len(name) for name, _ in lines) + 1
    return "\n".join(f"{name + ':':<{width}} {value}" for name, value in lines)


def bounded(text: str, most: int) -> str:
    """Return text as one printable line of about ``most`` characters."""
    return printable(text[: most + 1], most)


def shortened(names: Sequence[str], width: int) -> list[str]:
    """Return names of at most ``width`` characters, still different from each other where the names are."""
    short = [name if len(name) <= width else f"{name[: width - 9]}…{name[-8:]}" for name in names]
    if len(set(short)) == len(set(names)):
        return short
    return [f"{i + 1}: {name[: width - 4]}" for i, name in enumerate(names)]


def wrapped(text: str) -> str:
    """Return text in lines that fit a terminal, those after the first indented."""
    import textwrap

    return textwrap.fill(text, 98, subsequent_indent="  ", break_on_hyphens=False)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; columns with a number are set flush right, but never the first.

    >>> markdown_table(["method", "learned at", "F1"], [["otsu", "BUSI", "0.648"]])[1]
    '| --- | --- | ---: |'
    """
    columns = list(zip(*rows, strict=True)) or [("0",)] * len(header)
    numbers = [any(entry.lstrip("+-\u2212")[:1].isdigit() for entry in column) for column in columns[1:]]
    rule = ["---", *("---:" if each else "---" for each in numbers)]
    return ["| " + " | ".join(map(escaped, row)) + " |" for row in (header, rule, *rows)]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; None is an empty entry."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return stream.getvalue().rstrip("\n")


def escaped(text: str) -> str:
    """Keep names that come from outside from being read as Markdown."""
    for mark in "\\|<>*_`[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def spec_parts(spec: str) -> tuple[str, list[str]]:
    """Split ``name[a=1,b=(2, 3)]`` into its name and ``a=1``, ``b=(2, 3)``: a comma in parentheses is a value's."""
    match = re.fullmatch(r"([^\[\]]+)(?:\[([^\[\]]*)\])?", spec.strip())
    if match is None:
        raise ValueError(f"a method is written `name` or `name[param=value,...]`, got `{spec}`")
    parts = re.split(r",(?![^(]*\))", match[2] or "")
    return match[1].strip(), [part.strip() for part in parts if part.strip()]


def interval_text(
    mean: float | None, low: float | None, high: float | None, *, digits: int = 3, sign: str = "", unit: str = ""
) -> str:
    """Return a mean with its interval, ``-`` for None. ``sign="+"`` is for differences. What rounds to 0 has no sign.

    >>> interval_text(0.0114, -0.0004, 0.024, sign="+", unit=" IoU")
    '+0.011 IoU [0.000, +0.024]'
    """

    def shown(value: float) -> str:
        text = f"{value:{sign}z.{digits}f}"
        return text if float(text) else text.lstrip("+")

    if mean is None:
        return "-"
    ends = "" if low is None or high is None else f" [{shown(low)}, {shown(high)}]"
    return f"{shown(mean)}{unit}{ends}"


def counted(number: int, what: str) -> str:
    """Return a number of things, in the plural but for one.

    >>> counted(1, "image"), counted(2, "image")
    ('1 image', '2 images')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def p_text(p: float) -> str:
    """Return ``p = 0.012``, or ``p < 0.001`` below that."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def printable(path: str | os.PathLike[str], most: int | None = None) -> str:
    """Return a path or a name as one printable line of at most ``most`` characters, for a message."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in os.fspath(path))
    return text if most is None or len(text) <= most else f"{text[:most]}…"


def one_line(what: object) -> str:
    """Return an error, or text from a file, as one printable line that a message can hold."""
    return printable(" ".join(str(what).split())[:200]) or type(what).__name__
