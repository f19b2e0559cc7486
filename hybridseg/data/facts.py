"""Facts of a case from a table's cells."""

from __future__ import annotations

from collections.abc import Mapping

from ..text import printable
from .cases import DataError, Facts

_UNKNOWN = ("", "nan", "none", "n/a", "not available", "not applicable", "unknown")
_YES_NO = {"y": "yes", "yes": "yes", "true": "yes", "n": "no", "no": "no", "false": "no"}
_TITLES = {
    "birads": "BI-RADS",
    "combined": "views combined in one image",
    "doppler": "Doppler colours in the image",
    "marks": "callipers or captions in the image",
    "side": "side of the body",
    "spacing_mm": "pixel size in mm",
    "verification": "way of verification",
}
_SPACING = {"spacing_mm": 1, "spacing_cm": 10}


def fact_title(fact: str) -> str:
    """Return a fact's name as tables and pages write it."""
    return _TITLES.get(fact, fact.replace("_", " "))


def facts_of(row: Mapping[str, str], columns: Mapping[str, str], where: str) -> Facts:
    """Return the facts in a row of a table. Empty cells are left out.

    Parameters
    ----------
    row : mapping of str to str
        Cells by column.
    columns : mapping of str to str
        Column by fact. ``spacing_cm`` becomes the fact ``spacing_mm``.
    where : str
        What an error message starts with.

    Raises
    ------
    DataError
        If a pixel size isn't a positive number.
    """
    facts: Facts = {}
    for fact, column in columns.items():
        text = row[column]
        if text.casefold() in _UNKNOWN:
            continue
        if fact not in _SPACING:
            facts[fact] = _YES_NO.get(text.casefold(), text)
            continue
        try:
            spacing_mm = _SPACING[fact] * float(text)
        except ValueError:
            spacing_mm = 0.0
        if not 0 < spacing_mm < float("inf"):
            raise DataError(f"{where}: {column} must be a number above 0, got `{printable(text, 99)}`")
        facts["spacing_mm"] = round(spacing_mm, 6)
    return facts
