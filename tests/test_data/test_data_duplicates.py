"""Near-duplicates: copies are found whatever was done to them, strangers with the same marks are not."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hybridseg.cli import main
from hybridseg.data import Dataset, join_datasets, load_dataset
from hybridseg.data.cases import Case
from hybridseg.data.files import write_folder
from hybridseg.data.phantoms import phantom

pytest.importorskip("cv2")
from hybridseg.data import duplicates
from hybridseg.data.duplicates import Pair, contact_sheet, find_pairs, group_cases


@dataclass(frozen=True)
class Made(Case):
    pixels: np.ndarray = None
    outline: np.ndarray = None

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        return self.pixels, self.outline

    def content_hash(self) -> str:
        return self.case_id


def made(case_id: str, image: np.ndarray, mask: np.ndarray) -> Made:
    return Made(case_id=case_id, group=case_id, label="benign", pixels=image, outline=mask)


def stamp(image: np.ndarray) -> np.ndarray:
    """The same scanner decoration on every picture: what features alone fall for."""
    rng = np.random.default_rng(5)
    marked = image.copy()
    for row, column in rng.integers(20, 380, (25, 2)):
        marked[row : row + 9, column : column + 9] = 255 * rng.integers(0, 2, (9, 9))
    return marked


def resized(array: np.ndarray, factor: float) -> np.ndarray:
    size = round(array.shape[1] * factor), round(array.shape[0] * factor)
    return np.asarray(Image.fromarray(array).resize(size, Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    frames = [phantom(seed, "benign", (430, 500)) for seed in range(5)]
    image, mask = frames[0].image, frames[0].mask
    brighter = np.clip(image * 1.25 + 10, 0, 255).astype(np.uint8)
    cases = [made(f"frame {k}", stamp(frame.image), frame.mask) for k, frame in enumerate(frames)]
    cases += [
        made("crop", image[40:, 30:460], mask[40:, 30:460]),
        made("smaller", resized(image, 0.8), resized(mask, 0.8)),
        made("larger and brighter", resized(brighter, 1.3), resized(mask, 1.3)),
        made("mirrored", image[:, ::-1].copy(), mask[:, ::-1].copy()),
    ]
    return Dataset("made", tuple(cases))


@pytest.fixture(scope="module")
def pairs(dataset: Dataset) -> list[Pair]:
    return find_pairs(dataset)


def test_copies_are_found_and_strangers_with_the_same_marks_are_not(pairs: list[Pair]) -> None:
    copies = ["frame 0", "crop", "smaller", "larger and brighter"]
    expected = {(a, b) for k, a in enumerate(copies) for b in copies[k + 1 :]}
    assert {(pair.case_a, pair.case_b) for pair in pairs} == expected


def test_pair_tells_scale_and_outline_agreement(pairs: list[Pair]) -> None:
    by_names = {(pair.case_a, pair.case_b): pair for pair in pairs}
    assert by_names["frame 0", "crop"].scale == pytest.approx(1, abs=0.01)
    assert by_names["frame 0", "smaller"].scale == pytest.approx(0.8, abs=0.01)
    assert by_names["smaller", "larger and brighter"].scale == pytest.approx(1.625, abs=0.02)
    for pair in pairs:
        assert pair.mask_iou > 0.85  # one outline, moved
        assert 0.3 < pair.score <= 1


def test_empty_outlines_have_no_agreement(dataset: Dataset) -> None:
    first = dataset[0]
    empty = np.zeros_like(first.outline)
    twice = [replace(first, outline=empty), replace(first, case_id="again", outline=empty)]
    (pair,) = find_pairs(Dataset("made", tuple(twice)))
    assert pair.mask_iou is None
    assert pair.score == pytest.approx(1, abs=1e-3)


def test_every_case_is_read_once(dataset: Dataset, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reads(case: Made) -> tuple[np.ndarray, np.ndarray]:
        read.append(case.case_id)
        return case.pixels, case.outline

    monkeypatch.setattr(Made, "read", reads)
    assert find_pairs(dataset) == pairs
    assert read == [case.case_id for case in dataset]


def test_strangers_that_share_no_feature_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [phantom(seed, "benign", (430, 500)) for seed in range(4)]
    cases = [made(f"frame {k}", frame.image, frame.mask) for k, frame in enumerate(frames)]
    cases.append(made("crop", frames[2].image[40:, 30:460], frames[2].mask[40:, 30:460]))
    compared = []
    match = duplicates.match_features
    monkeypatch.setattr(duplicates, "match_features", lambda a, b: compared.append(1) or match(a, b))
    (pair,) = find_pairs(Dataset("made", tuple(cases)))
    assert (pair.case_a, pair.case_b) == ("frame 2", "crop")
    assert len(compared) == 1  # of 10


def test_no_images_and_images_without_features_have_no_pairs() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    mask = np.zeros((64, 64), bool)
    assert find_pairs(Dataset("made", ())) == []
    assert find_pairs(Dataset("made", (made("a", flat, mask), made("b", flat, mask)))) == []


def test_threads_change_nothing(dataset: Dataset, pairs: list[Pair]) -> None:
    assert find_pairs(dataset, n_jobs=1) == pairs


def test_same_images_are_not_compared_twice_and_changed_ones_are(
    dataset: Dataset, pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_pairs(dataset, cache_dir=tmp_path / "cache") == pairs
    monkeypatch.setattr(duplicates, "_describe", lambda *a: pytest.fail("features were computed again"))
    assert find_pairs(dataset, cache_dir=tmp_path / "cache") == pairs
    changed = dataset[0].pixels.copy()
    changed[0, 0] ^= 1
    other = Dataset("made", (replace(dataset[0], pixels=changed), *list(dataset)[1:]))
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        find_pairs(other, cache_dir=tmp_path / "cache")


def test_progress_reaches_its_end(dataset: Dataset) -> None:
    seen: list[tuple[int, int]] = []
    find_pairs(dataset.select(["frame 0", "crop"]), progress=lambda done, total, text: seen.append((done, total)))
    assert seen == [(k, 6) for k in range(1, 7)]


def test_flat_and_tiny_images_pair_with_nothing() -> None:
    flat = [
        made(str(k), np.full((h, w), 80, np.uint8), np.zeros((h, w), bool))
        for k, (h, w) in enumerate([(200, 300), (200, 300), (1, 1), (1, 40)])
    ]
    assert find_pairs(Dataset("flat", tuple(flat))) == []


def test_groups_join_indirectly_and_take_the_first_name(dataset: Dataset) -> None:
    def pair(a: str, b: str) -> Pair:
        return Pair(a, b, 0.9, None, 1.0, 50)

    groups = group_cases(dataset, [pair("frame 3", "crop"), pair("frame 1", "crop"), pair("smaller", "mirrored")])
    assert {name for name, group in groups.items() if group == "frame 1"} == {"frame 1", "frame 3", "crop"}
    assert groups["mirrored"] == "smaller"
    assert groups["frame 0"] == "frame 0"


def test_contact_sheet_shows_every_pair(dataset: Dataset, pairs: list[Pair], tmp_path: Path) -> None:
    contact_sheet(dataset, pairs, tmp_path / "pairs.png")
    with Image.open(tmp_path / "pairs.png") as sheet:
        assert sheet.size == (3 * (2 * 220 + 12), 2 * (180 + 24))  # six pairs, three a row


def test_missing_opencv_gives_the_pip_line(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r'pip install "hybridseg\[duplicates\]"'):
        find_pairs(dataset)


@pytest.mark.busi
def test_known_pairs_of_busi_are_found(busi_dir: Path) -> None:
    listed = busi_dir.parent / "busi_near_duplicate_pairs.csv"
    if not listed.is_file():
        pytest.skip("the list of known pairs isn't there")
    with listed.open() as stream:
        known = [(row["image_a"], row["image_b"]) for row in csv.DictReader(stream)][::9]
    dataset = load_dataset(busi_dir)
    chosen = sorted({case_id for pair in known for case_id in pair})
    found = {frozenset((pair.case_a, pair.case_b)) for pair in find_pairs(dataset.select(chosen))}
    assert {frozenset(pair) for pair in known} <= found


def test_a_planted_copy_between_two_sets_is_found(dataset: Dataset, tmp_path: Path) -> None:
    """Copies inside each set aren't listed: those between the sets are."""
    a, b = dataset.select(["frame 0", "crop", "frame 1"]), dataset.select(["frame 2", "frame 3"])
    planted = replace(dataset.select(["frame 1"])[0], case_id="planted")
    joined = join_datasets({"a": a, "b": replace(b, cases=(*b.cases, planted))})
    assert [case.source for case in joined] == ["a", "a", "a", "b", "b", "b"]
    (pair,) = find_pairs(joined, across=True)
    assert (pair.case_a, pair.case_b) == ("a/frame 1", "b/planted")
    for number, part in enumerate((a, replace(b, cases=(*b.cases, planted)))):
        write_folder(part, tmp_path / f"set{number}")
    done = CliRunner().invoke(main, ["data", "pairs", str(tmp_path / "set0"), str(tmp_path / "set1")])
    assert done.exit_code == 0 and done.stdout.split("  ")[:2] == ["set0/frame 1", "set1/planted"]
