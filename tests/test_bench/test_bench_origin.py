"""Nobody is examined on what they learned from: marked, unranked, in no test, never recommended, in every verb."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _runs import write_rows
from click.testing import CliRunner
from PIL import Image

from hybridseg import create, load
from hybridseg.bench import Record, RunError, summarize
from hybridseg.bench.report.make import make_report
from hybridseg.bench.verdicts.compare import compare_runs
from hybridseg.bench.verdicts.origin import NOT_KNOWN_NOTE
from hybridseg.bench.verdicts.recommend import Budget, recommend_method
from hybridseg.cli import main
from hybridseg.data import load_dataset

ALL = "trained on 8 of these 8 images"


def row(method: str, number: int, tp: int, *, seen: bool | None = None) -> Record:
    name = f"c{number}"
    return Record(method, 0, name, name, "", 10, 10, tp, 0, 20 - tp, 80, predict_ms=3.0, seen=seen)


def rows(method: str, tp: int, *, seen: bool | None = None) -> list[Record]:
    return [row(method, number, tp, seen=seen) for number in range(8)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One that the run trains, and three trained elsewhere: on these images, on others, and nobody knows on which."""
    methods = {
        "own": rows("own", 12),
        "taught.onnx": rows("taught.onnx", 18, seen=True),
        "stranger.onnx": rows("stranger.onnx", 14, seen=False),
        "old.onnx": rows("old.onnx", 10),
    }
    costs = {method: {"warm_ms_median": 5.0 if method != "taught.onnx" else 1.0} for method in methods}
    return write_rows(tmp_path / "run", methods, costs=costs)


def invoke(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(each) for each in arguments], prog_name="hybridseg")
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def test_table_and_tests(run: Path) -> None:
    summary = summarize(run)
    assert [(each.method, each.seen) for each in summary.methods] == [
        ("stranger.onnx", 0), ("own", 0), ("old.onnx", None), ("taught.onnx", 8),
    ]  # fmt: skip
    assert [each.marked for each in summary.methods] == ["stranger.onnx", "own", "old.onnx †", "taught.onnx ‡"]
    assert len(summary.comparisons) == 3
    assert not any("taught.onnx" in (each.first, each.second) for each in summary.comparisons)
    assert NOT_KNOWN_NOTE in summary.notes
    assert "stranger.onnx: trained elsewhere, on none of these 8 images." in summary.notes


def test_one_image_is_enough(tmp_path: Path) -> None:
    some = [row("m.onnx", 0, 18, seen=True), *(row("m.onnx", number, 18, seen=False) for number in range(1, 8))]
    summary = summarize(write_rows(tmp_path / "run", {"m.onnx": some, "own": rows("own", 3)}))
    assert summary.methods[-1].seen == 1
    assert "‡ m.onnx: trained on 1 of these 8 images. It isn't ranked, and is in no comparison." in summary.notes


def test_a_table_for_a_paper_says_it_too(run: Path) -> None:
    text = invoke("report", run, "--format", "latex")
    assert f"taught.onnx: {ALL}, not ranked." in text.replace("\\_", "_")


@pytest.mark.parametrize("form", ["html", "md", "latex-document", "json"])
def test_report(run: Path, tmp_path: Path, form: str) -> None:
    text = invoke("report", run, "--no-pictures", "--format", form, "-o", tmp_path / "report")
    text = (tmp_path / "report").read_text("utf-8")
    assert ALL in text
    assert "stranger.onnx has the highest mean IoU" in text
    assert "better than taught.onnx" not in text
    assert "taught.onnx is better" not in text


def test_report_of_nothing_else(tmp_path: Path) -> None:
    write_rows(tmp_path / "run", {"taught.onnx": rows("taught.onnx", 18, seen=True)})
    assert "No method is ranked" in str(make_report(tmp_path / "run"))


def test_recommend(run: Path) -> None:
    found = recommend_method(run, Budget(max_ms=20))
    assert found.chosen is not None
    assert found.best.method == found.chosen.method == "stranger.onnx"
    assert f"Left out, {ALL}: taught.onnx." in found.notes
    assert NOT_KNOWN_NOTE in found.notes
    assert {each.method: each.not_known for each in found.front} == {"stranger.onnx": False}
    assert "taught.onnx" not in {each.method for each in found.front}


def test_recommend_marks_what_is_not_known(tmp_path: Path) -> None:
    write_rows(tmp_path / "run", {"old.onnx": rows("old.onnx", 10)}, costs={"old.onnx": {}})
    assert "Take old.onnx † (no budget given)." in invoke("recommend", tmp_path / "run")


def test_recommend_nothing(tmp_path: Path) -> None:
    write_rows(tmp_path / "run", {"m.onnx": rows("m.onnx", 18, seen=True)}, costs={"m.onnx": {}})
    with pytest.raises(RunError, match="each of its methods was trained on images that it is scored on"):
        recommend_method(tmp_path / "run", Budget())


def test_compare(run: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "b", {"taught.onnx": rows("taught.onnx", 5), "old.onnx": rows("old.onnx", 12)})
    found = compare_runs(run, tmp_path / "b")
    assert [(each.method_a, each.method_b) for each in found.pairs] == [("old.onnx", "old.onnx")]
    assert f"Left out of A: taught.onnx, {ALL}." in found.notes
    assert found.not_known == ("old.onnx", "taught.onnx")
    text = invoke("compare", run, tmp_path / "b")
    assert "old.onnx †" in text
    assert NOT_KNOWN_NOTE in text


def test_rows_of_an_earlier_version_are_not_known(run: Path) -> None:
    path = run / "cells" / "cell1.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("seen", None)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert {each.method: each.seen for each in summarize(run).methods}["taught.onnx"] is None
    lines[1]["seen"] = 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RunError, match="`seen` can't be 1"):
        summarize(run)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 8 images, the same as JPEG at half their size, and models that learned from them."""
    root = tmp_path_factory.mktemp("trained")
    invoke("data", "phantoms", "-o", root / "data", "--n", 8)
    for case in load_dataset(root / "data"):
        image, mask = case.read()
        half = (image.shape[1] // 2, image.shape[0] // 2)
        for folder, array, name in (("images", image, "jpg"), ("masks", mask, "png")):
            path = root / "again" / folder / f"{case.case_id.replace('/', '-')}.{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).resize(half, 0 if folder == "masks" else 2).save(path, quality=90)
    dataset = load_dataset(root / "data")
    images, masks = zip(*(case.read() for case in dataset), strict=True)
    model = create("otsu").fit(images, masks)
    model.save(root / "new.hybridseg")
    model.fingerprints_ = None
    model.save(root / "old.hybridseg")
    create("otsu").fit(images[:2], masks[:2]).save(root / "two.hybridseg")
    return root


def test_bench_score_and_data_check(trained: Path, tmp_path: Path) -> None:
    old, new, two = (trained / f"{name}.hybridseg" for name in ("old", "new", "two"))
    said = invoke("bench", "--data", trained / "again", "--as-read", "--no-cost", "-m", new, "-m", old, "-m", "otsu",
                  "-m", two, "-o", tmp_path / "run")  # fmt: skip
    assert ALL in said
    assert "trained on 2 of these 8 images" in said
    assert {each.method: each.seen for each in summarize(tmp_path / "run").methods} == {
        "otsu": 0, str(old): None, str(new): 8, str(two): 2,
    }  # fmt: skip
    invoke("segment", trained / "data", "-o", tmp_path / "masks", "-m", new)
    pred = ["score", "--truth", trained / "data", "--pred", tmp_path / "masks"]
    assert ALL in invoke(*pred, "--model", new)
    assert NOT_KNOWN_NOTE in invoke(*pred)
    said = invoke("data", "check", trained / "again", "--no-pairs", "-m", new, "-m", two, "-m", old)
    assert ALL in said
    assert "trained on 2 of these 8 images" in said
    assert f"{old} - not known from which images it learned" in said


def test_score_needs_images_to_tell(trained: Path, tmp_path: Path) -> None:
    masks = trained / "again" / "masks"
    said = invoke("score", "--truth", masks, "--pred", masks, "--model", trained / "new.hybridseg", code=2)
    assert "masks holds masks alone" in said


def test_damaged_fingerprints_are_told_before_a_run(trained: Path) -> None:
    pytest.importorskip("spox")
    import onnx

    path = trained / "broken.onnx"
    load(trained / "new.hybridseg").to_onnx(path)
    model = onnx.load(path)
    next(each for each in model.metadata_props if each.key == "hybridseg.fingerprints").value = "?"
    onnx.save(model, path)
    said = invoke("bench", "--data", trained / "data", "--as-read", "--no-cost", "-m", path, code=2)
    assert "its hybridseg.fingerprints can't be read" in said
    assert "can't be read" in invoke("info", path)
