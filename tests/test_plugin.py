"""A method in a package of its own: installed as a stranger would, found by name, and never in another's way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hybridseg
from hybridseg.cli.bench import default_methods
from hybridseg.data import load_dataset
from hybridseg.images import read_mask, write_image

EXAMPLE = Path(__file__).resolve().parent / "example_plugin"
NAME = "dark-where-seen"

BROKEN = {
    "lacks-a-package": ("hybridseg_lacks", "import a_package_that_nobody_has"),
    "raises": ("hybridseg_raises", "raise RuntimeError('no licence key')"),
    "leaves": ("hybridseg_leaves", "raise SystemExit(3)"),
    "no-segmenter": ("hybridseg_plain", "class Method: ..."),
    "no-such-name": ("hybridseg_empty", ""),
}
"""Method -> module that offers it, and the module's source."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example is installed in, by pip, without the network."""
    return install(EXAMPLE, tmp_path_factory.mktemp("plugin"))


def install(example: Path, folder: Path) -> Path:
    """Return where a copy of an example package is installed, by pip, without the network."""
    source = shutil.copytree(example, folder / "source")  # building leaves files beside the source
    target = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index",
               "--disable-pip-version-check", "--no-input", "--quiet", "--target", target, source]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def offer(folder: Path, distribution: str, name: str, module: str, source: str) -> None:
    """Install by hand a distribution that offers one method."""
    metadata = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[hybridseg.segmenters]\n{name} = {module}:Method\n")
    (folder / f"{module}.py").write_text(source)


def run(*arguments: object, site: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "hybridseg", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_example_is_listed_with_its_package_and_first_sentence(installed: Path, tmp_path: Path) -> None:
    done = run("methods", site=installed, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    row = next(line for line in done.stdout.splitlines() if line.startswith(NAME))
    said = " ".join(row.split())
    assert said == f"{NAME} hybridseg-example yes no Dark pixels where the training set has its lesions"
    assert NAME in run("methods", "--names", site=installed, cwd=tmp_path).stdout.split()


def test_example_is_benchmarked_like_any_other_method(installed: Path, tmp_path: Path) -> None:
    done = run("bench", "--data", "phantoms[n=6]", "--folds", 2, "-m", NAME, "-m", f"{NAME}[cells=4]",
               "--format", "json", "-o", "run", site=installed, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [
        json.loads(line)
        for path in (tmp_path / "run" / "cells").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert len([row for row in rows if row.get("case_id") and not row.get("error")]) == 12
    assert {NAME, f"{NAME}[cells=4]"} <= set(json.dumps(json.loads(done.stdout)).replace('"', " ").split())


def test_example_is_trained_saved_and_used_from_the_command_line(installed: Path, tmp_path: Path) -> None:
    done = run("fit", NAME, "--data", "phantoms[n=4]", "-o", "own.hybridseg", site=installed, cwd=tmp_path)
    assert done.stdout == "own.hybridseg: DarkWhereSeenSegmenter() fitted on 4 cases of phantoms\n", done.stderr
    image, _ = load_dataset("phantoms[n=1,seed=5]")[0].read()
    write_image(tmp_path / "scan.png", image)
    done = run("segment", "-m", "own.hybridseg", "scan.png", site=installed, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert read_mask(tmp_path / "scan_mask.png").shape == image.shape
    untrained = run("segment", "-m", NAME, "scan.png", "-o", "out", site=installed, cwd=tmp_path)
    assert untrained.returncode == 2
    assert f"method `{NAME}` must be trained first" in untrained.stderr


def test_example_keeps_the_contract_and_learns(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    model = hybridseg.create(f"{NAME}[cells=2]")
    report = hybridseg.check_segmenter(model)
    assert report.skipped["onnx_export"].endswith("it is an example")
    image = np.full((4, 4), 51, np.uint8)  # darkness 1 - 51 / 255 = 0.8
    mask = np.zeros((4, 4), bool)
    mask[:2, 2:] = True  # the upper right of 2 x 2 cells
    model.fit([image], [mask])
    np.testing.assert_allclose(model.predict_proba(image), np.where(mask, 0.8, 0), rtol=1e-6)
    np.testing.assert_array_equal(model.predict(image), mask)
    model.save(tmp_path / "own.hybridseg")
    loaded = hybridseg.load(tmp_path / "own.hybridseg")
    assert (type(loaded).__name__, loaded.get_params()) == ("DarkWhereSeenSegmenter", {"cells": 2})
    np.testing.assert_array_equal(loaded.predict(image), mask)


def test_example_network_trains_is_saved_and_exported(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow")
    monkeypatch.syspath_prepend(installed)
    training = load_dataset("phantoms[n=6,seed=1]")
    images, masks = zip(*(case.read() for case in training), strict=True)
    model = hybridseg.create("small-network[filters=2,size=32,epochs=1,validation_share=0.4]")
    assert repr(model) == "SmallNetworkSegmenter(epochs=1, filters=2, size=32, validation_share=0.4)"
    model.fit(images, masks)
    model.save(tmp_path / "own.hybridseg")
    loaded = hybridseg.load(tmp_path / "own.hybridseg")
    np.testing.assert_array_equal(loaded.predict_proba(images[0]), model.predict_proba(images[0]))
    report = loaded.to_onnx(tmp_path / "own.onnx")
    assert report.differing_pixels <= model.tags.max_differing_pixels * report.pixels


def test_broken_plugins_are_named_with_their_reason_and_stand_in_nobodys_way(installed: Path, tmp_path: Path) -> None:
    site = shutil.copytree(installed, tmp_path / "site")
    for name, (module, source) in BROKEN.items():
        offer(site, f"{name}-package", name, module, source)
    offer(site, "twin-package", NAME, "hybridseg_twin", "")
    done = run("methods", site=site, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    reasons = {line.split()[0]: line.partition("not usable: ")[2] for line in done.stdout.splitlines() if line.strip()}
    where = "method `{0}` of {0}-package ({1}:Method) failed to load: "
    assert reasons["lacks-a-package"] == where.format("lacks-a-package", "hybridseg_lacks") + (
        "ModuleNotFoundError: No module named 'a_package_that_nobody_has'"
    )
    assert reasons["raises"] == where.format("raises", "hybridseg_raises") + "RuntimeError: no licence key"
    assert reasons["leaves"] == where.format("leaves", "hybridseg_leaves") + "RuntimeError: it raised SystemExit: 3"
    assert "must be a subclass of hybridseg.Segmenter, got <class 'hybridseg_plain.Method'>" in reasons["no-segmenter"]
    assert "has no attribute 'Method'" in reasons["no-such-name"]
    assert reasons[NAME] == (
        f"method `{NAME}` is offered by both hybridseg-example (hybridseg_example:DarkWhereSeenSegmenter) "
        "and twin-package (hybridseg_twin:Method); uninstall one"
    )
    assert reasons["otsu"] == ""
    asked = run("bench", "--data", "phantoms[n=2]", "--folds", 2, "-m", "raises", site=site, cwd=tmp_path)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr == f"hybridseg: {reasons['raises']}\n"


def test_bench_without_names_leaves_broken_plugins_out_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = default_methods()
    monkeypatch.syspath_prepend(tmp_path)
    for name, (module, source) in BROKEN.items():
        offer(tmp_path, f"{name}-package", name, module, source)
    assert default_methods() == before
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("`")[1] for line in lines] == sorted(BROKEN)
    assert all(line.startswith("hybridseg bench: left out: method `") for line in lines)
