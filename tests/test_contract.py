"""Every installed method keeps the contract: the shipped checks, over the whole registry."""

from __future__ import annotations

import importlib.util

import pytest

import hybridseg
from hybridseg.checks import parametrize_with_checks
from hybridseg.registry import MethodLoadError

# Parameters that keep fitting short; what is checked doesn't depend on them.
QUICK = {
    "random-forest": "random-forest[n_trees=4]",
    "pixel-forest": "pixel-forest[n_trees=4,max_depth=6]",
    "unet": "unet[encoder=none,size=64,width=2,epochs=1,pretrained=False,flip_averaging=False]",
}
NEEDS = {"unet": ("keras", "tensorflow")}


def missing(name):
    return [package for package in NEEDS.get(name, ()) if importlib.util.find_spec(package) is None]


def loadable():
    methods = []
    for name in hybridseg.available():
        if not missing(name):
            try:
                methods.append(hybridseg.create(QUICK.get(name, name)))
            except MethodLoadError:
                continue  # test_method_loads fails with the reason
    return methods


@pytest.mark.parametrize("name", hybridseg.available())
def test_method_loads(name):
    if missing(name):
        pytest.skip(f"{name} needs {' and '.join(missing(name))}: pip install 'hybridseg[train]'")
    assert isinstance(hybridseg.create(QUICK.get(name, name)), hybridseg.Segmenter)


@parametrize_with_checks(loadable())
def test_contract(check):
    check()
