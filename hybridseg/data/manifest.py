"""CSV manifests, and the one way a CSV file is read."""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import os
import re
import warnings
from pathlib import Path, PurePosixPath

from ..text import printable
from .cases import CLASSES, DataError, Dataset, DataWarning, Ungrouped, natural_key
from .facts import facts_of
from .files import FileCase
from .mask_values import BY_FILE, given_reading

MANIFEST_FACTS = (
    "patient", "device", "birads", "histology", "verification", "side", "marks", "doppler", "spacing_mm",
)  # fmt: skip
MANIFEST_COLUMNS = ("image", "mask", "group", "label", "case_id", "lesion", "ignore", *MANIFEST_FACTS)
MAX_TEXT_BYTES = 32_000_000
MAX_ROWS = 1_000_000


def read_manifest(path: str | os.PathLike[str]) -> Dataset:
    """Return the dataset that a CSV file lists.

    Columns ``image`` and ``mask`` are paths relative to the file's folder. Several masks are joined by ``;``, and none
    means lesion-free. ``group``, ``label`` and ``case_id`` may be left out. The group is then the patient, and the id
    is the image's path less its ending. ``lesion`` and ``ignore`` are mask values, joined by ``;``. Further columns
    are the facts in `MANIFEST_FACTS`.

    Raises
    ------
    DataError
        For a missing column or file, a wrong mask value or pixel size, a path that is absolute or leads out of the
        manifest's folder, or two cases of one name.
    """
    path = Path(path)
    rows = parse_rows(read_text(path), printable(path), ("image", "mask"), MANIFEST_COLUMNS)
    cases = []
    for number, row in rows:
        where = f"{printable(path)} line {number}"
        image = _inside(path.parent, row["image"], where)
        masks = [_inside(path.parent, part.strip(), where) for part in row["mask"].split(";") if part.strip()]
        case_id = row.get("case_id") or str(PurePosixPath(row["image"].replace("\\", "/")).with_suffix(""))
        facts = facts_of(row, {fact: fact for fact in MANIFEST_FACTS if fact in row}, where)
        group = row.get("group") or row.get("patient") or case_id
        label = row.get("label", "")
        label = label.casefold() if label.casefold() in CLASSES else label  # as a folder's name
        reading = given_reading(row.get("lesion", ""), row.get("ignore", ""), where) or BY_FILE
        cases.append(FileCase(case_id, group, label, image, tuple(masks), facts=facts, reading=reading))
    cases.sort(key=lambda case: natural_key(case.case_id))
    if not cases:
        raise DataError(f"{printable(path)}: lists no case")
    try:
        dataset = Dataset(path.stem, tuple(cases))
    except ValueError as error:
        raise DataError(f"{printable(path)}: {error}") from error
    grouped = sum(bool(row.get("group") or row.get("patient")) for _, row in rows)
    if not grouped:
        return dataset
    column = "the manifest's group column"
    if grouped == len(rows):
        return dataset.regrouped({}, column)
    return dataset.regrouped({}, f"{column} for {grouped} of {len(rows)}", Ungrouped.UNASKED)


def read_spacings(path: str | os.PathLike[str]) -> dict[Path, float]:
    """Return the pixel sizes in mm that a CSV file with columns ``image`` and ``spacing_mm`` gives, by image.

    Any manifest with these two columns will do. Images without a size are left out.

    Raises
    ------
    DataError
        As `read_manifest`.
    """
    path = Path(path)
    rows = parse_rows(read_text(path), printable(path), ("image", "spacing_mm"), MANIFEST_COLUMNS)
    sizes = {}
    for number, row in rows:
        where = f"{printable(path)} line {number}"
        size = facts_of(row, {"spacing_mm": "spacing_mm"}, where).get("spacing_mm")
        if isinstance(size, float):
            sizes[_inside(path.parent, row["image"], where)] = size
    return sizes


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a UTF-8 file of at most `MAX_TEXT_BYTES`; raise `DataError` otherwise."""
    path = Path(path)
    try:
        if not path.is_file():
            raise DataError(f"{printable(path)}: no such file")
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise DataError(f"{printable(path)}: is larger than {MAX_TEXT_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{printable(path)}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise DataError(f"{printable(path)}: is not UTF-8 text") from None


def parse_rows(
    text: str, name: str, required: tuple[str, ...], known: tuple[str, ...], delimiter: str = ","
) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, row) of CSV text, values stripped, columns that aren't known left out.

    Raises
    ------
    DataError
        If it isn't CSV or a required column is missing; ``name`` is what the message calls it.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        reader.fieldnames = columns = [column.strip() for column in reader.fieldnames or ()]
        missing = [column for column in required if column not in columns]
        if missing:
            got = printable(f"{delimiter} ".join(columns), 200) or "nothing"
            raise DataError(f"{name}: has no column `{missing[0]}`, expected {', '.join(required)}, got {got}")
        _warn_of_slips(columns, known, name)
        wanted = [column for column in known if column in columns]
        twice = [column for column in wanted if columns.count(column) > 1]
        if twice:
            raise DataError(f"{name}: column `{twice[0]}` is there twice")
        rows = []
        for row in itertools.islice(reader, MAX_ROWS):
            if None in row or None in row.values():  # what a cut file or an unquoted comma leaves
                more = "more" if None in row else "fewer"
                raise DataError(f"{name} line {reader.line_num}: has {more} fields than the {len(columns)} columns")
            rows.append((reader.line_num, {key: row[key].strip() for key in wanted}))
        if next(reader, None) is not None:
            raise DataError(f"{name}: has more than {MAX_ROWS} rows")
        return rows
    except csv.Error as error:
        raise DataError(f"{name}: is not CSV: {error}") from error


def _warn_of_slips(columns: list[str], known: tuple[str, ...], name: str) -> None:
    """Warn of a column that isn't read but is called nearly like one that is. A group lost is a split that leaks."""
    absent = [column for column in known if column not in columns]
    for column in columns:
        near = difflib.get_close_matches(column.casefold(), absent, 1, cutoff=0.75) if column not in known else []
        if near:
            text = f"{name}: column `{printable(column, 100)}` isn't read; did you mean `{near[0]}`?"
            warnings.warn(text, DataWarning, stacklevel=2)


def _inside(folder: Path, text: str, where: str) -> Path:
    """Return the file ``text`` in ``folder``; refuse a path that is absolute or leads out of it, or a missing file.

    ``a/../b.png`` is ``b.png``: what counts is where a path leads. Links in the folder are followed.
    """
    relative = Path(os.path.normpath(text.replace("\\", "/")))
    leaves = relative.is_absolute() or ".." in relative.parts or re.match(r"[A-Za-z]:", text)
    if leaves or not text or "\0" in text:
        raise DataError(f"{where}: `{printable(text, 300)}` must be a path inside the manifest's folder")
    path = folder / relative
    try:
        is_there = path.is_file()
    except OSError as error:  # a name longer than the system takes
        raise DataError(f"{where}: {printable(path, 1000)}: {error.strerror or error}") from None
    if not is_there:
        raise DataError(f"{where}: no such file {printable(path, 1000)}")
    return path
