"""Scoring masks made by anybody: how files find their cases, what is counted, what is refused."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridseg.cli import main
from hybridseg.images import write_image, write_mask

TRUTH = np.zeros((8, 10), bool)
TRUTH[2:6, 2:6] = True  # 16 pixels
SHIFTED = np.zeros((8, 10), bool)
SHIFTED[2:6, 4:8] = True  # 8 of them shared: tp 8, fp 8, fn 8, tn 56
NOTHING = np.zeros((8, 10), bool)
LEFT, RIGHT = TRUTH.copy(), TRUTH.copy()
LEFT[:, 4:], RIGHT[:, :4] = False, False


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """BUSI's layout in ``truth``: two lesions and a normal image; an empty folder ``pred``."""
    monkeypatch.chdir(tmp_path)
    for label, name, mask in (
        ("benign", "benign (1)", TRUTH), ("benign", "benign (10)", TRUTH), ("normal", "normal (1)", NOTHING)
    ):  # fmt: skip
        Path("truth", label).mkdir(parents=True, exist_ok=True)
        write_image(f"truth/{label}/{name}.png", np.arange(80, dtype=np.uint8).reshape(8, 10) + 60)
        write_mask(f"truth/{label}/{name}_mask.png", mask)
    Path("pred").mkdir()
    return tmp_path


def predict(**masks: np.ndarray) -> None:
    for name, mask in masks.items():
        write_mask(f"pred/{name}.png", mask)


def score(*arguments: object) -> Result:
    truth = [] if "--truth" in arguments else ["--truth", "truth"]
    given = ["score", *truth, "--pred", "pred", *map(str, arguments)]
    return CliRunner().invoke(main, given, prog_name="hybridseg")


def rows(run: str) -> dict[str, dict[str, str]]:
    with Path(run, "cases.csv").open() as stream:
        return {f"{row['method']}: {row['case_id']}": row for row in csv.DictReader(stream)}


def counts(row: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(row[name]) for name in ("tp", "fp", "fn", "tn"))


def one_line(result: Result, words: str) -> None:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_rows_by_hand(here: Path) -> None:
    predict(**{"benign (1)_pred": SHIFTED, "benign (10)": NOTHING, "normal (1)_mask": LEFT})
    result = score("-o", "run", "--format", "json")
    assert result.exit_code == 0, result.output
    found = rows("run")
    assert counts(found["pred: benign (1)"]) == (8, 8, 8, 56)
    assert counts(found["pred: benign (10)"]) == (0, 0, 16, 64)
    assert counts(found["pred: normal (1)"]) == (0, 8, 0, 72)
    assert float(found["pred: benign (1)"]["hd95_px"]) == 2.0
    (method,) = json.loads(result.stdout)["methods"]
    assert method["iou"] == pytest.approx((8 / 24 + 0) / 2)
    assert (method["false_positive_rate"], method["missed"], method["failed"]) == (1.0, 0.5, 0)
    assert method["ms_median"] is None
    assert "Time per image" not in Path("run/table.txt").read_text()


def test_missing_predictions_are_misses_and_listed(here: Path) -> None:
    predict(**{"benign (1)": TRUTH, "stranger": TRUTH})
    result = score("-o", "run")
    assert result.exit_code == 1
    assert "cases without a prediction, scored as misses (2): benign (10), normal (1)" in result.stderr
    assert "files that belong to no case, passed over (1): stranger.png" in result.stderr
    found = rows("run")
    assert counts(found["pred: benign (1)"]) == (16, 0, 0, 64)
    assert counts(found["pred: benign (10)"]) == (0, 0, 16, 64)
    assert counts(found["pred: normal (1)"]) == (0, 80, 0, 0)  # as a failed prediction: the worst mask
    assert found["pred: benign (10)"]["error"] == "no prediction"


@pytest.mark.parametrize("name", [
    "benign (1)", "BENIGN (1)", "benign (1)_mask", "benign (1)_pred", "benign (1)-seg", "benign (1)_mask_pred",
    "pred_benign (1)", "benign (1)_0000", "benign (1)_output", "benign (1)_prediction_1",
])  # fmt: skip
def test_names_that_fit(here: Path, name: str) -> None:
    predict(**{name: TRUTH})
    score("-o", "run")
    assert rows("run")["pred: benign (1)"]["error"] == ""


@pytest.mark.parametrize("name", ["benign (1)x", "benign (1)1", "enign (1)", "benign (1)_overlay", "mask"])
def test_names_that_fit_nothing(here: Path, name: str) -> None:
    predict(**{name: TRUTH})
    one_line(score(), f"no file is called like a case; cases: `benign (1)`..., files: `{name}.png`...")


def test_folders_of_predictions_may_mirror_the_classes(here: Path) -> None:
    Path("pred/benign").mkdir()
    predict(**{"benign/benign (1)_mask": TRUTH, "benign/benign (10)_mask": SHIFTED})
    score("-o", "run")
    assert counts(rows("run")["pred: benign (10)"]) == (8, 8, 8, 56)


def test_several_masks_of_one_case_are_joined(here: Path) -> None:
    predict(**{"benign (1)_mask": LEFT, "benign (1)_mask_1": RIGHT})
    score("-o", "run")
    assert counts(rows("run")["pred: benign (1)"]) == (16, 0, 0, 64)


def test_images_beside_the_masks_are_passed_over(here: Path) -> None:
    predict(**{"benign (1)_mask": TRUTH})
    write_image("pred/benign (1).png", np.full((8, 10), 90, np.uint8))
    result = score("-o", "run")
    assert counts(rows("run")["pred: benign (1)"]) == (16, 0, 0, 64)
    assert "passed over (1): benign (1).png" in result.stderr


@pytest.mark.parametrize("names", [
    ("benign (1)_mask", "benign (1)_pred"), ("x/benign (1)_pred", "y/benign (1)_pred"),
    ("x/benign (1)", "y/benign (1)"),
])  # fmt: skip
def test_two_files_for_one_case_are_refused(here: Path, names: tuple[str, str]) -> None:
    for name in names:
        Path("pred", name).parent.mkdir(exist_ok=True)
    predict(**dict.fromkeys(names, TRUTH))
    one_line(score(), f"{names[0]}.png and {names[1]}.png are both called like case `benign (1)`")


@pytest.mark.parametrize("digits", [4, 5, 6])
@pytest.mark.parametrize("mark", ["", "_mask", "_pred"])
def test_numbered_cases_are_told_apart(here: Path, digits: int, mark: str) -> None:
    names = [f"img_{number:0{digits}}" for number in (0, 1, 2, 98, 100)]
    Path("outlines/masks").mkdir(parents=True)
    for name in names:
        write_mask(f"outlines/masks/{name}.png", TRUTH)
    predict(**{f"{name}{mark}": TRUTH for name in names})
    result = CliRunner().invoke(main, ["score", "--truth", "outlines/masks", "--pred", "pred", "-o", "run"])
    assert result.exit_code == 0, result.output
    found = rows("run")
    assert len(found) == len(names)
    assert all(counts(found[f"pred: {name}"]) == (16, 0, 0, 64) for name in names)


def test_nnunet_folders(here: Path) -> None:
    """imagesTs/x_0000.png and labelsTs/x.png with labels 0 and 1 as truth; the output folder as predictions."""
    for folder in ("nn/imagesTs", "nn/labelsTs"):
        Path(folder).mkdir(parents=True)
    for case in ("busi_001", "busi_002"):
        write_image(f"nn/imagesTs/{case}_0000.png", np.full((8, 10), 90, np.uint8))
        write_image(f"nn/labelsTs/{case}.png", TRUTH.astype(np.uint8))
        write_image(f"pred/{case}.png", SHIFTED.astype(np.uint8))
    Path("pred/plans.json").write_text("{}")
    for truth, run in (("nn", "one"), ("nn/labelsTs", "two")):
        result = CliRunner().invoke(main, ["score", "--truth", truth, "--pred", "pred", "-o", run, "--name", "nnU-Net"])
        assert (result.exit_code, result.stderr) == (0, f"run folder: {run}\n"), result.output
        assert counts(rows(run)["nnU-Net: busi_002"]) == (8, 8, 8, 56)


def test_truth_may_be_a_folder_of_masks(here: Path) -> None:
    Path("outlines").mkdir()
    write_mask("outlines/a_mask.png", LEFT)
    write_mask("outlines/a_mask_1.png", RIGHT)
    predict(a=SHIFTED)
    result = CliRunner().invoke(main, ["score", "--truth", "outlines", "--pred", "pred", "-o", "run"])
    assert result.exit_code == 0, result.output
    assert counts(rows("run")["pred: a"]) == (8, 8, 8, 56)


def bench(run: str) -> None:
    given = ["bench", "--data", "truth", "-m", "otsu", "--folds", "2", "--no-cost", "-o", run]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output


def test_second_reader_is_a_line_in_the_table_of_a_run(here: Path) -> None:
    bench("run")
    predict(**{"benign (1)": TRUTH, "benign (10)": SHIFTED, "normal (1)": NOTHING})
    for _ in range(2):  # scoring the same masks again changes nothing
        result = score("-o", "run", "--name", "second reader", "--format", "json")
        assert result.exit_code == 0, result.output
        table = json.loads(result.stdout)
        assert {method["method"]: method["cases"] for method in table["methods"]} == {"second reader": 3, "otsu": 3}
    (pair,) = table["comparisons"]
    assert {pair["first"], pair["second"]} == {"second reader", "otsu"}
    before = Path("run/cases.csv").read_bytes()
    bench("run")  # the run itself goes on as if nobody had joined it
    assert Path("run/cases.csv").read_bytes() == before
    assert "second reader" in Path("run/table.md").read_text()
    compared = CliRunner().invoke(main, ["compare", "run", "run", "--all-pairs"])
    assert "second reader" in compared.output
    recommended = CliRunner().invoke(main, ["recommend", "run"])
    assert "run: " in recommended.stderr


def test_line_of_another_s_name_is_refused(here: Path) -> None:
    predict(**{"benign (1)": TRUTH})
    score("-o", "run")
    before = Path("run/cases.csv").read_bytes()
    predict(**{"benign (1)": SHIFTED})
    one_line(score("-o", "run"), "run has a line called `pred`: give the masks another --name")
    assert Path("run/cases.csv").read_bytes() == before
    assert score("-o", "run", "--name", "later").exit_code == 1  # some are missing, yet it is a line
    assert {name.partition(":")[0] for name in rows("run")} == {"pred", "later"}


def test_run_of_other_data_is_refused_and_left_alone(here: Path) -> None:
    predict(**{"benign (1)": TRUTH})
    CliRunner().invoke(main, [
        "bench", "--data", "phantoms[n=4]", "--folds", "2", "-m", "otsu", "--no-cost", "-o", "other"
    ])  # fmt: skip
    before = sorted(path.name for path in Path("other").rglob("*"))
    one_line(score("-o", "other"), "other is a run over other data: 4 of its 4 cases aren't in truth")
    bench("run")
    write_mask("truth/benign/benign (1)_mask.png", LEFT)
    one_line(score("-o", "run"), "case `benign (1)` has another ground truth in the run than in the data")
    assert sorted(path.name for path in Path("other").rglob("*")) == before


def test_unfinished_run_is_refused(here: Path) -> None:
    predict(**{"benign (1)": TRUTH})
    bench("run")
    cell = sorted(Path("run/cells").iterdir())[0]
    cell.write_bytes(cell.read_bytes()[:-20])
    one_line(score("-o", "run"), "run has 2 of 3 rows: finish that run first")


def test_bad_input_is_one_line_and_leaves_nothing(here: Path) -> None:
    one_line(score("-o", "run"), "pred: no file is called like a case; cases: `benign (1)`..., files: none")
    one_line(score("--pred", "nowhere", "-o", "run"), "nowhere: no such folder")
    one_line(score("--truth", "nowhere", "-o", "run"), "nowhere: no such folder or manifest")
    one_line(score("--truth", "pred", "-o", "run"), "pred: holds no image")
    write_mask("pred/benign (1).png", TRUTH[:, :9])
    one_line(score("-o", "run"), "the truth has 8 x 10 pixels (rows x columns), pred/benign (1).png 8 x 9")
    write_image("pred/benign (1).png", np.arange(80, dtype=np.uint8).reshape(8, 10) + 60)
    one_line(score("-o", "run"), "of its pixels are grey: a picture; expected a mask, black and white")
    Path("pred/benign (1).png").write_bytes(b"")
    one_line(score("-o", "run"), "pred/benign (1).png: is empty (0 bytes)")
    predict(**{"benign (1)": TRUTH})
    one_line(score("-o", "truth"), "truth holds other files (benign), expected a run folder")
    assert not Path("run").exists()


def test_masks_that_join_a_run_have_its_scenes_and_classes(here: Path) -> None:
    bench("run")
    description, records = json.loads(Path("run/run.json").read_text()), rows("run")
    cells = sorted(Path("run/cells").iterdir())
    for path in cells:  # as after a search that found near-duplicates
        path.write_text(re.sub(r'"group": ?"benign \([0-9]+\)"', '"group":"one scene"', path.read_text()))
    description["groups_from"] = "near-duplicates joined"
    Path("run/run.json").write_text(json.dumps(description))
    Path("outlines").mkdir()
    for name in ("benign (1)", "benign (10)"):
        write_mask(f"outlines/{name}_mask.png", TRUTH)
    write_mask("outlines/normal (1)_mask.png", NOTHING)
    predict(**{"benign (1)": TRUTH, "benign (10)": SHIFTED, "normal (1)": NOTHING})
    for _ in range(2):
        given = ["score", "--truth", "outlines", "--pred", "pred", "-o", "run", "--format", "json"]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == 0, result.output
        assert {method["scenes"] for method in json.loads(result.stdout)["methods"]} == {1}
    assert len(rows("run")) == 2 * len(records)
    for case_id in ("benign (1)", "benign (10)", "normal (1)"):
        ours, theirs = (rows("run")[f"{method}: {case_id}"] for method in ("pred", "otsu"))
        assert (ours["group"], ours["label"]) == (theirs["group"], theirs["label"])


def test_masks_scored_again_with_other_scenes_replace_their_rows(here: Path) -> None:
    write_manifest = Path("truth.csv").write_text
    line = "case_id,image,mask,group,label\n"
    files = {name: f"truth/benign/{name}.png,truth/benign/{name}_mask.png" for name in ("benign (1)", "benign (10)")}
    predict(**{"benign (1)": TRUTH, "benign (10)": SHIFTED})
    for groups in (("a", "b"), ("a", "a")):
        pairs = zip(files.items(), groups, strict=True)
        write_manifest(line + "".join(f"{name},{paths},{group},benign\n" for (name, paths), group in pairs))
        given = ["score", "--truth", "truth.csv", "--pred", "pred", "-o", "run", "--format", "json"]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == 0, result.output
        (method,) = json.loads(result.stdout)["methods"]
        assert (method["cases"], method["scenes"]) == (2, len(set(groups)))
        assert [row["group"] for row in rows("run").values()] == list(groups)
    assert len(list(Path("run/cells").iterdir())) == len(list(Path("run/masks").iterdir())) == 1
