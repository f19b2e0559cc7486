"""Files to arrays and back: grey images as uint8 (H, W), masks as bool (H, W), overlays.

Taken: PNG, JPEG, BMP, TIFF, WebP, DICOM where pydicom is installed, and NIfTI of one 2-D picture where nibabel is. The
content decides, not the name.

- Colour becomes grey with Pillow's weights (ITU-R 601-2: 0.299 R + 0.587 G + 0.114 B): equal channels stay.
- More than 8 bits become 8 by one rule, without looking at the picture. The upper eight bits of the declared range are
  taken, ``v >> 8`` for 16 bits. A stretch from darkest to brightest would give the same tissue another grey in each
  picture, and methods learn from grey values. Data that were 8-bit before they were widened, by 256 or by 257, come
  back as they were. A 16-bit picture whose values all lie below 4096 fills less than a sixteenth of its range. Mostly
  it is 12-bit in truth, so it is refused rather than made black.
- Floats must lie in [0, 1] and become ``round(255 v)``. Signed and 32-bit integers are refused.
- A DICOM picture's window comes before this rule; see `hybridseg.images.dicom`.
- The alpha channel of an image is ignored: the stored colours are what the scanner wrote.
- An EXIF orientation is applied, to images and masks alike: what a viewer shows is what is segmented.
- In a mask a pixel is lesion where its brightest channel is above half the range and it isn't transparent. A
  lossless mask that has no value above `MAX_LABEL` holds label numbers: every one but 0 is lesion.
- A file of several pages or frames is several images: `read_facts` counts them, ``frame`` picks one.
- Files that end too early and the rest are refused with one line.
"""

from __future__ import annotations

from typing import Any

from ..former import deprecated
from ..text import printable
from ..validation import MAX_PIXELS
from .drawing import PREDICTION_COLOUR, TRUTH_COLOUR, overlay
from .pixels import MAX_LABEL, ImageError, Pixels
from .reading import (
    MAX_FILE_BYTES,
    SUFFIXES,
    FileFacts,
    decode,
    decode_image,
    find_facts,
    read_bytes,
    read_facts,
    read_image,
    read_mask,
    read_pixels,
    read_size,
    why_no_image,
)
from .scan import find_scan
from .writing import write_image, write_mask, write_probability

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_LABEL",
    "MAX_PIXELS",
    "PREDICTION_COLOUR",
    "SUFFIXES",
    "TRUTH_COLOUR",
    "FileFacts",
    "ImageError",
    "Pixels",
    "decode",
    "decode_image",
    "find_facts",
    "find_scan",
    "overlay",
    "read_bytes",
    "read_facts",
    "read_image",
    "read_mask",
    "read_pixels",
    "read_size",
    "why_no_image",
    "write_image",
    "write_mask",
    "write_probability",
]

_FORMER = {
    "Facts": ("hybridseg.images.FileFacts", FileFacts),
    "shown": ("hybridseg.text.printable", printable),
}


def __getattr__(name: str) -> Any:
    if name in _FORMER:
        instead, value = _FORMER[name]
        deprecated(f"hybridseg.images.{name}", instead)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
