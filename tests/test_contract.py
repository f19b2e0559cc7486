"""Every installed method keeps the contract: the shipped checks, over the whole registry."""

from __future__ import annotations

import importlib.util

import pytest

import hybridseg
from hybridseg.checks import parametrize_with_checks
from hybridseg.conformance.subject import training_set
from hybridseg.registry import MethodLoadError

# Parameters that keep fitting short; what is checked doesn't depend on them.
QUICK = {
    "random-forest": "random-forest[n_trees=4]",
    "pixel-forest": "pixel-forest[n_trees=4,max_depth=6]",
    "unet": "unet[encoder=none,size=64,width=2,epochs=1,pretrained=False,flip_averaging=False]",
}
KNOWN_NETWORKS = {
    "unet-2015": 32, "attention-unet": 32, "unet-plus-plus": 32, "deep-unet": 64, "unext": 64, "cmunext-s": 32,
    "cmunext": 32, "mobilenetv2-unet": 32,
}  # fmt: skip
"""The smallest ``size`` of each."""
for network, size in KNOWN_NETWORKS.items():
    QUICK[network] = f"{network}[width=1,size={size},epochs=1,flip_averaging=False]"
NEEDS = dict.fromkeys(("unet", *KNOWN_NETWORKS), ("keras", "tensorflow"))


def missing(name):
    return [package for package in NEEDS.get(name, ()) if importlib.util.find_spec(package) is None]


def loadable(names):
    methods = []
    for name in names:
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


@parametrize_with_checks(loadable(name for name in hybridseg.available() if name not in KNOWN_NETWORKS))
def test_contract(check):
    check()


@pytest.fixture
def eagerly():
    """Don't trace what each new network computes: that takes longer than the few steps it saves time on."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", KNOWN_NETWORKS)
@pytest.mark.usefixtures("eagerly")
def test_known_network_learns_and_is_exported(name, tmp_path):
    if missing(name):
        pytest.skip(f"{name} needs {' and '.join(missing(name))}: pip install 'hybridseg[train]'")
    images, masks = training_set()
    model = hybridseg.create(QUICK[name]).fit(images, masks)
    model.save(tmp_path / "model.hybridseg")
    report = hybridseg.load(tmp_path / "model.hybridseg").to_onnx(tmp_path / "model.onnx")
    assert report.differing_pixels <= model.tags.max_differing_pixels * report.pixels


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@parametrize_with_checks(loadable(KNOWN_NETWORKS))
def test_known_network_keeps_the_contract(check):
    check()
