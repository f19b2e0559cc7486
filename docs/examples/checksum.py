"""Print for one image what `segment.mjs` prints: size, pixels in the mask, and its FNV-1a checksum.

python checksum.py model.onnx scan.png
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from hybridseg import OnnxSegmenter


def fnv1a(data: bytes) -> str:
    """Return the 32-bit FNV-1a hash as eight hexadecimal digits."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{value:08x}"


def main() -> None:
    """Segment the image named on the command line."""
    if len(sys.argv) != 3:
        sys.exit("usage: python checksum.py model.onnx scan.png")
    image = np.asarray(Image.open(sys.argv[2]).convert("L"))
    mask = OnnxSegmenter.load(sys.argv[1]).predict(image)
    height, width = image.shape
    print(f"{width}x{height} lesion pixels {mask.sum()} checksum {fnv1a(mask.astype('uint8').tobytes())}")


if __name__ == "__main__":
    main()
