"""Small methods that work, fail or die, and `bench` over them."""

from __future__ import annotations

import csv
from pathlib import Path

from click.testing import CliRunner

from hybridseg.cli import main

METHODS = '''
import os
import time

import numpy as np
from hybridseg import Segmenter, Tags


class Dark(Segmenter):
    """Dark pixels; learns how dark, and takes its time if told to."""

    tags = Tags(requires_fit=True)

    def __init__(self, *, seconds=0.0):
        self.seconds = seconds

    def _fit(self, images, masks, *, groups, validation, progress):
        self.level_ = float(np.mean([image[mask].mean() for image, mask in zip(images, masks) if mask.any()]))

    def _predict_proba(self, image):
        time.sleep(self.seconds)
        return (image < self.level_).astype(np.float32)


class Nothing(Segmenter):
    """No lesion anywhere."""

    def _predict_proba(self, image):
        return np.zeros(image.shape, np.float32)


class Sulky(Segmenter):
    """Fails on every other image."""

    def _predict_proba(self, image):
        if image.sum() % 2:
            raise RuntimeError("an odd\\nimage")
        return np.zeros(image.shape, np.float32)


class Broken(Segmenter):
    """Can't be fitted."""

    tags = Tags(requires_fit=True)

    def _fit(self, images, masks, **rest):
        raise ValueError("no idea how")

    def _predict_proba(self, image):
        raise AssertionError("never reached")


class Unsaved(Dark):
    """Learns what can't be saved, or finds the disk full."""

    def __init__(self, *, seconds=0.0, disk_full=False):
        self.seconds = seconds
        self.disk_full = disk_full

    def _fit(self, *given, **rest):
        super()._fit(*given, **rest)
        self.tree_ = []
        self.tree_.append(self.tree_)

    def save(self, path):
        path.write_bytes(b"half")
        if self.disk_full:
            raise OSError(28, "No space left on device", str(path))
        super().save(path)


class Fatal(Segmenter):
    """Takes its process with it."""

    def _predict_proba(self, image):
        os.kill(os.getpid(), 9)
'''


DATA = "phantoms[n=12,seed=0]"


TIMES = {"predict_ms"}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open() as stream:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(stream)]


def bench(*arguments: object):
    return CliRunner().invoke(main, ["bench", "--data", DATA, "--no-cost", *map(str, arguments)], prog_name="hybridseg")
