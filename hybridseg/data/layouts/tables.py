"""Reading the tables that come with data sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ...images import SUFFIXES
from ...text import printable
from ..cases import DataError, Facts
from ..manifest import parse_rows, read_text
from .layout import FoldFile, Table

_UNKNOWN = ("", "nan", "none", "n/a", "not available", "unknown")
_YES_NO = {"y": "yes", "yes": "yes", "true": "yes", "n": "no", "no": "no", "false": "no"}
_CM = "spacing_cm"


def read_table(path: Path, table: Table) -> dict[str, dict[str, str]]:
    """Return the rows of a set's table by image name, cells as text.

    Raises
    ------
    DataError
        If it can't be read, a column is missing, or an image is listed twice.
    """
    columns = tuple(filter(None, (table.key, table.patient, table.label, *table.facts.values())))
    rows = parse_rows(read_text(path), printable(path), columns, columns, table.delimiter)
    return _by_image(rows, table.key, path)


def read_folds(path: Path, file: FoldFile) -> dict[str, int]:
    """Return the published fold of each image, by name; raise `DataError` for what isn't such a file."""
    columns = (file.key, file.fold)
    rows = parse_rows(read_text(path), printable(path), columns, columns)
    for number, row in rows:
        if not re.fullmatch(r"[0-9]{1,3}", row[file.fold], re.ASCII):
            got = printable(row[file.fold], 99)
            raise DataError(f"{printable(path)} line {number}: {file.fold} must be a number, got `{got}`")
    return {name: int(row[file.fold]) for name, row in _by_image(rows, file.key, path).items()}


def facts_of(row: Mapping[str, str], columns: Mapping[str, str], where: str) -> Facts:
    """Return what a row of a table tells of its image; what it leaves open is left out.

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
        if fact != _CM:
            facts[fact] = _YES_NO.get(text.casefold(), text)
            continue
        try:
            spacing_mm = 10 * float(text)
        except ValueError:
            spacing_mm = 0.0
        if not 0 < spacing_mm < float("inf"):
            raise DataError(f"{where}: {column} must be a positive number of cm, got `{printable(text, 99)}`")
        facts["spacing_mm"] = round(spacing_mm, 6)
    return facts


def _by_image(rows: list[tuple[int, dict[str, str]]], key: str, path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for number, row in rows:
        name = PurePosixPath(row[key])
        stem = (name.stem if name.suffix.lower() in SUFFIXES else name.name).casefold()
        if stem in found:
            raise DataError(f"{printable(path)} line {number}: image `{printable(stem, 99)}` is listed twice")
        found[stem] = row
    return found
