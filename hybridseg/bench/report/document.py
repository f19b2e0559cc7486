"""The parts of a report, whatever its format. Texts are plain, and each format's writer escapes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...text import interval_text


@dataclass(frozen=True)
class Entry:
    """A table's entry: how it reads, and the number to sort by, with its interval where it has one.

    ``shade`` in [0, 1] colours the entry.
    """

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    shade: float | None = None


@dataclass(frozen=True)
class ReportTable:
    """Rows under a header. The first ``names`` columns identify a row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    names: int = 1


@dataclass(frozen=True)
class Text:
    """A paragraph, an item of a list or a warning: ``kind`` is ``p``, ``li``, ``warning`` or ``code``."""

    text: str
    kind: str = "p"


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG markup, its texts escaped."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Picture:
    """A case's image as a data URI, with the outline of its truth as SVG path data in pixels of that image."""

    uri: str
    width: int
    height: int
    truth: str


@dataclass(frozen=True)
class Panel:
    """A picture (its number in `Document.pictures`) with the outline of one prediction."""

    picture: int
    prediction: str
    title: str
    detail: str


@dataclass(frozen=True)
class PanelRow:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Section:
    """A chapter; ``slug`` is its anchor."""

    title: str
    slug: str
    texts: tuple[Text, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    panels: tuple[PanelRow, ...] = ()


@dataclass(frozen=True)
class Document:
    """A whole report; ``may_name_patient``: in one of its pictures."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    may_name_patient: bool = False


DISCLAIMER = "For research, not for diagnosis."


def number(
    value: float | None, digits: int = 3, *, low: float | None = None, high: float | None = None, factor: float = 1.0
) -> Entry:
    """Return a number, with its interval in brackets where it has one, as an entry; ``-`` for None."""
    value, low, high = (None if each is None else each * factor for each in (value, low, high))
    return Entry(interval_text(value, low, high, digits=digits), value, low, high)


def percent(value: float | None, digits: int = 1, *, low: float | None = None, high: float | None = None) -> Entry:
    """Return a share as a percentage; see `number`."""
    return number(value, digits, low=low, high=high, factor=100.0)


def count(value: int) -> Entry:
    """Return a whole number as an entry."""
    return Entry(str(value), float(value))
