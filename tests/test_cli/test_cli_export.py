"""``hybridseg export``: what goes into a file besides the graph, and what a smaller one is measured on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("spox")

from hybridseg import OnnxSegmenter, load_dataset
from hybridseg.cli import main

DATA = "phantoms[n=4,seed=1]"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fitted model with its card, in the working folder."""
    monkeypatch.chdir(tmp_path)
    assert run("fit", "otsu", "--data", DATA, "-o", "own.hybridseg").exit_code == 0
    return "own.hybridseg"


def exported(*arguments: object) -> dict[str, str]:
    result = run("export", *arguments, "-o", "x.onnx", "--overwrite")
    assert result.exit_code == 0, result.output
    return OnnxSegmenter.load("x.onnx").metadata


def test_the_card_beside_a_model_goes_into_the_file(model: str) -> None:
    entries = exported(model)
    assert entries["training_data"] == "phantoms, 4 images"
    assert entries["training_data_sha256"] == load_dataset(DATA).content_hash()
    assert entries["split"] == "none: fitted on every case of the data"
    assert (entries["license"], entries["scores"]) == ("unknown", "none")
    card = json.loads(Path("own.hybridseg.json").read_text())
    card |= {"license": "CC0", "scores": {"f1": 0.5}, "split": {"name": "five folds", "sha256": "ab"}}
    Path("own.hybridseg.json").write_text(json.dumps(card))
    entries = exported(model)
    assert (entries["license"], json.loads(entries["scores"])) == ("CC0", {"f1": 0.5})
    assert (entries["split"], entries["split_sha256"]) == ("five folds", "ab")


def test_a_file_exported_again_keeps_what_it_says(model: str) -> None:
    entries = exported(model)
    Path("x.onnx").rename("first.onnx")
    Path("first.json").write_text(json.dumps({"license": "another"}))
    assert exported("first.onnx") == entries


def test_where_nobody_says_the_file_says_so(model: str) -> None:
    Path("own.hybridseg.json").unlink()
    entries = exported(model)
    assert {entries[key] for key in ("training_data", "training_data_sha256", "split", "split_sha256")} == {"unknown"}
    entries = exported("otsu")
    assert {entries[key] for key in ("training_data", "training_data_sha256", "split", "split_sha256")} == {"none"}
    assert (entries["license"], entries["scores"]) == ("unknown", "none")


@pytest.mark.parametrize("content", ["{", "[]", '{"data": 3}', "\u00ff" * 9])
def test_a_damaged_card_is_refused_in_one_line(model: str, content: str) -> None:
    Path("own.hybridseg.json").write_text(content, encoding="latin-1")
    result = run("export", model, "-o", "x.onnx")
    assert result.exit_code == 2
    assert "own.hybridseg.json: not a model's card" in result.output
    assert len(result.output.splitlines()) == 1
    assert not Path("x.onnx").exists()


def test_a_smaller_file_is_not_measured_on_what_the_model_has_seen(model: str) -> None:
    command = ("export", model, "-o", "x.onnx", "--weights", "fp16", "--data", DATA)
    for validation in ([], ["--validation", DATA]):
        result = run(*command, *validation)
        assert result.exit_code == 2
        assert "the model was fitted on phantoms[n=4,seed=1], as its card says: give --validation DIR" in result.output
    other = run(*command, "--validation", "phantoms[n=3,seed=2]")
    assert "the file isn't smaller; nothing is kept" in other.output  # Otsu has no weights; so far it went
    assert "on 3 validation images" in other.output


def test_scenes_that_fit_finds_do_not_hide_what_it_has_seen(model: str) -> None:
    card = json.loads(Path("own.hybridseg.json").read_text())
    card["data"]["content_sha256"] = "of the same images in other groups"
    Path("own.hybridseg.json").write_text(json.dumps(card))
    result = run("export", model, "-o", "x.onnx", "--weights", "fp16", "--validation", DATA)
    assert result.exit_code == 2 and "the model was fitted on" in result.output


def test_too_few_scenes_to_measure_on_are_named(model: str) -> None:
    result = run("export", model, "-o", "x.onnx", "--weights", "fp16", "--data", "phantoms[n=3,seed=9]")
    assert result.exit_code == 2
    assert "must have at least 5 scenes, got 3; or give --validation DIR" in result.output


def test_a_target_that_cannot_be_written_is_refused_before_the_model_is_looked_for(model: str) -> None:
    Path("kept.onnx").write_bytes(b"precious")
    Path("kept.onnx").chmod(0o444)
    for output, message in (("kept.onnx", "is write-protected"), ("no/x.onnx", "there is no folder no")):
        result = run("export", "nobody", "-o", output, "--overwrite")
        assert (result.exit_code, message in result.output) == (2, True), result.output
    assert "kept.onnx exists; give --overwrite" in run("export", model, "-o", "kept.onnx").output
    assert Path("kept.onnx").read_bytes() == b"precious"
