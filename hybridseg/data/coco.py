"""COCO annotations: the lesions of many images in one JSON file, as polygons or as run lengths (RLE).

Format: cocodataset.org/#format-data. Every annotation is a lesion, whatever its category. An image without one is
lesion-free.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import read_regular
from ..images import read_bytes, read_facts, read_image, write_mask
from ..text import printable
from ..validation import MAX_PIXELS
from .cases import CLASSES, Case, DataError, Dataset, natural_key
from .names import IMAGE_FOLDERS

MAX_COCO_BYTES = 2**28

Segmentation = list[Any] | dict[str, Any]


@dataclass(frozen=True)
class Annotated:
    """An image that annotations name: ``file_name``, its size, and a segmentation and category for each lesion."""

    file_name: str
    height: int
    width: int
    segmentations: tuple[Segmentation, ...] = field(hash=False)
    categories: frozenset[str]

    def mask(self) -> NDArray[np.bool_]:
        """Return the lesions, (H, W) bool.

        Raises
        ------
        DataError
            If a segmentation is neither polygons nor run lengths of this size.
        """
        mask = np.zeros((self.height, self.width), np.bool_)
        for segmentation in self.segmentations:
            try:
                mask |= _decode(segmentation, mask.shape)
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                raise DataError(f"{printable(self.file_name)}: an annotation can't be read: {error}") from None
        return mask


@dataclass(frozen=True)
class CocoCase(Case):
    """An image on disk with its lesions from annotations."""

    image_path: Path
    annotated: Annotated

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return image (H, W) uint8 and mask (H, W) bool.

        Raises
        ------
        ImageError, DataError
            If the image or an annotation can't be read, or the image hasn't the size that the annotations say.
        """
        image, mask = read_image(self.image_path), self.annotated.mask()
        if image.shape != mask.shape:
            raise DataError(
                f"case `{printable(self.case_id)}`: image {printable(self.image_path.name)} has shape {image.shape}, "
                f"its annotations {mask.shape}"
            )
        return image, mask

    @property
    def may_name_patient(self) -> bool:
        """Whether the image is DICOM that may have the patient's name in the picture."""
        return read_facts(self.image_path).burnt_in_text

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over the image's bytes and the annotations."""
        digest = hashlib.sha256(hashlib.sha256(read_bytes(self.image_path)).digest())
        digest.update(json.dumps(self.annotated.segmentations).encode())
        return digest.hexdigest()


def load_coco(path: str | os.PathLike[str]) -> Dataset:
    """Return the images that annotations name, which lie beside the file or in ``images`` there.

    A case's label is its category, where all its annotations have one that is a class; its id is the image's path less
    its ending.

    Raises
    ------
    DataError
        If it isn't such a file, or an image isn't there.
    """
    path = Path(path)
    cases = []
    for each in read_coco(path):
        places = [folder / each.file_name for folder in (path.parent, path.parent / "images")]
        image = next((place for place in places if place.is_file()), None)
        if image is None:
            raise DataError(f"{printable(path)}: there is no image {printable(each.file_name)} beside it or in images/")
        case_id = PurePosixPath(each.file_name).with_suffix("").as_posix()
        (label,) = each.categories if len(each.categories) == 1 else ("",)
        cases.append(CocoCase(case_id, case_id, label if label in CLASSES else "", image, each))
    cases.sort(key=lambda case: natural_key(case.case_id))
    try:
        return Dataset(path.stem, tuple(cases))
    except ValueError as error:
        raise DataError(f"{printable(path)}: {error}") from None


def write_coco_masks(path: str | os.PathLike[str], folder: Path) -> None:
    """Write the annotated images' masks below a folder, as PNGs that are called like the images.

    Raises
    ------
    DataError
        If it isn't such a file.
    """
    for each in read_coco(path):
        name = PurePosixPath(each.file_name)
        parts = [part for part in name.parent.parts if part.lower() not in IMAGE_FOLDERS]
        target = folder.joinpath(*parts, f"{name.stem}_mask.png")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_mask(target, each.mask())


def read_coco(path: str | os.PathLike[str]) -> list[Annotated]:
    """Return the images that a file of annotations names, with their annotations.

    Raises
    ------
    DataError
        If it isn't such a file, or names a file outside its folder.
    """
    path = Path(path)
    try:
        content = json.loads(read_regular(path, MAX_COCO_BYTES))
        categories = {each["id"]: str(each["name"]) for each in content.get("categories", [])}
        lesions: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for each in content["annotations"]:
            if not each.get("segmentation"):
                raise ValueError(f"annotation {each.get('id')} has no outline: a box alone is no mask")
            lesions[each["image_id"]].append(each)
        images = [_annotated(each, lesions.pop(each["id"], []), categories) for each in content["images"]]
        if lesions:
            raise ValueError(f"an annotation is of image {next(iter(lesions))}, which isn't listed")
        if not images:
            raise ValueError("it lists no image")
    except KeyError as error:
        raise DataError(f"{printable(path)}: not COCO annotations: it lacks {error}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{printable(path)}: not COCO annotations: {printable(str(error), 200)}") from None
    return images


def _annotated(image: dict[str, Any], lesions: list[dict[str, Any]], categories: dict[Any, str]) -> Annotated:
    name, height, width = str(image["file_name"]), image["height"], image["width"]
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\\" in name or "\0" in name or not place.name:
        raise ValueError(f"`file_name` must lie in the file's folder, got {name}")
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int) or side < 1:
            raise ValueError(f"{name}: `height` and `width` must be integers of at least 1, got {height} and {width}")
    if height * width > MAX_PIXELS:
        raise ValueError(f"{name}: {height} x {width} pixels are more than {MAX_PIXELS}")
    kinds = frozenset(categories.get(each.get("category_id"), "") for each in lesions)
    return Annotated(name, height, width, tuple(each["segmentation"] for each in lesions), kinds)


def _decode(segmentation: Segmentation, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if isinstance(segmentation, list):
        mask = np.zeros(shape, np.bool_)
        for ring in segmentation:
            mask |= _polygon(ring, shape)
        return mask
    if segmentation["size"] != list(shape):
        raise ValueError(f"its `size` is {segmentation['size']}, the image's {list(shape)}")
    counts = segmentation["counts"]
    runs = np.array(_unpacked(counts) if isinstance(counts, str) else counts)
    if runs.ndim != 1 or runs.dtype.kind != "i" or (runs < 0).any() or runs.sum() != shape[0] * shape[1]:
        raise ValueError(f"its run lengths don't add up to {shape[0] * shape[1]} pixels")
    # Runs go down the columns, and the first is of background.
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(shape, order="F")


def _polygon(ring: list[float], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centre lies in a polygon x, y, x, y...; a pixel's centre is half a pixel in."""
    from skimage import draw

    if len(ring) < 6 or len(ring) % 2 or not all(math.isfinite(value) for value in ring):
        raise ValueError(f"a polygon has at least 3 corners x, y, got {len(ring)} numbers")
    corners = np.array(ring, float).reshape(-1, 2) - 0.5
    mask = np.zeros(shape, np.bool_)
    fill: Any = draw.polygon
    mask[fill(corners[:, 1], corners[:, 0], shape)] = True
    return mask


def _unpacked(text: str) -> list[int]:
    """Return the run lengths in COCO's compressed text: six bits a letter, differences from the run before the last."""
    runs: list[int] = []
    value, shift = 0, 0
    for letter in text.encode("ascii"):
        bits = letter - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("its `counts` aren't compressed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError("its `counts` end in the middle of a number")
    return runs
