"""Names of files and folders: which of them mean images, which mean masks, and a walk through a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..images import SUFFIXES
from ..text import printable
from .cases import DataError, natural_key

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "original", "imagestr", "imagests")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "labelstr", "labelsts", "gt", "ground_truth", "annotations")
PARTS = ("train", "training", "val", "valid", "validation", "test", "testing")
CHANNEL = "_0000"  # nnU-Net numbers the channels of an image, not of its mask
OTHER_STRUCTURE = re.compile(r"[_-]other[0-9]*$", re.IGNORECASE)  # BrEaST outlines cysts' walls and ribs too
IMAGE_START = re.compile(r"^(?:(?:test_)?image|img|bus)[_-]", re.IGNORECASE)

_MARKS = "masks?|seg|segmentation|tumou?r|lesion|gt|labels?"
_MASK_END = re.compile(rf"[_-](?:{_MARKS})(?:_?[0-9]+)?$", re.IGNORECASE)
_MASK_START = re.compile(r"^(?:mask|seg|gt|label)[_-]", re.IGNORECASE)
_IMAGE_END = re.compile(r"[_-](?:image|img)$", re.IGNORECASE)


def walk(root: Path, left_out: list[Path] | None = None, unread: list[Path] | None = None) -> Iterator[Path]:
    """Yield every file below a folder, in natural order, folders behind links included once.

    Parameters
    ----------
    root : Path
    left_out : list of Path, optional
        Hidden files and folders, and folders that a link leads to a second time, are added here.
    unread : list of Path, optional
        Folders that can't be listed are added here. Without it they raise `DataError`.
    """

    def refuse(error: OSError) -> None:
        if unread is None:
            raise DataError(f"{printable(error.filename)}: can't be listed: {error.strerror}")
        unread.append(Path(error.filename))

    seen = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            if left_out is not None:
                left_out.append(Path(folder))
            continue
        seen.add(real)
        if left_out is not None:
            left_out += (Path(folder, name) for name in sorted((*subfolders, *names)) if is_hidden(name))
        subfolders[:] = sorted(name for name in subfolders if not is_hidden(name))
        for name in sorted(names, key=natural_key):
            if not is_hidden(name):
                yield Path(folder, name)


def is_picture(path: Path) -> bool:
    """Whether a file's ending is one of `SUFFIXES`, capitals or not."""
    return path.name.lower().endswith(SUFFIXES)


def stem_of(path: Path) -> str:
    """Return a picture's name without its ending, ``.nii.gz`` being one."""
    return Path(path.stem).stem if path.name.lower().endswith(".nii.gz") else path.stem


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out unseen: its name starts with a dot, or is macOS's ``__MACOSX``."""
    return name.startswith(".") or name == "__MACOSX"


def unmarked(stem: str) -> str:
    """Return a mask's name without what marks it as one."""
    return _MASK_START.sub("", _MASK_END.sub("", stem))


def image_name(stem: str, channels: bool) -> str:
    """Return an image's name without what marks it as one; ``channels``: nnU-Net's ``_0000`` is such a mark."""
    return stem.removesuffix(CHANNEL) if channels else _IMAGE_END.sub("", stem)
