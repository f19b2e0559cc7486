"""Split files: ours, nnU-Net's ``splits_final.json``, and ``train.txt`` with ``val.txt`` or ``test.txt``."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..files import write_atomically
from ..text import printable
from .cases import DataError, Dataset
from .files import FileCase
from .folds import Fold, Split, split_from_rows
from .manifest import parse_rows, read_text
from .names import is_picture, stem_of

COLUMNS = ("case_id", "group", "label", "fold")
_TRAIN_NAMES = ("train.txt", "training.txt")
_VAL_NAMES = ("val.txt", "valid.txt", "validation.txt")
_TEST_NAMES = ("test.txt", "testing.txt")


def write_split(split: Split, path: str | os.PathLike[str], dataset: Dataset | None = None) -> None:
    """Write a split as CSV: ``case_id,group,label,fold``, the fold being the one that tests the case.

    Cases that every fold trains on have an empty fold. With a dataset, columns ``image`` and ``masks`` say which files
    its cases are read from, masks divided by ``;``.

    Raises
    ------
    DataError
        If a case is tested twice or is in neither part of some fold, which this file can't say. Also if the file can't
        be written.
    """
    tested: dict[str, int] = {}
    for number, fold in enumerate(split.folds):
        for case_id in fold.test:
            if case_id in tested:
                raise DataError(f"case `{case_id}` is tested in folds {tested[case_id]} and {number}")
            tested[case_id] = number
    for number, fold in enumerate(split.folds):
        if set(fold.train) != set(split.case_ids) - set(fold.test):
            raise DataError(f"fold {number} doesn't train on every case that it doesn't test")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    files = {case.case_id: case for case in dataset or () if isinstance(case, FileCase)}
    writer.writerow((*COLUMNS, *(("image", "masks") if dataset is not None else ())))
    for case_id in split.case_ids:
        row = [case_id, split.groups.get(case_id, ""), split.labels.get(case_id, ""), str(tested.get(case_id, ""))]
        if dataset is not None:
            case = files.get(case_id)
            row += [str(case.image_path), ";".join(map(str, case.mask_paths))] if case else ["", ""]
        writer.writerow(row)
    try:
        write_atomically(path, stream.getvalue().encode())
    except UnicodeEncodeError:
        raise DataError(f"{printable(path)}: can't hold the names of these cases, some of which aren't UTF-8") from None
    except OSError as error:
        raise DataError(f"{printable(path)}: can't be written: {error.strerror or error}") from error


def parse_split(text: str, name: str) -> Split:
    """Return the split in the text of a file that `write_split` wrote; raise `DataError` if it isn't one."""
    rows = []
    for number, row in parse_rows(text, name, required=("case_id", "fold"), known=COLUMNS):
        if row["fold"] and not (row["fold"].isascii() and row["fold"].isdigit() and len(row["fold"]) <= 3):
            raise DataError(
                f"{name} line {number}: fold must be a number or empty, got `{printable(row['fold'], 300)}`"
            )
        rows.append((row["case_id"], row.get("group", ""), row.get("label", ""), row["fold"]))
    if not any(fold for *_, fold in rows):
        raise DataError(f"{name}: no case is tested in any fold")
    case_id, count = Counter(case_id for case_id, *_ in rows).most_common(1)[0]
    if count > 1:
        raise DataError(f"{name}: case `{printable(case_id, 300)}` is listed {count} times")
    split = split_from_rows(rows)
    if all(group for _, group, *_ in rows) and any(group != case_id for case_id, group, *_ in rows):
        split = replace(split, groups_from="the split file's group column")
    return split


def read_split(path: str | os.PathLike[str], dataset: Dataset, *, skip_unknown: bool = False) -> Split:
    """Read a split file, its names matched with a dataset's cases.

    Parameters
    ----------
    path : str or path
        A CSV that `write_split` wrote, nnU-Net's ``splits_final.json``, a ``train.txt`` beside a ``val.txt`` or
        ``test.txt`` (one name a line), or the folder of these. With all three text files, fold 0 learns from train and
        is scored on val, fold 1 learns from both and is scored on test.
    dataset : Dataset
        A name is a case's id or its image's path or file name, with or without ending; case, blanks and
        punctuation don't count.
    skip_unknown : bool, default False
        Leave names that the dataset doesn't have out, into `Split.unknown`, rather than refuse the file.

    Raises
    ------
    DataError
        If it can't be read, isn't such a file, names an unknown case, or has a fold that tests none.
    """
    path = Path(path)
    if path.is_dir():
        path = _split_in(path)
    kind = path.suffix.lower()
    if kind == ".csv":
        split = parse_split(read_text(path), printable(path))
    elif kind == ".json":
        split = _parse_nnunet(read_text(path), printable(path))
    elif kind == ".txt":
        split = _read_lists(path.parent)
    else:
        raise DataError(f"{printable(path)}: a split is a .csv, nnU-Net's .json or a train.txt beside a val.txt")
    return _matched(split, dataset, printable(path), skip_unknown)


def _split_in(folder: Path) -> Path:
    for name in ("splits_final.json", *_TRAIN_NAMES):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{printable(folder)}: holds neither splits_final.json nor train.txt")


def _parse_nnunet(text: str, name: str) -> Split:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: is not JSON: {error}") from error
    if not isinstance(content, list) or not content:
        raise DataError(f"{name}: expected a list of folds with `train` and `val`")
    folds = []
    for number, fold in enumerate(content):
        parts = [fold.get(key) if isinstance(fold, dict) else None for key in ("train", "val")]
        if not all(isinstance(part, list) and all(isinstance(c, str) for c in part) for part in parts):
            raise DataError(f"{name}: fold {number} must hold lists of names, `train` and `val`")
        folds.append(Fold(*(tuple(part or ()) for part in parts)))
    return Split(tuple(folds))


def _read_lists(folder: Path) -> Split:
    train, val, test = (_read_list(folder, names) for names in (_TRAIN_NAMES, _VAL_NAMES, _TEST_NAMES))
    if train is None or (val is None and test is None):
        raise DataError(f"{printable(folder)}: needs train.txt and val.txt or test.txt")
    folds = []
    if val is not None:
        folds.append(Fold(train, val))
    if test is not None:
        folds.append(Fold(train + (val or ()), test))
    return Split(tuple(folds))


def _read_list(folder: Path, names: Sequence[str]) -> tuple[str, ...] | None:
    for name in names:
        if (folder / name).is_file():
            lines = read_text(folder / name).splitlines()
            return tuple(line.strip() for line in lines if line.strip())
    return None


def _matched(split: Split, dataset: Dataset, name: str, skip_unknown: bool) -> Split:
    """Return the split in the dataset's case ids, with its groups and labels."""
    finder = _Finder(dataset)
    found = {listed: finder.find(listed) for listed in split.case_ids}
    unknown = [listed for listed, case_id in found.items() if case_id is None]
    if unknown and not skip_unknown:
        raise DataError(
            f"{name}: {len(unknown)} of {len(split.case_ids)} names aren't in dataset {dataset.name}, "
            f"for example `{printable(unknown[0], 300)}`"
        )
    meant: dict[str, str] = {}
    for listed, case_id in found.items():
        if case_id is not None and meant.setdefault(case_id, listed) != listed:
            both = f"`{printable(meant[case_id], 300)}` and `{printable(listed, 300)}`"
            raise DataError(f"{name}: {both} are both case `{printable(case_id, 300)}`")
    folds = tuple(Fold(finder.find_all(fold.train), finder.find_all(fold.test)) for fold in split.folds)
    for number, fold in enumerate(folds):
        if not fold.test:
            raise DataError(f"{name}: fold {number} tests no case")
        for part in (fold.train, fold.test):
            case_id, count = Counter(part).most_common(1)[0] if part else ("", 1)
            if count > 1:
                raise DataError(f"{name}: fold {number} names case `{printable(case_id, 300)}` {count} times")
    groups = {case.case_id: case.group for case in dataset}
    if split.groups_from:
        named = ((finder.find(name), group) for name, group in split.groups.items())
        groups = {case_id: group for case_id, group in named if case_id is not None}
    labels = {case.case_id: case.label for case in dataset}
    return Split(folds, groups, labels, tuple(unknown), split.groups_from)


class _Finder:
    """Cases by the names that a split file may give them."""

    def __init__(self, dataset: Dataset) -> None:
        self._exact = {case.case_id for case in dataset}
        self._loose: dict[str, set[str]] = {}
        for case in dataset:
            names = {case.case_id}
            if isinstance(case, FileCase):
                names.add(stem_of(case.image_path))
            for name in names:
                self._loose.setdefault(_plain(name), set()).add(case.case_id)

    def find(self, text: str) -> str | None:
        """Return the one case meant by ``text``, None where there is none or more than one."""
        if text in self._exact:
            return text
        # A line may go on with the mask's path, but a name may hold blanks: only commas and tabs divide.
        path = PurePosixPath(re.split(r"[,\t]", text)[0].strip().replace("\\", "/"))
        if is_picture(Path(path)):
            path = path.with_name(stem_of(Path(path)))
        for name in (str(path), path.name):
            found = self._loose.get(_plain(name), set())
            if len(found) == 1:
                return next(iter(found))
        return None

    def find_all(self, texts: Sequence[str]) -> tuple[str, ...]:
        found = (self.find(text) for text in texts)
        return tuple(case_id for case_id in found if case_id is not None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
