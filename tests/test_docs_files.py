"""Real files, just written, keep to the JSON schemas in docs/reference/schemas."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

jsonschema = pytest.importorskip("jsonschema")

from hybridseg.cli import main  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "docs" / "reference" / "schemas"


def check(name: str, value: Any) -> None:
    """Validate a value, and that the schema is one."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(value, schema)


def invoke(*words: str) -> None:
    result = CliRunner().invoke(main, words, prog_name="hybridseg")
    assert result.exit_code == 0, result.output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    invoke("bench", "--data", "phantoms[n=4]", "--folds", "2", "-m", "otsu", "-o", str(run))
    check("run", json.loads((run / "run.json").read_text("utf-8")))
    files = list((run / "cells").iterdir())
    assert len(files) == 2
    for file in files:
        fit, *cases = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        check("fit", fit)
        assert cases
        for case in cases:
            check("row", case)
    (cost,) = (run / "costs").iterdir()
    check("cost", json.loads(cost.read_text("utf-8")))


def test_splits(tmp_path: Path) -> None:
    invoke("data", "split", "phantoms[n=4]", "--folds", "2", "-o", str(tmp_path / "split.csv"))
    for path in (tmp_path / "split.csv", ROOT / "hybridseg" / "data" / "busi_split.csv"):
        written = rows(path)
        assert written
        for row in written:
            check("split", row)


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.toml")), ids=lambda path: path.stem)
def test_suites(path: Path) -> None:
    check("suite", tomllib.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "hybridseg" / "zoo").glob("*.json")), ids=lambda path: path.stem)
def test_cards(path: Path) -> None:
    check("card", json.loads(path.read_text("utf-8")))


def test_schemas_know_the_keys_that_the_readers_know() -> None:
    pytest.importorskip("spox")
    from dataclasses import fields

    from hybridseg.bench import Record
    from hybridseg.cli._suite import suite_options
    from hybridseg.cli.bench import bench
    from hybridseg.data.manifest import MANIFEST_COLUMNS
    from hybridseg.onnx.foreign import Foreign
    from hybridseg.postprocess import OperatingPoint

    def keys(name: str) -> dict[str, Any]:
        return json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))["properties"]

    assert set(keys("manifest")) == set(MANIFEST_COLUMNS)
    section = (SCHEMAS.parent / "files.md").read_text("utf-8").partition("## A manifest")[2].partition("\n## ")[0]
    described = [name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(described) == sorted(MANIFEST_COLUMNS)
    assert set(keys("row")) == {field.name for field in fields(Record)}
    assert set(keys("suite")) == set(suite_options(bench))
    assert set(keys("net")) == {field.name for field in fields(Foreign)} | {"operating_point", "scale"}
    assert set(keys("net")["operating_point"]["properties"]) == {field.name for field in fields(OperatingPoint)}


def test_a_row_with_a_wrong_key_or_count_is_refused() -> None:
    row = {"case_id": "a", "fold": "0"}
    check("split", row)
    for wrong in ({"case_id": "a", "fold": "x"}, {"fold": "0"}, {**row, "folds": "0"}):
        with pytest.raises(jsonschema.ValidationError):
            check("split", wrong)


def test_the_croissant_file_describes_the_split_that_ships() -> None:
    described = json.loads((ROOT / "docs" / "reference" / "busi_split.croissant.json").read_text("utf-8"))
    split = ROOT / "hybridseg" / "data" / "busi_split.csv"
    assert described["distribution"][0]["sha256"] == hashlib.sha256(split.read_bytes()).hexdigest()
    (records,) = described["recordSet"]
    assert [field["source"]["extract"]["column"] for field in records["field"]] == list(rows(split)[0])


def test_changes_are_named_as_the_changelog_reads_them() -> None:
    for path in (ROOT / "changes").iterdir():
        assert path.name == "template.md" or re.fullmatch(r"[\w.-]+\.(added|changed|fixed)\.md", path.name), path.name
        assert path.read_text("utf-8").count("\n") >= 1, path.name
