"""Folders of images and masks in nobody's layout, read by the names of files and folders.

- A file under a folder called like `IMAGE_FOLDERS` is an image, under one like `MASK_FOLDERS` a mask. Elsewhere a mask
  is known by its name. It ends in ``_mask``, ``_seg``, ``_segmentation``, ``_tumor``, ``_lesion``, ``_gt`` or
  ``_label`` (a hyphen will do, a number may follow). Or it starts with ``mask_``, ``seg_``, ``gt_`` or ``label_``.
- A mask belongs to the image of the same name less those marks, in the same class folder. ``image_``, ``img_`` or
  ``bus_`` at the image's start doesn't count. Several masks of one image are joined by OR.
- The class is the innermost other folder. An image without a mask is lesion-free in the class ``normal``;
  otherwise it is an error, as is a mask without an image.
- Outlines of other structures (``_other1``) are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cases import CLASSES, LESION_FREE_CLASS, Dataset, natural_key
from ..files import FileCase
from ..listing import Listing
from ..names import (
    CHANNEL,
    IMAGE_FOLDERS,
    IMAGE_START,
    MASK_FOLDERS,
    OTHER_STRUCTURE,
    PARTS,
    image_name,
    is_picture,
    stem_of,
    unmarked,
)


@dataclass(frozen=True)
class _File:
    path: Path
    is_mask: bool
    folders: tuple[str, ...]  # class folders; those that only say image or mask are left out


def list_pairs(root: Path, paths: Sequence[Path]) -> Listing:
    """Sort a folder's files by the rules of this module, without reading a pixel."""
    files, other = _sort_files(root, paths)
    images = [file for file in files if not file.is_mask]
    channels = bool(images) and all(stem_of(file.path).endswith(CHANNEL) for file in images)
    names = {file.path: image_name(stem_of(file.path), channels) for file in images}

    exact: dict[tuple[tuple[str, ...], str], _File] = {}
    loose: dict[tuple[tuple[str, ...], str], list[_File]] = {}
    twins = []
    for file in images:
        first = exact.setdefault((file.folders, names[file.path].casefold()), file)
        if first is not file:
            twins.append((first.path, file.path))
            continue
        loose.setdefault((file.folders, IMAGE_START.sub("", names[file.path]).casefold()), []).append(file)

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
    return Listing(
        Dataset(root.resolve().name, tuple(cases)),
        images_without_mask=tuple(without),
        masks_without_image=tuple(orphans),
        twins=tuple(twins),
        other_files=tuple(other),
    )


def _sort_files(root: Path, paths: Sequence[Path]) -> tuple[list[_File], list[Path]]:
    files, other = [], []
    for path in paths:
        if not is_picture(path):
            other.append(path)
            continue
        parts = path.relative_to(root).parts[:-1]
        lower = [part.lower() for part in parts]
        is_image = any(part in IMAGE_FOLDERS for part in lower)
        is_mask = any(part in MASK_FOLDERS for part in lower)
        if not is_image and not is_mask:
            is_mask = unmarked(stem_of(path)) != stem_of(path)
        if not is_image and not is_mask and OTHER_STRUCTURE.search(stem_of(path)):
            other.append(path)
            continue
        folders = tuple(part for part in parts if part.lower() not in IMAGE_FOLDERS + MASK_FOLDERS)
        files.append(_File(path, is_mask and not is_image, folders))
    return files, other


def _owner(
    mask: _File,
    exact: dict[tuple[tuple[str, ...], str], _File],
    loose: dict[tuple[tuple[str, ...], str], list[_File]],
) -> _File | None:
    """Return a mask's image: of the same name, or less the mask's marks, or less the image's too."""
    keys = [(mask.folders, name.casefold()) for name in (stem_of(mask.path), unmarked(stem_of(mask.path)))]
    for key in keys:
        if key in exact:
            return exact[key]
    candidates = loose.get(keys[-1], [])
    return candidates[0] if len(candidates) == 1 else None


def _label(folders: tuple[str, ...], root: Path, several: bool) -> str:
    name = folders[-1] if folders else root.resolve().name
    if name.casefold() in CLASSES:
        return name.casefold()
    return name if folders and several and name.lower() not in PARTS else ""
