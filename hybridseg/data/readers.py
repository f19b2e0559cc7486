"""Datasets by source: folders read by the names in them, CSV manifests, and phantoms.

One rule reads BUSI as it is unzipped, ``<name>_image.png`` beside ``<name>_mask.png``, and ``images/`` with
``masks/``:

- A file under a folder called like `IMAGE_FOLDERS` is an image, under one like `MASK_FOLDERS` a mask.
  Elsewhere a mask is known by its name: ``_mask``, ``_seg``, ``_segmentation``, ``_tumor``, ``_lesion``,
  ``_gt`` or ``_label`` at its end (a hyphen will do, a number may follow), or ``mask_``, ``seg_``, ``gt_`` or
  ``label_`` at its start.
- A mask belongs to the image of the same name less those marks (and less ``image_``, ``img_`` or ``bus_`` at
  the image's start), in the same class folder. Several masks of one image are joined by OR.
- The class is the innermost other folder. An image without a mask is lesion-free in the class ``normal``;
  otherwise it is an error, as is a mask without an image.
- Hidden files are left out; so are outlines of other structures (``_other1``).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..images import SUFFIXES
from ..text import printable
from .cases import CLASSES, GROUPS_ALONE, LESION_FREE_CLASS, DataError, Dataset, natural_key
from .files import FileCase
from .manifest import read_manifest

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "original", "imagestr", "imagests")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "labelstr", "labelsts", "gt", "ground_truth", "annotations")

_PARTS = ("train", "training", "val", "valid", "validation", "test", "testing")
_MARKS = "masks?|seg|segmentation|tumou?r|lesion|gt|labels?"
_MASK_END = re.compile(rf"[_-](?:{_MARKS})(?:_?[0-9]+)?$", re.IGNORECASE)
_MASK_START = re.compile(r"^(?:mask|seg|gt|label)[_-]", re.IGNORECASE)
_IMAGE_END = re.compile(r"[_-](?:image|img)$", re.IGNORECASE)
_IMAGE_START = re.compile(r"^(?:(?:test_)?image|img|bus)[_-]", re.IGNORECASE)
_CHANNEL = "_0000"  # nnU-Net numbers the channels of an image, not of its mask
_OTHER_STRUCTURE = re.compile(r"[_-]other[0-9]*$", re.IGNORECASE)  # BrEaST outlines cysts' walls and ribs too


@dataclass(frozen=True)
class Scan:
    """What a folder holds, before it is decided whether that is a dataset.

    Attributes
    ----------
    dataset : Dataset
        The images that have a mask or are of the lesion-free class.
    images_without_mask, masks_without_image, other_files : tuple of Path
        What is left: the first two make `load_dataset` refuse the folder.
    hidden : tuple of Path
        Hidden files and folders, and macOS's ``__MACOSX``: never looked into.
    twins : tuple of (Path, Path)
        A case's image and another file that could be it too: makes `load_dataset` refuse the folder.
    """

    dataset: Dataset
    images_without_mask: tuple[Path, ...]
    masks_without_image: tuple[Path, ...]
    other_files: tuple[Path, ...]
    hidden: tuple[Path, ...] = ()
    twins: tuple[tuple[Path, Path], ...] = ()


@dataclass(frozen=True)
class _File:
    path: Path
    is_mask: bool
    folders: tuple[str, ...]  # class folders; those that only say image or mask are left out


def load_dataset(source: str | os.PathLike[str]) -> Dataset:
    """Return the dataset in a folder or a manifest, or the embedded phantoms.

    Parameters
    ----------
    source : str or path
        A folder (see this module's text), a ``.csv`` manifest, or ``phantoms``, ``phantoms[n=24,seed=0]``.

    Raises
    ------
    DataError
        If nothing is there, an image has no mask, a mask no image, or a case two images.
    """
    text = os.fspath(source)
    if text.startswith("phantoms") and not Path(text).exists():
        return replace(_phantoms(text), source=text)
    path = Path(source)
    place = os.path.abspath(text)
    if path.is_dir():
        scan = scan_folder(path)
        _refuse_leftovers(scan, path)
        return replace(scan.dataset, source=place)
    if path.suffix.lower() == ".csv" and path.is_file():
        return replace(read_manifest(path), source=place)
    reason = "is neither a folder nor a .csv manifest" if path.exists() else "no such folder or manifest"
    raise DataError(f"{printable(path)}: {reason}")


def scan_folder(root: str | os.PathLike[str]) -> Scan:
    """Return what is in a folder by the rules of this module, without reading a pixel."""
    root = Path(root)
    hidden: list[Path] = []
    files, other = _sort_files(root, hidden)
    images = [file for file in files if not file.is_mask]
    channels = bool(images) and all(file.path.stem.endswith(_CHANNEL) for file in images)
    names = {file.path: _image_name(file.path.stem, channels) for file in images}

    exact: dict[tuple[tuple[str, ...], str], _File] = {}
    loose: dict[tuple[tuple[str, ...], str], list[_File]] = {}
    twins = []
    for file in images:
        first = exact.setdefault((file.folders, names[file.path].casefold()), file)
        if first is not file:
            twins.append((first.path, file.path))
            continue
        loose.setdefault((file.folders, _IMAGE_START.sub("", names[file.path]).casefold()), []).append(file)

    masks: dict[Path, list[Path]] = {}
    orphans = []
    for file in files:
        if file.is_mask:
            owner = _owner(file, exact, loose)
            if owner is None:
                orphans.append(file.path)
            else:
                masks.setdefault(owner.path, []).append(file.path)

    images = list(exact.values())
    folders = {file.folders for file in images}
    unique = max(Counter(names[file.path] for file in images).values(), default=0) == 1
    cases, without = [], []
    for file in images:
        label = _label(file.folders, root, several=len(folders) > 1)
        if file.path not in masks and label.casefold() != LESION_FREE_CLASS:
            without.append(file.path)
            continue
        case_id = names[file.path] if unique else "/".join((*file.folders, names[file.path]))
        found = sorted(masks.get(file.path, []), key=lambda path: natural_key(path.name))
        cases.append(FileCase(case_id, case_id, label, file.path, tuple(found)))
    cases.sort(key=lambda case: natural_key(case.case_id))
    dataset = _with_published_groups(Dataset(root.resolve().name, tuple(cases)))
    return Scan(dataset, tuple(without), tuple(orphans), tuple(other), tuple(hidden), tuple(twins))


def _phantoms(text: str) -> Dataset:
    match = re.fullmatch(r"phantoms(?:\[([^\[\]]*)\])?", text)
    values = {"n": 24, "seed": 0}
    for part in ((match[1] or "") if match else "=").split(","):
        if not part.strip() and match:
            continue
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in values or not re.fullmatch(r"[0-9]{1,9}", number):
            raise DataError(f"phantoms are written `phantoms` or `phantoms[n=24,seed=0]`, got {printable(text)}")
        values[name] = int(number)
    from .phantoms import phantom_dataset

    return phantom_dataset(n=values["n"], seed=values["seed"])


def _refuse_leftovers(scan: Scan, root: Path) -> None:
    """Raise `DataError` unless there are images, one a case, every image has its mask and every mask its image."""
    if scan.twins:
        both = " and ".join(printable(path.name) for path in scan.twins[0])
        raise DataError(f"{printable(root)}: {both} are one case's image")
    for paths, lack, hint in (
        (scan.images_without_mask, "has no mask", "; list lesion-free images in a manifest"),
        (scan.masks_without_image, "is a mask without an image", ""),
    ):
        if paths:
            first = printable(paths[0].relative_to(root))
            raise DataError(f"{printable(root)}: {first} {lack} ({len(paths)} such files){hint}")
    if not scan.dataset.cases:
        raise DataError(f"{printable(root)}: holds no image ({', '.join(SUFFIXES)})")


def _walk(root: Path, hidden: list[Path] | None = None) -> Iterator[Path]:
    """Yield every file, hidden ones left out (and listed), folders behind links included once."""
    seen = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        if hidden is not None:
            hidden += (Path(folder, name) for name in sorted((*subfolders, *names)) if _is_hidden(name))
        subfolders[:] = sorted(name for name in subfolders if not _is_hidden(name))
        for name in sorted(names, key=natural_key):
            if not _is_hidden(name):
                yield Path(folder, name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _sort_files(root: Path, hidden: list[Path]) -> tuple[list[_File], list[Path]]:
    files, other = [], []
    for path in _walk(root, hidden):
        if path.suffix.lower() not in SUFFIXES:
            other.append(path)
            continue
        parts = path.relative_to(root).parts[:-1]
        lower = [part.lower() for part in parts]
        is_image = any(part in IMAGE_FOLDERS for part in lower)
        is_mask = any(part in MASK_FOLDERS for part in lower)
        if not is_image and not is_mask:
            is_mask = _unmarked(path.stem) != path.stem
        if not is_image and not is_mask and _OTHER_STRUCTURE.search(path.stem):
            other.append(path)
            continue
        folders = tuple(part for part in parts if part.lower() not in IMAGE_FOLDERS + MASK_FOLDERS)
        files.append(_File(path, is_mask and not is_image, folders))
    return files, other


def _unmarked(stem: str) -> str:
    """Return a mask's name without what marks it as one."""
    return _MASK_START.sub("", _MASK_END.sub("", stem))


def _image_name(stem: str, channels: bool) -> str:
    return stem.removesuffix(_CHANNEL) if channels else _IMAGE_END.sub("", stem)


def _owner(
    mask: _File,
    exact: dict[tuple[tuple[str, ...], str], _File],
    loose: dict[tuple[tuple[str, ...], str], list[_File]],
) -> _File | None:
    """Return a mask's image: of the same name, or less the mask's marks, or less the image's too."""
    keys = [(mask.folders, name.casefold()) for name in (mask.path.stem, _unmarked(mask.path.stem))]
    for key in keys:
        if key in exact:
            return exact[key]
    candidates = loose.get(keys[-1], [])
    return candidates[0] if len(candidates) == 1 else None


def _label(folders: tuple[str, ...], root: Path, several: bool) -> str:
    name = folders[-1] if folders else root.resolve().name
    if name.casefold() in CLASSES:
        return name.casefold()
    return name if folders and several and name.lower() not in _PARTS else ""


def _with_published_groups(dataset: Dataset) -> Dataset:
    """Take groups from the published BUSI split if every case is called as in BUSI and some are listed."""
    from .splits import PUBLISHED, published_groups

    if not all(re.fullmatch(rf"{re.escape(case.label)} \([0-9]+\)", case.case_id) for case in dataset):
        return dataset
    groups = published_groups()
    listed = sum(case.case_id in groups for case in dataset)
    if not listed:
        return dataset
    source = PUBLISHED
    if listed < len(dataset):
        source += f" for {listed} of {len(dataset)}, else {GROUPS_ALONE}"
    return dataset.regrouped(groups, source)
