"""Predicted masks in a run folder: a PNG of one bit per pixel beside each row, for whoever wants to look.

A mask is written before its row, so that a row's mask is there whatever interrupts the run. Rows of runs that kept no
masks are as good as others: nothing is scored from these files.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..files import read_regular, write_atomically
from .records import Record, RunFolder
from .sound import MAX_FILE_BYTES


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask, (H, W) bool, as a PNG of one bit per pixel."""
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, format="PNG")
    return stream.getvalue()


def write_row_mask(folder: RunFolder, stem: str, case_id: str, png: bytes) -> None:
    """Keep what `encode_mask` made as the mask of a case in the cell whose files are called ``stem``."""
    path = folder.mask(stem, case_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, png)


def read_row_mask(folder: RunFolder, stem: str, row: Record) -> NDArray[np.bool_] | None:
    """Return the mask that a row was scored from, (H, W) bool.

    None where there is none, or where the file isn't the row's: another size or another number of pixels.
    """
    try:
        png = read_regular(folder.mask(stem, row.case_id), MAX_FILE_BYTES)
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            if picture.mode != "1" or picture.size != (row.width, row.height):
                return None
            mask = np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # whatever Pillow makes of a damaged file
        return None
    uncounted = int(np.count_nonzero(mask)) - row.tp - row.fp
    return mask if 0 <= uncounted <= row.ignored else None
