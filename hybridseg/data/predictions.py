"""Masks made by anybody, found by file name: another tool's output folder, a second reader's outlines.

- Below the folder, a file belongs to the case of the same name, or of that name less what marks a mask. Marks at its
  end are `_mask`, `_seg`, `_pred`, `_prediction`, `_output`, `_0000` and the like (a number may follow). Marks at its
  start are `mask_`, `pred_`, `seg_` and the like. Class folders count where names repeat. Marks go one at a time:
  `img_0000_pred` is case `img_0000` where there is one, else `img`.
- Where a case has marked files and a bare one, the bare one is taken for the image. Marked files of one folder that
  differ in a number (`_mask`, `_mask_1`) are joined by OR; other doubles are refused.
- Folders called like `IMAGE_FOLDERS` and files that aren't images are passed over.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..images import MAX_LABEL, SUFFIXES, ImageError, read_bytes, read_pixels
from ..text import printable
from .cases import Case, DataError, Dataset, natural_key
from .files import FileCase
from .mask_values import BY_FILE, MaskReading, decide_reading, join_ignored, read_mask_as, survey_masks
from .names import CHANNEL, IMAGE_FOLDERS, IMAGE_START, MASK_FOLDERS, is_picture, stem_of, unmarked, walk
from .readers import load_dataset

GREY_SHARE = 0.05
"""A file of which more than this share of pixels is neither dark nor bright is a picture, not a mask."""

_END = re.compile(r"[_-](?:(?:pred|prediction|predicted|out|output|result)(?:_?[0-9]{1,2})?|0000)$", re.IGNORECASE)
_START = re.compile(r"^(?:pred|prediction|predicted|out|output|result)[_-]", re.IGNORECASE)
_NUMBER = re.compile(r"_?[0-9]{1,2}$")


@dataclass(frozen=True)
class Matches:
    """Which files hold the masks of which cases.

    Attributes
    ----------
    files : dict of str to tuple of Path
        By ``case_id``, in the dataset's order; several are joined by OR.
    missing : tuple of str
        Cases without a file.
    extra : tuple of Path
        Images that belong to no case.
    reading : MaskReading
        What the masks' values mean, decided from all of them.
    """

    files: dict[str, tuple[Path, ...]]
    missing: tuple[str, ...]
    extra: tuple[Path, ...]
    reading: MaskReading = BY_FILE


@dataclass(frozen=True)
class MaskCase(Case):
    """A case of which only the ground truth is there; its image reads as black."""

    mask_paths: tuple[Path, ...]
    reading: MaskReading = BY_FILE

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return a black image and the OR of the masks, (H, W)."""
        shape = read_plain_mask(self.mask_paths[0], self.reading).shape
        return np.zeros(shape, np.uint8), read_prediction(self.mask_paths, self.case_id, shape, self.reading)

    @property
    def ignored(self) -> NDArray[np.bool_] | None:
        """Pixels that some mask ignores and none calls lesion, (H, W) bool; None where the reading ignores no value."""
        return join_ignored(self.mask_paths, self.reading)

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over the bytes of the files."""
        digest = hashlib.sha256()
        for path in self.mask_paths:
            digest.update(hashlib.sha256(read_bytes(path)).digest())
        if not self.reading.by_file:
            digest.update(self.reading.how.encode())
        return digest.hexdigest()


def load_truth(source: str | os.PathLike[str]) -> Dataset:
    """Return a dataset as `load_dataset` does; a folder of nothing but masks is taken too.

    Raises
    ------
    DataError
        As `load_dataset`; what it says of a folder that is no dataset and holds no masks either.
    """
    try:
        return load_dataset(source)
    except DataError:
        root = Path(source)
        files = [path for path in walk(root) if is_picture(path)] if root.is_dir() else []
        reading = decide_reading(survey_masks(files))
        if not files or not all(_is_mask(path, root, reading) for path in files):
            raise
    masks: dict[str, list[Path]] = defaultdict(list)
    channels = all(stem_of(path).endswith(CHANNEL) for path in files)  # else _0000 is a number like others
    for path in files:
        name = next((n for n in _shorter(stem_of(path)) if n.endswith(CHANNEL) and not channels), _stem(stem_of(path)))
        masks["/".join((*path.relative_to(root).parts[:-1], name))].append(path)
    for name, paths in masks.items():
        _check_doubles(root, name, [(path, stem_of(path).replace(name.rpartition("/")[2], "*", 1)) for path in paths])
    cases = tuple(MaskCase(name, name, "", tuple(masks[name]), reading) for name in sorted(masks, key=natural_key))
    return Dataset(root.resolve().name, cases, source=os.path.abspath(root))


def _is_mask(path: Path, root: Path, reading: MaskReading) -> bool:
    """Whether a file says that it is a mask, by its name or its folder's, and looks like one."""
    folders = (root.resolve().name, *path.relative_to(root).parts[:-1])
    named = _stem(stem_of(path)) != stem_of(path) or any(folder.lower() in MASK_FOLDERS for folder in folders)
    if not named:
        return False
    try:
        read_plain_mask(path, reading)
    except ImageError:
        return False
    return True


def match_predictions(dataset: Dataset, folder: str | os.PathLike[str]) -> Matches:
    """Return which files below a folder hold masks of a dataset's cases, by the rules of this module.

    Raises
    ------
    DataError
        If there is no such folder, no file fits a case, or two files that can't be told apart fit one.
    """
    return _decided(dataset, *_find(dataset, Path(folder)))


def match_folds(dataset: Dataset, folders: Mapping[int, str], fold_of: Mapping[str, int]) -> Matches:
    """Return which files hold masks of a dataset's cases, where each fold's model has written a folder of its own.

    Parameters
    ----------
    dataset : Dataset
    folders : mapping of int to str
        By fold.
    fold_of : mapping of str to int
        Fold that tests a case, by ``case_id``.

    Raises
    ------
    DataError
        As `match_predictions`, and if a folder has a mask of a case that its fold doesn't test: its model learned from
        that case.
    """
    files: dict[str, tuple[Path, ...]] = {}
    extra: list[Path] = []
    for fold, folder in folders.items():
        found, others = _find(dataset, Path(folder))
        strangers = [case_id for case_id in found if fold_of[case_id] != fold]
        if strangers:
            first = strangers[0]
            raise DataError(
                f"{printable(folder)}: has a mask of `{printable(first)}` ({len(strangers)} such cases), which is for "
                f"{printable(folders[fold_of[first]])}: a case is predicted by the fold that held it out, and no other"
            )
        files.update(found)
        extra += others
    return _decided(dataset, files, extra)


def _find(dataset: Dataset, root: Path) -> tuple[dict[str, tuple[Path, ...]], list[Path]]:
    """Return the files of cases, by ``case_id``, and images that belong to none."""
    if not root.is_dir():
        raise DataError(f"{printable(root)}: no such folder")
    names = _names(dataset)
    found: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    extra = []
    for path in walk(root):
        parts = path.relative_to(root).parts[:-1]
        if not is_picture(path) or any(part.lower() in IMAGE_FOLDERS for part in parts):
            continue
        case_id, mark = _case_of(path, parts, names)
        if case_id is None:
            extra.append(path)
        else:
            found[case_id].append((path, mark))
    files = {}
    for case in dataset:
        candidates = found.get(case.case_id, [])
        chosen = [each for each in candidates if each[1]] or candidates
        extra += [path for path, _ in candidates if path not in {each[0] for each in chosen}]
        _check_doubles(root, case.case_id, chosen)
        if chosen:
            files[case.case_id] = tuple(path for path, _ in chosen)
    if not files:
        theirs = f"`{printable(extra[0].name)}`" if extra else f"none ({', '.join(SUFFIXES)})"
        ours = f"`{printable(dataset[0].case_id)}`" if len(dataset) else "none"
        raise DataError(f"{printable(root)}: no file is called like a case; cases: {ours}..., files: {theirs}...")
    return files, extra


def _decided(dataset: Dataset, found: dict[str, tuple[Path, ...]], extra: list[Path]) -> Matches:
    """Return the masks found, in the dataset's order, with the meaning of their values."""
    files = {case.case_id: found[case.case_id] for case in dataset if case.case_id in found}
    missing = tuple(case.case_id for case in dataset if case.case_id not in files)
    reading = decide_reading(survey_masks(path for paths in files.values() for path in paths))
    return Matches(files, missing, tuple(sorted(extra, key=lambda path: natural_key(str(path)))), reading)


def _check_doubles(root: Path, case_id: str, chosen: list[tuple[Path, str]]) -> None:
    """Raise `DataError` unless one case's files, with their marks, differ in a mark's number alone."""
    marks = [mark for _, mark in chosen]
    apart = len(set(marks)) == len(marks) and len({path.parent for path, _ in chosen}) <= 1
    if not apart or len({_NUMBER.sub("", mark) for mark in marks}) > 1 or (len(marks) > 1 and not marks[0]):
        both = " and ".join(printable(path.relative_to(root)) for path, _ in chosen[:2])
        raise DataError(f"{printable(root)}: {both} are both called like case `{printable(case_id)}`")


def read_prediction(
    paths: tuple[Path, ...], case_id: str, shape: tuple[int, int], reading: MaskReading = BY_FILE
) -> NDArray[np.bool_]:
    """Return the OR of masks in files, bool (H, W).

    Raises
    ------
    ImageError
        If a file can't be read, or is a picture.
    DataError
        If its size isn't the case's.
    """
    mask = np.zeros(shape, np.bool_)
    for path in paths:
        part = read_plain_mask(path, reading)
        if part.shape != shape:
            raise DataError(
                f"case `{printable(case_id)}`: the truth has {shape[0]} x {shape[1]} pixels (rows x columns), "
                f"{printable(path)} {part.shape[0]} x {part.shape[1]}"
            )
        mask |= part
    return mask


def read_plain_mask(path: Path, reading: MaskReading = BY_FILE) -> NDArray[np.bool_]:
    """Read a mask; raise `ImageError` for a grey picture, which would pass for one where no reading is decided."""
    if not reading.by_file:
        return read_mask_as(path, reading)[0]
    pixels = read_pixels(path)
    values = pixels.to_values()
    dark, bright = 32 / 255 * pixels.white, 223 / 255 * pixels.white
    grey = np.count_nonzero((values > dark) & (values < bright)) / values.size
    if (values.max() > MAX_LABEL or values.dtype.kind == "f") and grey > GREY_SHARE:
        raise ImageError(
            f"{printable(path)}: {100 * grey:.0f} % of its pixels are grey: a picture; expected a mask, black and white"
        )
    return read_mask_as(path, reading)[0]


def _shorter(name: str) -> Iterator[str]:
    """Yield a file's name, and the shorter names that remain as marks of a mask are taken off one by one."""
    yield name
    while True:
        before = name
        for less in (unmarked, lambda text: _END.sub("", text), lambda text: _START.sub("", text)):
            if (shorter := less(name)) != name:
                name = shorter
                yield name
        if name == before:
            return


def _stem(name: str) -> str:
    """Return a file's name less every mark of a mask."""
    *_, name = _shorter(name)
    return name


def _keys(case: Case) -> Iterator[str]:
    """Yield the names under which a case may be asked for, the surest first."""
    yield case.case_id
    yield case.case_id.rpartition("/")[2]
    if isinstance(case, FileCase):
        yield stem_of(case.image_path)
        yield from (_stem(stem_of(path)) for path in case.mask_paths)
    yield IMAGE_START.sub("", case.case_id.rpartition("/")[2])


def _names(dataset: Dataset) -> dict[str, str]:
    """Return case_id by name; a name that several cases have is nobody's, unless it is one's case_id."""
    owners: dict[str, set[str]] = defaultdict(set)
    for case in dataset:
        for key in _keys(case):
            owners[key.casefold()].add(case.case_id)
    names = {key: next(iter(ids)) for key, ids in owners.items() if len(ids) == 1}
    return {**names, **{case.case_id.casefold(): case.case_id for case in dataset}}


def _case_of(path: Path, folders: tuple[str, ...], names: dict[str, str]) -> tuple[str | None, str]:
    """Return the case that a file belongs to, and what in its name marks it as a mask."""
    stem = stem_of(path)
    place = [folder for folder in folders if folder.lower() not in MASK_FOLDERS]
    in_mask_folder = len(place) < len(folders)
    for name in _shorter(stem):
        for key in ("/".join((*place, name)), name):
            if key.casefold() in names:
                mark = stem.replace(name, "*", 1) if name != stem else ""
                return names[key.casefold()], mark or ("*" if in_mask_folder else "")
    return None, ""
