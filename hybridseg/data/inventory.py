"""Inventory: every decision a reader takes about a data set, counted and with the cases named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..images import ImageError, Pixels, read_pixels
from ..text import Progress, printable
from .cases import LESION_FREE_CLASS, Case, DataError, Dataset
from .files import FileCase
from .readers import list_source, split_source


@dataclass
class Inventory:
    """Counts and lists of a data set. Lists are of case ids unless they say otherwise.

    Attributes
    ----------
    name, groups_from, layout : str
    facts : Counter of str
        Cases of which the source tells a fact, by fact.
    missing, lost : list of str
        What a wrong or half download lacks; what can't be told without a table.
    labels, image_modes, mask_modes : Counter of str
        Cases by class, image files and mask files by format and mode (``PNG RGB``).
    n_images, n_masks, n_scenes : int
        Image files, mask files, groups.
    shapes : Counter of str
        Images by shape, ``500 x 600`` (height x width).
    several_masks : list
        More than one mask, joined by OR.
    coloured : list
        Images whose colour channels differ somewhere, made grey.
    mask_values : Counter of str
        Mask files that hold a value, by value (0 left out).
    masks_read : list of str
        How the values are read, in words. Several where a manifest says so for some.
    grey_masks : list
        Masks with other values than 0 and 255.
    ignored : list
        Masks with pixels that count neither as lesion nor as background.
    lesion_free : list
        No mask, or an empty one.
    empty_with_lesion_class, lesion_with_normal_class : list
        Mask and class contradict each other.
    shape_mismatches, unreadable : list of str
        One line a case, with the reason.
    turned : list
        Images with an orientation (EXIF) that was applied.
    images_without_mask, masks_without_image, second_images, strangers, unread_folders : list of str
        Paths inside the folder that make `load_dataset` refuse it. Second images are of a case that has one, which
        alone is read. Strangers are pictures that the layout doesn't know.
    other_size, other_files, hidden : list of str
        Paths inside the folder that are left out.
    joined : list of str
        Patients that share an image to the byte, and so are one group.
    near_duplicates, same_scene_two_labels : list of (str, str), or None
        Pairs that show one frame, and those of them under two classes; None where nobody looked.
    pairs_note : str
        Why nobody looked.
    """

    name: str
    groups_from: str
    layout: str = ""
    n_images: int = 0
    n_masks: int = 0
    n_scenes: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    image_modes: Counter[str] = field(default_factory=Counter)
    mask_modes: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    several_masks: list[str] = field(default_factory=list)
    coloured: list[str] = field(default_factory=list)
    mask_values: Counter[str] = field(default_factory=Counter)
    masks_read: list[str] = field(default_factory=list)
    grey_masks: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    lesion_free: list[str] = field(default_factory=list)
    empty_with_lesion_class: list[str] = field(default_factory=list)
    lesion_with_normal_class: list[str] = field(default_factory=list)
    shape_mismatches: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    images_without_mask: list[str] = field(default_factory=list)
    masks_without_image: list[str] = field(default_factory=list)
    second_images: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    unread_folders: list[str] = field(default_factory=list)
    other_size: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    other_files: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    near_duplicates: list[tuple[str, str]] | None = None
    same_scene_two_labels: list[tuple[str, str]] | None = None
    pairs_note: str = ""

    @property
    def usable(self) -> bool:
        """Whether `load_dataset` takes the folder and every case can be read."""
        return not self.faults

    @property
    def faults(self) -> list[str]:
        """Why `load_dataset` refuses the folder, or which cases can't be read: in words, with their numbers."""
        lists = {
            "files missing": self.missing, "images without a mask": self.images_without_mask,
            "masks without an image": self.masks_without_image, "second images of a case": self.second_images,
            "pictures that the layout doesn't know": self.strangers, "unreadable": self.unreadable,
            "folders that can't be listed": self.unread_folders,
            "masks of another size than their image": self.shape_mismatches,
        }  # fmt: skip
        found = [f"{what} ({len(each)})" for what, each in lists.items() if each]
        return found if found or self.n_images else ["no image with a mask"]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        counters = {name: dict(sorted(v.items())) for name, v in values.items() if isinstance(v, Counter)}
        return {**values, **counters, "usable": self.usable}

    def lines(self, examples: int = 3) -> list[tuple[str, str, str]]:
        """Return (what, count, the first few) for a table."""

        def counted(what: str, found: list[str]) -> tuple[str, str, str]:
            more = ", ..." if len(found) > examples else ""
            return what, str(len(found)), ", ".join(found[:examples]) + more

        def tallied(what: str, found: Counter[str]) -> tuple[str, str, str]:
            text = ", ".join(f"{count} {name or '(none)'}" for name, count in sorted(found.items()))
            return what, str(sum(found.values())), text

        table = [
            ("layout", "", self.layout or "by the names of files and folders"),
            counted("missing", self.missing),
            counted("lost", self.lost),
            tallied("cases by class", self.labels),
            tallied("facts known", self.facts),
            tallied("image files", self.image_modes),
            tallied("mask files", self.mask_modes),
            ("image shapes", str(len(self.shapes)), self._shape_range()),
            counted("several masks, joined by OR", self.several_masks),
            counted("coloured overlays, made grey", self.coloured),
            ("mask values", str(len(self.mask_values)), self._values()),
            ("how they are read", "", " | ".join(self.masks_read)),
            counted("masks with other values than black and white", self.grey_masks),
            counted("masks that ignore pixels", self.ignored),
            counted("turned as their files say", self.turned),
            counted("lesion-free", self.lesion_free),
            counted("empty mask in a class with lesions", self.empty_with_lesion_class),
            counted(f"lesion in class {LESION_FREE_CLASS}", self.lesion_with_normal_class),
            counted("mask of another size than its image", self.shape_mismatches),
            counted("unreadable", self.unreadable),
            counted("images without a mask", self.images_without_mask),
            counted("masks without an image", self.masks_without_image),
            counted("second images of a case, left out", self.second_images),
            counted("pictures that the layout doesn't know", self.strangers),
            counted("folders that can't be listed", self.unread_folders),
            counted("images of another size than their mask, left out", self.other_size),
            counted("patients that share an image, joined", self.joined),
            counted("other files, left out", self.other_files),
            counted("hidden or linked twice, left out", self.hidden),
            ("scenes", str(self.n_scenes), self.groups_from),
        ]
        for what, pairs in (
            ("near-duplicate pairs", self.near_duplicates),
            ("same scene under two classes", self.same_scene_two_labels),
        ):
            if pairs is None:
                table.append((what, "-", self.pairs_note))
            else:
                table.append(counted(what, [f"{a} ~ {b}" for a, b in pairs]))
        return table

    def _values(self) -> str:
        most = self.mask_values.most_common(8)
        more = ", ..." if len(self.mask_values) > len(most) else ""
        return ", ".join(f"{value} in {count} files" for value, count in most) + more

    def _shape_range(self) -> str:
        if not self.shapes:
            return ""
        common = max(self.shapes, key=lambda shape: self.shapes[shape])
        sizes = [tuple(map(int, shape.split(" x "))) for shape in self.shapes]
        low, high = ([pick(size[axis] for size in sizes) for axis in (0, 1)] for pick in (min, max))
        return f"height {low[0]} to {high[0]}, width {low[1]} to {high[1]}, most often {common}"


def take_inventory(
    source: str | os.PathLike[str],
    *,
    pairs: bool = True,
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Inventory:
    """Read every file of a data set and count what a reader decides about it.

    Parameters
    ----------
    source : str or path
        As for `load_dataset`. A folder that it would refuse is counted all the same.
    pairs : bool, default True
        Look for near-duplicates: slow the first time, and needs OpenCV.
    progress : callable, optional
        ``progress(done, total, text)``.
    cache_dir : str or path, optional
        Where the search for near-duplicates keeps what it found.

    Raises
    ------
    DataError
        If nothing is there.
    """
    root, _ = split_source(os.fspath(source))
    listing, survey = list_source(source)
    dataset = listing.dataset

    def inside(paths: Iterable[Path]) -> list[str]:
        return [printable(path.relative_to(root)) for path in paths]

    inventory = Inventory(dataset.name, dataset.groups_in_words, dataset.layout, n_scenes=len(set(dataset.groups)))
    inventory.labels.update(dataset.labels)
    inventory.facts.update(fact for case in dataset for fact in case.facts)
    readings = {case.reading.how for case in dataset if isinstance(case, FileCase) and case.mask_paths}
    inventory.mask_values, inventory.masks_read = survey.files, sorted(readings)
    inventory.missing = list(listing.missing)
    inventory.lost = [listing.lost] if listing.lost else []
    inventory.images_without_mask = inside(listing.images_without_mask)
    inventory.masks_without_image = inside(listing.masks_without_image)
    inventory.strangers = inside(listing.strangers)
    inventory.unread_folders = inside(listing.unread)
    inventory.second_images = inside(path for _, path in listing.twins)
    inventory.other_size = inside(listing.other_size)
    inventory.joined = [f"{a} = {b}" for a, b in listing.joined]
    inventory.hidden = inside(listing.left_out)
    inventory.other_files = inside(listing.other_files)
    readable = []
    for done, case in enumerate(dataset, 1):
        try:
            _count_case(inventory, case)
            readable.append(case.case_id)
        except ImageError as error:
            inventory.unreadable.append(str(error))
        except DataError as error:
            inventory.shape_mismatches.append(str(error))
        if progress is not None:
            progress(done, len(dataset), "reading")
    if pairs:
        _count_pairs(inventory, dataset.select(readable), progress, cache_dir)
    else:
        inventory.pairs_note = "not looked for"
    return inventory


def _count_case(inventory: Inventory, case: Case) -> None:
    inventory.n_images += 1
    if isinstance(case, FileCase):
        inventory.n_masks += len(case.mask_paths)
        if len(case.mask_paths) > 1:
            inventory.several_masks.append(case.case_id)
        pixels = read_pixels(case.image_path)
        inventory.image_modes[_kind(pixels)] += 1
        if pixels.coloured:
            inventory.coloured.append(case.case_id)
        if pixels.turned:
            inventory.turned.append(case.case_id)
        masks = [read_pixels(path) for path in case.mask_paths]
        inventory.mask_modes.update(map(_kind, masks))
        if any(_is_grey(mask) for mask in masks):
            inventory.grey_masks.append(case.case_id)
    if (ignored := case.ignored) is not None and ignored.any():
        inventory.ignored.append(case.case_id)
    image, lesion = case.read()  # again, by the code that everybody else reads with
    inventory.shapes[f"{image.shape[0]} x {image.shape[1]}"] += 1
    if not lesion.any():
        inventory.lesion_free.append(case.case_id)
        if case.label not in ("", LESION_FREE_CLASS):
            inventory.empty_with_lesion_class.append(case.case_id)
    elif case.label == LESION_FREE_CLASS:
        inventory.lesion_with_normal_class.append(case.case_id)


def _count_pairs(
    inventory: Inventory,
    dataset: Dataset,
    progress: Progress | None,
    cache_dir: str | os.PathLike[str] | None,
) -> None:
    try:
        from .duplicates import find_pairs, group_cases

        found = find_pairs(dataset, progress=progress, cache_dir=cache_dir)
    except ImportError as error:
        inventory.pairs_note = f"not looked for: {error}"
        return
    if dataset.ungrouped is not None:
        inventory.n_scenes = len(set(group_cases(dataset, found).values()))
        inventory.groups_from = "near-duplicates joined"
    label = {case.case_id: case.label for case in dataset}
    inventory.near_duplicates = [(pair.case_a, pair.case_b) for pair in found]
    inventory.same_scene_two_labels = [(a, b) for a, b in inventory.near_duplicates if label[a] != label[b]]


def _kind(pixels: Pixels) -> str:
    return f"{pixels.file_format} {pixels.mode}"


def _is_grey(mask: Pixels) -> bool:
    """Whether a mask holds anything but black and white."""
    values = mask.to_values()
    return bool(((values != 0) & (values != mask.white)).any())
