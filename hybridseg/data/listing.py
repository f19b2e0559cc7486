"""The files of a folder, before it is decided whether they are a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..images import SUFFIXES
from ..text import printable
from .cases import DataError, Dataset


@dataclass(frozen=True)
class Listing:
    """Files of a folder, sorted by kind.

    Attributes
    ----------
    dataset : Dataset
        The images that have a mask or are of the lesion-free class.
    images_without_mask, masks_without_image, strangers, unread : tuple of Path
        Each makes `refuse_faults` refuse the folder. Strangers are pictures that the layout doesn't know, and
        ``unread`` are folders that can't be listed.
    twins : tuple of (Path, Path)
        A case's image and another file that could be it too. The folder is refused.
    missing : tuple of str
        What a wrong or half download lacks, a line each. The folder is refused.
    other_files, left_out, other_size : tuple of Path
        Left out are files that are no picture or outline something else, and files that are hidden or linked twice. So
        are images of another size than their mask, in a release that is known for it.
    lost : str
        What can't be told without a table that isn't there or can't be read, in a line; empty if nothing is lost.
    joined : tuple of (str, str)
        Patients that share an image to the byte, and so are one group.
    """

    dataset: Dataset
    images_without_mask: tuple[Path, ...] = ()
    masks_without_image: tuple[Path, ...] = ()
    strangers: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()
    twins: tuple[tuple[Path, Path], ...] = ()
    missing: tuple[str, ...] = ()
    other_files: tuple[Path, ...] = ()
    left_out: tuple[Path, ...] = ()
    other_size: tuple[Path, ...] = ()
    lost: str = ""
    joined: tuple[tuple[str, str], ...] = ()


def refuse_faults(listing: Listing, root: Path) -> None:
    """Raise `DataError` unless there are images, one a case, every image has its mask and every mask its image."""
    if listing.missing:
        more = f" ({len(listing.missing)} such faults)" if len(listing.missing) > 1 else ""
        raise DataError(f"{printable(root)}: {listing.missing[0]}{more}")
    if listing.twins:
        both = " and ".join(printable(path.name) for path in listing.twins[0])
        raise DataError(f"{printable(root)}: {both} are one case's image")
    layout = listing.dataset.layout
    for paths, lack, hint in (
        (listing.unread, "can't be listed", ""),
        (listing.images_without_mask, "has no mask", "; list lesion-free images in a manifest"),
        (listing.masks_without_image, "is a mask without an image", ""),
        (listing.strangers, f"is neither an image nor a mask of {layout}", ""),
    ):
        if paths:
            first = printable(paths[0].relative_to(root))
            raise DataError(f"{printable(root)}: {first} {lack} ({len(paths)} such files){hint}")
    if not listing.dataset.cases:
        raise DataError(f"{printable(root)}: holds no image ({', '.join(SUFFIXES)})")
