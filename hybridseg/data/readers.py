"""Datasets by source: folders in a known layout or read by the names in them, CSV manifests, and phantoms."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path

from ..text import printable
from .cases import DataError, Dataset, DataWarning, Ungrouped
from .coco import load_coco
from .files import FileCase
from .layouts.matching import find_layout, list_sorted
from .layouts.pairs import list_pairs
from .listing import Listing, refuse_faults
from .manifest import read_manifest
from .mask_values import BY_FILE, MaskReading, Survey, decide_reading, given_reading, survey_masks
from .names import walk


def load_dataset(source: str | os.PathLike[str]) -> Dataset:
    """Return the dataset in a folder or a manifest, or the embedded phantoms.

    What the values in masks mean is decided from all masks together: see `hybridseg.data.mask_values`.

    Parameters
    ----------
    source : str or path
        A folder (see `hybridseg.data.layouts`), a ``.csv`` manifest, COCO annotations in a ``.json`` file (see
        `hybridseg.data.coco`), or ``phantoms``, ``phantoms[n=24,seed=0]``. After a folder or manifest,
        ``[lesion=1;2,ignore=255]`` says which mask values are lesion and which are ignored.

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
    listing, _ = list_source(source)
    path, given = split_source(text)
    if path.is_dir():
        refuse_faults(listing, path)
    if listing.lost:
        warnings.warn(listing.lost, DataWarning, stacklevel=2)
    if not _is_phantoms(text):
        text = os.path.abspath(path) + (text[text.rindex("[") :] if given else "")
    return replace(listing.dataset, source=text)


def list_source(source: str | os.PathLike[str]) -> tuple[Listing, Survey]:
    """Return the listing of a data set, faults included, and the values in its masks.

    Raises
    ------
    DataError
        If nothing is there, or a manifest is faulty.
    """
    text = os.fspath(source)
    path, given = split_source(text)
    if _is_phantoms(text):
        return Listing(_phantoms(text)), Survey()
    if path.is_dir():
        listing = list_folder(path)
    elif path.suffix.lower() == ".csv" and path.is_file():
        listing = Listing(read_manifest(path))
    elif path.suffix.lower() == ".json" and path.is_file():
        listing = Listing(load_coco(path))
    else:
        wrong = "is neither a folder, a .csv manifest nor COCO annotations in .json"
        reason = wrong if path.exists() else "no such folder or manifest"
        raise DataError(f"{printable(path)}: {reason}")
    cases = listing.dataset.cases
    open_ = [case for case in cases if isinstance(case, FileCase) and (given or case.reading == BY_FILE)]
    survey = survey_masks(mask for case in open_ for mask in case.mask_paths)
    reading = given or decide_reading(survey)
    chosen = {case.case_id: replace(case, reading=reading) for case in open_}
    dataset = replace(listing.dataset, cases=tuple(chosen.get(case.case_id, case) for case in cases))
    return replace(listing, dataset=dataset), survey


def split_source(text: str) -> tuple[Path, MaskReading | None]:
    """Return the folder or manifest in a source's text, and the reading of masks that it asks for.

    Raises
    ------
    DataError
        If the brackets hold anything but ``lesion`` and ``ignore``.
    """
    match = re.fullmatch(r"(.+?)\[([^\[\]]*)\]", text, re.DOTALL)
    if match is None or Path(text).exists() or _is_phantoms(text):
        return Path(text), None
    values = {"lesion": "", "ignore": ""}
    for part in match[2].split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in values or not equals:
            got = printable(match[2])
            raise DataError(f"{printable(match[1])}: expected [lesion=VALUES,ignore=VALUES], got [{got}]")
        values[name] = value
    return Path(match[1]), given_reading(values["lesion"], values["ignore"], printable(match[1]))


def list_folder(root: str | os.PathLike[str]) -> Listing:
    """Return the listing of a folder, by its layout, else by the names in it."""
    root = Path(root)
    left_out: list[Path] = []
    unread: list[Path] = []
    files = list(walk(root, left_out, unread))
    found = find_layout(root, files)
    listing = list_sorted(root, found) if found else list_pairs(root, files)
    dataset = _with_published_groups(listing.dataset)
    return replace(listing, dataset=dataset, left_out=tuple(left_out), unread=tuple(unread))


def _is_phantoms(text: str) -> bool:
    return text.startswith("phantoms") and not Path(text).exists()


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
    if listed == len(dataset):
        return dataset.regrouped(groups, PUBLISHED)
    return dataset.regrouped(groups, f"{PUBLISHED} for {listed} of {len(dataset)}", Ungrouped.UNASKED)
