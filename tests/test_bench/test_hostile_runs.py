"""Run folders that lie: believed only where they can be true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from _hostile import hybridseg, one_line

from hybridseg.bench.records.cells import CellFile, FitRecord, Record, RunError
from hybridseg.bench.records.folder import RunFolder, read_run, write_json


def description(**cell: Any) -> dict[str, Any]:
    method = {"spec": "m", "class": "c:C", "params": {}, "as_given": False, "key": "k"}
    return {
        "format_version": 1, "plan": {"data": "d", "split": "s"}, "dataset": "d", "cases": 1, "groups_from": "g",
        "split": "s", "n_folds": 1, "empty_masks": "e", "nsd_tolerance_px": 3.0, "methods": [method],
        "cells": [{"method": "m", "fold": 0, "file": "c", "cases": 1, **cell}], "sessions": [],
    }  # fmt: skip


ROW = Record("m", 0, "a", "a", "", 2, 2, 1, 1, 1, 1, predict_ms=1.0, metrics={"nsd": 0.5})


def test_a_run_folder_names_no_file_outside(here: Path) -> None:
    (here / "run" / "cells").mkdir(parents=True)
    (here / "secret.jsonl").write_text("{}\n")
    for name in ("../../secret", "/etc/passwd", "a\0b", "", ".hidden"):
        write_json(here / "run" / "run.json", description(file=name))
        with pytest.raises(RunError, match="isn't the name of a file of a run"):
            read_run(here / "run")


def test_rows_are_believed_only_if_they_can_be_true(here: Path) -> None:
    (here / "run" / "cells").mkdir(parents=True)
    write_json(here / "run" / "run.json", description())
    path = here / "run" / "cells" / "c.jsonl"
    with CellFile(path) as file:
        file.append(FitRecord(None, {}))
        file.append(ROW)
    assert read_run(here / "run")[1] == [ROW]
    good = path.read_text("utf-8")
    for old, new, reason in [
        ('"tp": 1', '"tp": 2', "counts don't add up"),
        ('"tp": 1', '"tp": -1', "`tp` can't be -1"),
        ('"tp": 1', '"tp": "1"', "`tp` can't be '1'"),
        ('"tp": 1', '"tp": true', "`tp` can't be True"),
        ('"tp": 1', '"tp": 1e9999', "`tp` can't be inf"),
        ('"nsd": 0.5', '"nsd": NaN', "NaN is no number"),
        ('"nsd": 0.5', '"nsd": ' + "[" * 99_999, "nested too deeply"),
        ('"group": "a", ', "", "it lacks `group`"),
        ('"tp": 1', '"tp": 1, "more\\n": 1', "`more\\\\n` isn't known"),
        ('"method": "m"', '"method": 3', "`method` can't be 3"),
    ]:
        assert old in good
        path.write_text(good.replace(old, new, 1), "utf-8")
        with pytest.raises(RunError, match=r"c\.jsonl line 2 is damaged") as caught:
            read_run(here / "run")
        assert reason.replace("\\\\", "\\") in str(caught.value) and str(caught.value).isprintable()
        one_line(hybridseg("info", "run"))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format_version": 1}', '{"format_version": NaN}',
                                  "[" * 99_999, '{"format_version": {}}', "\ufeff{}"])  # fmt: skip
def test_descriptions_that_are_none(here: Path, text: str) -> None:
    (here / "run").mkdir()
    (here / "run" / "run.json").write_text(text, "utf-8")
    one_line(hybridseg("info", "run"))
    for name in ("methods", "cells", "plan", "cases"):
        lacking = description()
        del lacking[name]
        (here / "run" / "run.json").write_text(json.dumps(lacking))
        assert f"it lacks `{name}`" in one_line(hybridseg("info", "run"))


def test_a_run_folder_of_rows_too_large(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridseg.bench.records import folder as records

    (here / "run" / "cells").mkdir(parents=True)
    write_json(here / "run" / "run.json", description())
    with CellFile(RunFolder(here / "run").cell("c")) as file:
        file.append(FitRecord(None, {}))
    size = (here / "run" / "run.json").stat().st_size
    monkeypatch.setattr(records, "MAX_FILE_BYTES", size - 1)
    assert "bytes, at most" in one_line(hybridseg("info", "run"))
