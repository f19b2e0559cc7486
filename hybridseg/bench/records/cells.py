"""The rows of a run on disk: one JSON line per (method, fold, case), written at once, never in halves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from ...files import read_regular, write_atomically
from ...former import former
from ...text import printable
from .schema import MAX_FILE_BYTES, METRICS_OF_0_1_0, check_fit, check_row, parse_json


class RunError(ValueError):
    """A run folder is another plan's, in use, or damaged. The message is one line."""


@dataclass(frozen=True)
class Record:
    """One method's counts on one case.

    Attributes
    ----------
    method, fold, case_id, group, label
        ``method`` is the spec as the person wrote it, and the training's name where there are several sources.
    height, width : int
        Pixels; the mask is scored at the image's own size.
    tp, fp, fn, tn : int
        Pixel counts, from which every ratio can be made again. A failed prediction counts as the worst mask:
        an empty one where there is a lesion, a full one where there is none.
    predict_ms : float or None
        Wall time of ``predict`` alone; None if it failed.
    error : str
        Why there is no prediction; empty if there is one.
    ignored : int
        Pixels that the ground truth leaves open: they are in no count.
    lesions_found, lesions_missed, false_regions : int or None
        See `hybridseg.metrics.count_lesions`; None in rows that were written before these were counted. A failed
        prediction finds no lesion, and is one false region where there is none.
    facts : dict of str to str or float
        What the data's source knows of the case: device, BI-RADS and the like.
    trained_on, tested_on : str
        Sources of the cases that the model learned from, joined by ``+``, and of this case; empty where sources have
        no short names.
    seen : bool or None
        Of a trained model: whether it learned from this very image; None where that isn't known.
    raw_confidence, confidence : float or None
        How sure the method is of its mask, see `hybridseg.confidence`: from its probabilities, and calibrated on images
        that it hadn't learned from. None where it tells none, and in rows that were written before these were kept.
    metrics : dict of str to float or None
        Every metric of `hybridseg.metrics.case_metrics` by name, None where it isn't defined. A row lacks
        those that are newer.
    """

    method: str
    fold: int
    case_id: str
    group: str
    label: str
    height: int
    width: int
    tp: int
    fp: int
    fn: int
    tn: int
    _: KW_ONLY
    predict_ms: float | None
    error: str = ""
    ignored: int = 0
    lesions_found: int | None = None
    lesions_missed: int | None = None
    false_regions: int | None = None
    facts: dict[str, str | float] = field(default_factory=dict, hash=False)
    trained_on: str = ""
    tested_on: str = ""
    seen: bool | None = None
    raw_confidence: float | None = None
    confidence: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict, hash=False)

    hd95_px = former("hd95_px", 'metrics["hd95_px"]', lambda record: record.metrics.get("hd95_px"))
    hd95_mm = former("hd95_mm", 'metrics["hd95_mm"]', lambda record: record.metrics.get("hd95_mm"))
    nsd = former("nsd", 'metrics["nsd"]', lambda record: record.metrics.get("nsd"))

    @property
    def has_lesion(self) -> bool:
        """Whether the ground truth holds a lesion pixel."""
        return self.tp + self.fn > 0


@dataclass(frozen=True)
class FitRecord:
    """What came of a cell's ``fit``: ``seconds`` (None: not fitted here), what predictions use, any error.

    ``search`` is empty where nothing was searched; else it has ``fold`` (its name), ``chosen`` (a spec) and ``iou``,
    the mean of each spec in the inner folds. ``seconds`` include the search.
    """

    seconds: float | None
    operating_point: dict[str, Any]
    unsaved: str = ""
    error: str = ""
    search: dict[str, Any] = field(default_factory=dict)


class CellFile:
    """A cell's JSON lines, held open and locked for one writer.

    A last line torn by a killed process is cut off on opening.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = open(path, "a+b", buffering=0)  # noqa: SIM115  closed by close(), one write per line
        try:
            lock_file(self._stream, wait=True)
            self.fit, self.records = self._read()
        except BaseException:
            self._stream.close()
            raise

    def _read(self) -> tuple[FitRecord | None, list[Record]]:
        self._stream.seek(0)
        data = self._stream.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._stream.truncate(whole)
        return parse_lines(data[:whole], self.path)

    def append(self, row: Record | FitRecord) -> None:
        """Add one line with one write."""
        line = json_line(row)
        try:
            written = self._stream.write(line)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        if written != len(line):
            raise OSError(f"{self.path}: disk full? {written} of {len(line)} bytes were written")

    def close(self) -> None:
        """Close the file and let it go."""
        self._stream.close()

    def __enter__(self) -> CellFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def json_line(row: Record | FitRecord) -> bytes:
    """Return a row as it stands in a cell's file."""
    return json_bytes(asdict(row))


def parse_lines(data: bytes, path: Path) -> tuple[FitRecord | None, list[Record]]:
    """Return the fit line, if there is one, and the rows in the text of a cell's file.

    Raises
    ------
    RunError
        If a line isn't one of ours.
    """
    fit, records = None, []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            row = parse_json(line)
            if number == 1:
                check_fit(row)
                fit = FitRecord(**row)
            else:
                check_row(row)
                records.append(_record(row))
        except ValueError as error:
            raise RunError(f"{printable(path)} line {number} is damaged: {error}") from None
    return fit, records


def _record(row: dict[str, Any]) -> Record:
    """Return a checked line as a row; version 0.1.0 wrote some metrics beside the others."""
    beside = {name: row.pop(name) for name in METRICS_OF_0_1_0 if name in row}
    return Record(**{**row, "metrics": {**beside, **row.get("metrics", {})}})


def count_rows(path: Path) -> int:
    """Return how many rows a cell's file holds by now, without opening it for writing."""
    try:
        return max(0, path.read_bytes().count(b"\n") - 1)
    except FileNotFoundError:
        return 0


def read_cell(path: Path) -> tuple[FitRecord | None, list[Record]]:
    """Return the fit line and the whole rows of a cell's file; raise `RunError` if it is damaged."""
    try:
        data = read_regular(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise RunError(f"{printable(path)} can't be read: {error}") from None
    return parse_lines(data[: data.rfind(b"\n") + 1], path)


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """Return JSON in UTF-8 and a newline; what isn't UTF-8 in a file's name becomes JSON's own escape, ``\\udcff``."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode(errors="backslashreplace")


def records_csv(records: Iterable[Record]) -> str:
    """Return rows as CSV, one per (method, fold, case), for anybody's spreadsheet; metrics and facts at the end.

    Who taught and who is examined have columns where sources have short names.

    What isn't UTF-8 in the name of a case is written as ``\\udcff``.
    """
    rows = list(records)
    facts = sorted({fact for record in rows for fact in record.facts})
    metrics = list(dict.fromkeys(name for record in rows for name in record.metrics))
    left_out = {"facts", "metrics"}
    if not any(record.tested_on for record in rows):
        left_out |= {"trained_on", "tested_on"}
    columns = [each.name for each in fields(Record) if each.name not in left_out]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*columns, *metrics, *facts])
    for record in rows:
        values = [getattr(record, column) for column in columns]
        values += [record.metrics.get(name) for name in metrics] + [record.facts.get(fact) for fact in facts]
        writer.writerow(["" if value is None else value for value in values])
    return stream.getvalue().encode(errors="backslashreplace").decode()


_LOCKED_BYTE = 2**30
"""Windows locks bytes of a file, there or not: one that no content reaches, and that fits 32 bits, as it wants."""


def lock_file(stream: IO[bytes], *, wait: bool) -> None:
    """Lock an open file for this process; the system lets go when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        position = stream.tell()
        stream.seek(_LOCKED_BYTE)  # it locks where the file stands, and nobody can read what is locked
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        finally:
            stream.seek(position)
        return
    fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def has_failed(path: Path) -> bool:
    """Whether a cell's file has a failed row, or a fit that failed."""
    if not path.exists():
        return False
    fit, rows = read_cell(path)
    return bool(fit and fit.error) or any(row.error for row in rows)


def drop_failed(path: Path) -> None:
    """Remove failed rows from a cell's file, or the file if the fit failed. The run goes on as after a kill."""
    if not path.exists():
        return
    fit, rows = read_cell(path)
    if fit is not None and fit.error:
        path.unlink()
    elif fit is not None and any(row.error for row in rows):
        kept = [json_line(row) for row in rows if not row.error]
        write_atomically(path, json_line(fit) + b"".join(kept))
