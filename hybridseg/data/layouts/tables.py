"""Reading the tables that come with data sets."""

from __future__ import annotations

import re
import zipfile
from contextlib import closing
from pathlib import Path

from ...text import one_line, printable
from ..cases import DataError
from ..manifest import MAX_ROWS, parse_rows, read_text
from ..names import is_picture, stem_of
from .layout import FoldFile, Table

_MAX_XLSX_BYTES = 200_000_000
"""Of an .xlsx file, which is a ZIP archive, when it is unpacked."""
_MAX_COLUMNS = 256
"""What is to the right of them isn't read: a row may claim 16,384 cells in a few bytes."""


def read_table(path: Path, table: Table) -> dict[str, dict[str, str]]:
    """Return the rows of a set's table by image name, cells as text.

    Raises
    ------
    DataError
        If it can't be read, a column is missing, or an image is listed twice.
    ImportError
        If it is .xlsx and openpyxl isn't installed; the message gives the pip line.
    """
    columns = tuple(filter(None, (table.key, table.patient, table.label, *table.facts.values())))
    if path.suffix.lower() == ".xlsx":
        rows = _xlsx_rows(path, columns)
    else:
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


def _xlsx_rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, row) of the sheet that has these columns, cells as stripped text."""
    try:
        import openpyxl
    except ImportError:
        raise ImportError(f'{printable(path.name)} needs openpyxl: pip install "hybridseg[tables]"') from None
    name = printable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_XLSX_BYTES:
                raise DataError(f"{name}: is larger than {_MAX_XLSX_BYTES} bytes when unpacked")
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            for sheet in book.worksheets:
                lines = sheet.iter_rows(values_only=True, max_row=MAX_ROWS, max_col=_MAX_COLUMNS)
                header = [_text(cell) for cell in next(lines, ())]
                if set(columns) <= set(header):
                    at = [header.index(column) for column in columns]
                    rows = [dict(zip(columns, (_text(line[i]) for i in at), strict=True)) for line in lines]
                    return [(number, row) for number, row in enumerate(rows, 2) if row[columns[0]]]
    except DataError:
        raise
    except Exception as error:  # whatever a damaged archive or XML makes of the library
        raise DataError(f"{name}: can't be read as .xlsx: {one_line(error)}") from error
    raise DataError(f"{name}: has no sheet with the columns {', '.join(columns)}")


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _by_image(rows: list[tuple[int, dict[str, str]]], key: str, path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for number, row in rows:
        name = Path(row[key])
        stem = (stem_of(name) if is_picture(name) else name.name).casefold()
        if stem in found:
            raise DataError(f"{printable(path)} line {number}: image `{printable(stem, 99)}` is listed twice")
        found[stem] = row
    return found
