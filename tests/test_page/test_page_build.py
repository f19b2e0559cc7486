"""The page's sources: what is built from them is what ships, and their readers and measures agree with Python's."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _page import node, web, write_pictures

from hybridseg import OperatingPoint
from hybridseg.data.phantoms import phantom
from hybridseg.images import ImageError, read_facts, read_image
from hybridseg.metrics.measure import measure_lesions
from hybridseg.postprocess import apply_operating_point

ROOM = Path(__file__).resolve().parents[2] / "hybridseg" / "page"
CORPUS = Path(__file__).resolve().parents[1] / "corpus"
BY_BROWSER = "needs a browser"
NOT_READ = {"jpeg2000.dcm"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return web(tmp_path_factory.mktemp("sources"))


class Probe:
    """Asks the TypeScript in Node."""

    def __init__(self, sources: Path) -> None:
        self.folder = sources.parent
        self.bundle = self.folder / "probe.mjs"
        node(sources, "test/bundle.mjs", self.bundle)

    def __call__(self, questions: list[dict[str, Any]]) -> list[Any]:
        path = self.folder / "questions.json"
        path.write_text(json.dumps(questions))
        answers: list[Any] = json.loads(node(self.folder, self.bundle, path))
        return answers


@pytest.fixture(scope="module")
def probe(sources: Path) -> Probe:
    return Probe(sources)


def test_what_ships_is_built_from_these_sources(sources: Path, tmp_path: Path) -> None:
    node(sources, "build.mjs", tmp_path)
    again = "run `npm ci && npm run build` in hybridseg/page/web"
    assert (tmp_path / "page.html").read_bytes() == (ROOM / "page.html").read_bytes(), again
    built, ships = (gzip.decompress((place / "runtime.wasm.gz").read_bytes()) for place in (tmp_path, ROOM))
    assert built == ships, again


def test_types_and_lint(sources: Path) -> None:
    node(sources, "node_modules/typescript/bin/tsc")
    node(sources, "node_modules/@biomejs/biome/bin/biome", "ci", "--error-on-warnings")


def test_readers_see_what_python_sees(probe: Probe, tmp_path: Path) -> None:
    frames = write_pictures(tmp_path)
    paths = [tmp_path / name for name in frames]
    paths += [path for kind in ("png", "tiff", "dicom") for path in sorted((CORPUS / kind).iterdir())]
    wanted = [(path, frame) for path in paths for frame in range(read_facts(path).frames)]
    answers = probe([{"file": str(path), "frame": frame} for path, frame in wanted])
    compared = 0
    for (path, frame), answer in zip(wanted, answers, strict=True):
        problem = answer.get("problem", "")
        if problem == BY_BROWSER:
            continue
        if path.name in NOT_READ:
            assert "doesn't read" in problem
            continue
        try:
            expected = read_image(path, frame)
        except ImageError as error:
            assert problem, f"{path.name}: Python says {error}"
            continue
        assert not problem, f"{path.name}: {problem}"
        grey = np.frombuffer(base64.b64decode(answer["grey"]), np.uint8).reshape(answer["height"], answer["width"])
        assert np.abs(grey.astype(int) - expected).max() <= 1, path.name  # of colours a rounding
        assert answer["frames"] == read_facts(path).frames
        spacing = read_facts(path).spacing_mm
        assert answer["spacing"] == (None if spacing is None else pytest.approx(list(spacing)))
        compared += 1
    assert compared >= 25


def test_a_damaged_file_is_refused(probe: Probe, tmp_path: Path) -> None:
    write_pictures(tmp_path)
    cut = []
    for name in ("grey.png", "grey.jpg", "lzw.tif", "plain.dcm", "frames.dcm"):
        path = tmp_path / f"cut-{name}"
        path.write_bytes((tmp_path / name).read_bytes()[:-700])
        cut.append(path)
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture")
    cut += [tmp_path / "empty.png", tmp_path / "text.png"]
    problems = [answer.get("problem") for answer in probe([{"file": str(path), "frame": 0} for path in cut[:4]])]
    problems += [answer.get("problem") for answer in probe([{"file": str(path), "frame": 1} for path in cut[4:5]])]
    problems += [answer.get("problem") for answer in probe([{"file": str(path)} for path in cut[5:]])]
    assert all(problems)
    assert BY_BROWSER not in problems


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    dots = rng.random((23, 31)) < 0.2
    return [phantom(7, shape=(97, 131))[1], dots, np.zeros((5, 7), bool), np.ones((1, 1), bool), np.eye(9, dtype=bool)]


@pytest.mark.parametrize("spacing", [None, (0.08, 0.12)])
def test_measures_equal_pythons(probe: Probe, spacing: tuple[float, float] | None) -> None:
    questions = [
        {"mask": mask.astype(int).ravel().tolist(), "height": mask.shape[0], "width": mask.shape[1], "spacing": spacing}
        for mask in masks()
    ]
    for mask, answer in zip(masks(), probe(questions), strict=True):
        expected = measure_lesions(mask, spacing)
        assert len(answer) == len(expected)
        for found, lesion in zip(answer, expected, strict=True):
            # The page has no probabilities.
            sizes = {key: value for key, value in vars(lesion).items() if not key.endswith("_probability")}
            assert {key: found[key] for key in sizes} == {
                key: None if value is None else pytest.approx(value) for key, value in sizes.items()
            }


@pytest.mark.parametrize("point", [
    OperatingPoint(threshold=0.5),
    OperatingPoint(threshold=0.4, fill_holes=False, min_area_fraction=0.02),
    OperatingPoint(threshold=0.3, largest_only=True, presence_threshold=0.8),
    OperatingPoint(threshold=0.3, presence_threshold=0.999),
    OperatingPoint(threshold=0.6, relative=True, presence_threshold=0.3),
    OperatingPoint(threshold=0.0, relative=True),
])  # fmt: skip
def test_the_operating_point_decides_as_pythons(probe: Probe, point: OperatingPoint) -> None:
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(8).random((61, 83)), 3)
    probability = ((noise - noise.min()) / np.ptp(noise) * 0.97).astype(np.float32)
    [answer] = probe([{
        "probability": probability.astype(float).ravel().tolist(), "point": vars(point), "height": 61, "width": 83,
    }])  # fmt: skip
    expected = apply_operating_point(probability, point)
    np.testing.assert_array_equal(np.array(answer, bool).reshape(61, 83), expected)
