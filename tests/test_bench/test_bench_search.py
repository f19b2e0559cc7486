"""Parameters with several values: each training part chooses, and the fold that is scored has no say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from _runs import write_rows
from numpy.typing import NDArray

from hybridseg.bench import Record, make_plan, run_plan, summarize
from hybridseg.bench.method import PlanError, candidates
from hybridseg.bench.records.cells import RunError, read_cell
from hybridseg.bench.records.folder import RunFolder
from hybridseg.data import Case, Dataset, grouped_folds
from hybridseg.registry import find_class

FACTORY = "hybridseg.registry:create"
METHODS = '''
import numpy as np
from hybridseg import OperatingPoint, Segmenter


class Below(Segmenter):
    """Pixels below a level; remembers what it was fitted on."""

    fits = []
    operating_point = OperatingPoint(fill_holes=False)

    def __init__(self, *, level=50, power=1):
        self.level = level
        self.power = power

    def _fit(self, images, masks, *, groups, **rest):
        self.fits.append((self.level, sorted(image.tobytes() for image in images), set(groups)))
        self.mean_ = 1.0

    def _predict_proba(self, image):
        return (image < self.level).astype(np.float32)
'''


@dataclass(frozen=True)
class Blob(Case):
    """A dark square in a less dark one, the lesion, in noise."""

    number: int = 0

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        image = np.random.default_rng(self.number).integers(80, 256, (24, 24), np.uint8)
        image[6:16, 6:18] = 60 + self.number
        image[8:12, 8:14] = 20
        return image, image < 80

    def content_hash(self) -> str:
        return self.case_id


def blobs(n: int) -> Dataset:
    """Return images of which two each show one scene."""
    cases = [Blob(f"blob {i}", f"pair {i // 2}", "benign", number=i) for i in range(n)]
    return Dataset("blobs", tuple(cases), "their numbers")


def test_candidates_are_all_combinations_and_a_comma_in_parentheses_is_a_values() -> None:
    assert candidates("otsu") == ("otsu",)
    assert candidates("a|b.onnx") == ("a|b.onnx",)
    assert candidates("m[a=1 | 2,b=(1, 2)|x]") == (
        "m[a=1,b=(1, 2)]", "m[a=1,b=x]", "m[a=2,b=(1, 2)]", "m[a=2,b=x]",
    )  # fmt: skip


def test_each_training_part_chooses_in_inner_folds_of_whole_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("levels.py").write_text(METHODS, "utf-8")
    data = blobs(12)
    spec = "levels.py:Below[level=30|66|90]"
    plan = make_plan(data, grouped_folds(data, 2), [spec], FACTORY, split_name="two folds")
    rows = run_plan(plan, tmp_path / "run")

    fits = find_class("levels.py:Below").fits
    assert [level for level, *_ in fits[:10]] == [30] * 3 + [66] * 3 + [90] * 3 + [fits[9][0]]
    for cell, own in zip(plan.cells, (fits[:10], fits[10:]), strict=True):
        train = data.select(cell.train)
        assert all(set(images) <= {case.image.tobytes() for case in train} for _, images, _ in own)
        assert [len(groups) for *_, groups in own] == [2] * 9 + [3]  # of three pairs, one is left out
        means = {
            f"levels.py:Below[level={level}]": np.mean([
                (case.mask & (case.image < level)).sum() / (case.mask | (case.image < level)).sum()
                for case in train if case.mask.any()
            ])
            for level in (30, 66, 90)
        }  # fmt: skip
        fit, _ = read_cell(RunFolder(tmp_path / "run").cell(cell.file_stem))
        assert fit is not None and fit.search["iou"] == pytest.approx(means)
        assert fit.search["fold"] == str(cell.fold)
        assert fit.search["chosen"] == max(means, key=means.__getitem__) == f"levels.py:Below[level={own[-1][0]}]"
        row = next(row for row in rows if row.fold == cell.fold and row.has_lesion)
        assert row.tp + row.fp == (data.select([row.case_id])[0].image < own[-1][0]).sum()
    fit_all = len(fits)
    assert run_plan(plan, tmp_path / "run") == rows and len(fits) == fit_all

    (note,) = [note for note in summarize(tmp_path / "run").notes if "inner folds" in note]
    assert note.startswith(f"{spec}: chosen inside each training part") and "fold 1: level=" in note
    assert plan.methods[0].params == {"level": "30 | 66 | 90", "power": 1}


def test_several_lines_of_one_method_are_warned_of(tmp_path: Path) -> None:
    row = Record("", 0, "c", "g", "benign", 2, 2, 1, 0, 0, 3, predict_ms=1.0)
    several = {name: [replace(row, method=name)] for name in ("a", "b[x=1]", "b[x=2]")}
    (note,) = [note for note in summarize(write_rows(tmp_path / "several", several)).notes if "Several" in note]
    assert note.startswith("Several lines of b: choosing among them by this table is choosing on the test folds.")
    one = {name: rows for name, rows in several.items() if name != "b[x=2]"}
    assert not any("Several" in note for note in summarize(write_rows(tmp_path / "one", one)).notes)


@pytest.mark.parametrize(
    ("spec", "as_given", "message"),
    [
        ("otsu[depth=3|3]", False, r"method `otsu\[depth=3\|3\]` names one candidate twice"),
        ("unet.onnx[threads=1|2]", True, "is trained: there is no training part to choose its parameters in"),
        ("random-forest[n_trees=5|-1]", False, r"method `random-forest\[n_trees=-1\]`: `n_trees` must be"),
    ],
)
def test_a_search_that_means_nothing_is_refused_before_it_runs(spec: str, as_given: bool, message: str) -> None:
    data = blobs(6)
    with pytest.raises(PlanError, match=message):
        make_plan(data, grouped_folds(data, 2), [spec], FACTORY, split_name="two", as_given=[spec] if as_given else [])


def test_a_damaged_record_of_a_search_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cell.jsonl"
    path.write_text(
        '{"seconds": 1, "operating_point": {}, "search": {"fold": "0", "chosen": "a", "iou": {"a": "b"}}}\n'
    )
    with pytest.raises(RunError, match="`a` can't have the IoU 'b'"):
        read_cell(path)
