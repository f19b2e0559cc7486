"""Datasets by source: folders in a known layout or read by the names in them, CSV manifests, and phantoms."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path

from ..text import printable
from .cases import GROUPS_ALONE, DataError, Dataset, DataWarning
from .layouts.matching import find_layout, list_sorted
from .layouts.pairs import list_pairs
from .listing import Listing, refuse_faults
from .manifest import read_manifest
from .names import walk


def load_dataset(source: str | os.PathLike[str]) -> Dataset:
    """Return the dataset in a folder or a manifest, or the embedded phantoms.

    Parameters
    ----------
    source : str or path
        A folder (see `hybridseg.data.layouts`), a ``.csv`` manifest, or ``phantoms``, ``phantoms[n=24,seed=0]``.

    Warns
    -----
    DataWarning
        If a table can't be read that the data can be read without.

    Raises
    ------
    DataError
        If nothing is there, a download is incomplete, an image has no mask, a mask no image, or a case two images.
    """
    text = os.fspath(source)
    if text.startswith("phantoms") and not Path(text).exists():
        return replace(_phantoms(text), source=text)
    path = Path(source)
    place = os.path.abspath(text)
    if path.is_dir():
        listing = list_folder(path)
        refuse_faults(listing, path)
        if listing.lost:
            warnings.warn(listing.lost, DataWarning, stacklevel=2)
        return replace(listing.dataset, source=place)
    if path.suffix.lower() == ".csv" and path.is_file():
        return replace(read_manifest(path), source=place)
    reason = "is neither a folder nor a .csv manifest" if path.exists() else "no such folder or manifest"
    raise DataError(f"{printable(path)}: {reason}")


def list_folder(root: str | os.PathLike[str]) -> Listing:
    """Return what is in a folder, by the layout that it has, else by the names in it."""
    root = Path(root)
    left_out: list[Path] = []
    unread: list[Path] = []
    files = list(walk(root, left_out, unread))
    found = find_layout(root, files)
    listing = list_sorted(root, found) if found else list_pairs(root, files)
    dataset = _with_published_groups(listing.dataset)
    return replace(listing, dataset=dataset, left_out=tuple(left_out), unread=tuple(unread))


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
