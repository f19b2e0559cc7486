"""What a paper is made of. In texts ``[@key]`` cites and ``[?what]`` is a gap that only the author can fill."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..report.document import ReportTable

_MARK = re.compile(r"\[@([\w,-]+)\]|\[\?([^\[\]]+)\]")


@dataclass(frozen=True)
class Heading:
    """A title; ``level`` 1 is Methods and Results, 2 what is in them."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, or an item of a list."""

    text: str
    is_item: bool = False


@dataclass(frozen=True)
class DrawnFigure:
    """A drawing that lies as ``figures/<name>.pdf`` and ``.svg``."""

    name: str
    caption: str


@dataclass(frozen=True)
class MainTable:
    """The table of all methods, as `hybridseg.bench.report.fragment` makes it, in LaTeX and in Markdown."""

    latex: str
    markdown: str


Block = Heading | Paragraph | DrawnFigure | MainTable | ReportTable


def plain(text: str) -> str:
    """Return a text of a run as one that holds no mark: a name may be anything."""
    return text.replace("[@", "[ @").replace("[?", "[ ?")


def with_marks(
    text: str, escape: Callable[[str], str], cite: Callable[[list[str]], str], gap: Callable[[str], str]
) -> str:
    """Return a text written out: what lies between marks escaped, citations and gaps as a format has them."""
    parts, end = [], 0
    for mark in _MARK.finditer(text):
        parts.append(escape(text[end : mark.start()]))
        parts.append(cite(mark[1].split(",")) if mark[1] else gap(mark[2]))
        end = mark.end()
    return "".join([*parts, escape(text[end:])])


def cited(blocks: Sequence[Block]) -> list[str]:
    """Return the keys that paragraphs cite, in order."""
    texts = [block.text for block in blocks if isinstance(block, Paragraph)]
    keys = (key for text in texts for mark in _MARK.finditer(text) if mark[1] for key in mark[1].split(","))
    return list(dict.fromkeys(keys))
