"""Runs that fail, are killed, or find their folder taken: what stays, and how they go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from _methods import DATA, bench, rows
from click.testing import CliRunner

from hybridseg.bench import RunError, make_plan, run_plan
from hybridseg.bench.records.cells import read_cell
from hybridseg.bench.records.folder import RunFolder
from hybridseg.cli import main
from hybridseg.data import grouped_folds, load_dataset


def test_killed_run_goes_on_and_gives_the_same_rows(methods: Path, tmp_path: Path) -> None:
    arguments = ["--data", DATA, "--no-cost", "--folds", "3", "-m", f"{methods}:Dark[seconds=0.15]"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "hybridseg", "bench", *arguments, "-o"]
    subprocess.run([*command, whole], check=True, capture_output=True)
    process = subprocess.Popen([*command, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    cells = killed / "cells"
    while time.monotonic() < deadline and sum(f.read_bytes().count(b"\n") for f in cells.glob("*.jsonl")) < 6:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = sum(f.read_bytes().count(b"\n") for f in cells.glob("*.jsonl"))
    assert 6 <= before < 15, "the kill came too late to show anything"
    done = subprocess.run([*command, killed], check=True, capture_output=True)
    assert rows(killed) == rows(whole)
    assert done.stderr.decode().strip() == f"run folder: {killed}"  # quiet in a pipe


def test_torn_last_line_is_done_again(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    bench("-m", f"{methods}:Nothing", "--folds", 3, "-o", out)
    complete = rows(out)
    cell = sorted((out / "cells").glob("*.jsonl"))[0]
    cell.write_bytes(cell.read_bytes()[:-20])
    assert bench("-m", f"{methods}:Nothing", "--folds", 3, "-o", out).exit_code == 0
    assert rows(out) == complete


def test_failures_are_rows_scored_as_the_worst_mask(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = bench("-m", f"{methods}:Sulky", "-m", f"{methods}:Broken", "--folds", 3, "-o", out)
    assert result.exit_code == 1
    assert "predictions failed" in result.stderr
    failed = [row for row in rows(out) if row["error"]]
    sulky = [row for row in failed if row["method"].endswith("Sulky")]
    odd = [case.case_id for case in load_dataset(DATA) if case.image.sum() % 2]
    assert sorted(row["case_id"] for row in sulky) == sorted(odd)
    assert sulky[0]["error"] == "RuntimeError: an odd image"
    assert len(failed) - len(sulky) == 12
    for row in failed:
        lesion = int(row["tp"]) + int(row["fn"])
        pixels = int(row["height"]) * int(row["width"])
        assert (int(row["tp"]), int(row["fp"])) == (0, 0 if lesion else pixels)


NEEDY = """
from pathlib import Path
import numpy as np
from hybridseg import Segmenter

HERE = Path(__file__)

class Needy(Segmenter):
    def _fit(self, images, masks, *, groups, validation, progress):
        with HERE.with_name("fits").open("a") as log:
            log.write("fit ")
        self.level_ = 1.0

    def _predict_proba(self, image):
        if image.sum() % 2 and not HERE.with_name("needed").exists():
            raise RuntimeError("something is missing")
        return np.zeros(image.shape, np.float32)

class Unfit(Needy):
    def _fit(self, images, masks, *, groups, validation, progress):
        if not HERE.with_name("needed").exists():
            raise RuntimeError("no fit")
"""


def test_what_failed_is_done_again_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "needy.py").write_text(NEEDY)
    methods = ("-m", tmp_path / "needy.py:Needy", "-m", tmp_path / "needy.py:Unfit", "-m", "otsu")
    command = ("bench", "--data", DATA, *methods, "--folds", 3, "-o", tmp_path / "run")

    def run(*more: str):
        return CliRunner().invoke(main, [*map(str, command), *more], prog_name="hybridseg")

    failed = run()
    assert failed.exit_code == 1 and "; --retry-failed does them again" in failed.stderr
    errors = {"", "RuntimeError: something is missing", "fit: RuntimeError: no fit"}
    assert {row["error"] for row in rows(tmp_path / "run")} == errors
    (tmp_path / "needed").touch()
    before = rows(tmp_path / "run")
    assert run().exit_code == 1  # it goes on, and nothing is left
    for cell in (tmp_path / "run" / "cells").glob("*Unfit*"):  # as a kill leaves it, right after the fit
        cell.write_bytes(cell.read_bytes().splitlines(keepends=True)[0])
    again = run("--retry-failed")
    assert again.exit_code == 0, again.stderr
    after = rows(tmp_path / "run")
    assert not any(row["error"] for row in after)
    assert [(row["method"], row["case_id"]) for row in after] == [(row["method"], row["case_id"]) for row in before]
    assert [row for row, old in zip(after, before, strict=True) if not old["error"]] == [
        row for row in before if not row["error"]
    ]
    assert (tmp_path / "fits").read_text() == "fit " * 3  # what was fitted is kept
    costs = [json.loads(path.read_text()) for path in (tmp_path / "run" / "costs").iterdir()]
    assert len(costs) == 3 and not any(cost["error"] for cost in costs)


def test_process_that_dies_is_recorded_and_the_rest_goes_on(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    plan = make_plan(
        load_dataset("phantoms[n=4,seed=0]"), grouped_folds(load_dataset("phantoms[n=4,seed=0]"), 2),
        [f"{methods}:Fatal", f"{methods}:Nothing"], "hybridseg.registry:create", split_name="two",
    )  # fmt: skip
    records = run_plan(plan, out, processes=2)
    fatal = [record for record in records if record.method.endswith("Fatal")]
    assert len(fatal) == 4
    assert all("died twice (SIGKILL)" in record.error for record in fatal)
    assert not any(record.error for record in records if record.method.endswith("Nothing"))


def test_folder_of_another_plan_is_refused_and_left_alone(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    bench("-m", f"{methods}:Nothing", "--folds", 3, "-o", out)
    before = (out / "run.json").read_bytes()
    result = bench("-m", f"{methods}:Dark", "--folds", 3, "-o", out)
    assert result.exit_code == 2
    assert "belongs to another plan (methods: there " in result.stderr
    result = bench("-m", f"{methods}:Nothing", "--folds", 2, "-o", out)
    assert result.exit_code == 2 and "belongs to another plan (other folds); give another folder" in result.stderr
    assert (out / "run.json").read_bytes() == before


def test_folder_with_other_files_is_refused(methods: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"")
    result = bench("-m", f"{methods}:Nothing", "-o", tmp_path / "photos")
    assert result.exit_code == 2
    assert "holds other files (cat.png)" in result.stderr


def test_second_process_on_one_folder_is_refused(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    dataset = load_dataset("phantoms[n=4,seed=0]")
    plan = make_plan(
        dataset, grouped_folds(dataset, 2), [f"{methods}:Nothing"], "hybridseg.registry:create", split_name="two"
    )
    run_plan(plan, out)
    with RunFolder(out).locked(), pytest.raises(RunError, match=r"in use|another process"):
        run_plan(plan, out)


def test_model_that_cannot_be_saved_is_a_reason_in_its_cell(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = bench("-m", f"{methods}:Unsaved", "--folds", 2, "-o", out)
    assert result.exit_code == 0, result.output
    assert [row["error"] for row in rows(out)] == [""] * 12
    for path in out.glob("cells/*.jsonl"):
        fit, _ = read_cell(path)
        assert fit is not None and fit.unsaved.startswith("RecursionError: ")
    assert list((out / "models").iterdir()) == []


def test_full_disk_while_a_model_is_saved_ends_the_run(methods: Path, tmp_path: Path) -> None:
    result = bench("-m", f"{methods}:Unsaved[disk_full=true]", "--folds", 2, "-o", tmp_path / "run")
    assert (result.exit_code, "No space left on device" in result.output) == (2, True), result.output
    assert list((tmp_path / "run" / "models").iterdir()) == []


def test_one_lock_on_windows_whatever_the_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: set[tuple[int, int]] = set()

    def locking(number: int, mode: int, length: int) -> None:
        """Lock from where the file stands, as `msvcrt` does."""
        byte = os.fstat(number).st_ino, os.lseek(number, 0, os.SEEK_CUR)
        if byte in held:
            raise OSError(36, "locked")
        held.add(byte)

    windows = SimpleNamespace(LK_LOCK=1, LK_NBLCK=2, locking=locking)
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    folder = RunFolder(tmp_path)
    refused = pytest.raises(RunError, match=rf"is in use by another run \(process {os.getpid()}\)")
    with folder.locked(), refused, folder.locked():
        pass
    assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_what_a_kill_left_half_written_is_no_stranger_and_is_removed(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for name in (".", "cells", "models", "masks/a"):
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name / ".hybridseg-abc.part").write_bytes(b"half")
    (out / "models" / ".a.hybridseg.part").write_bytes(b"half")
    with RunFolder(out).locked():
        refused = bench("-m", f"{methods}:Nothing", "--folds", 2, "-o", out)
    assert "is in use by another run" in refused.stderr
    assert len(list(out.rglob("*.part"))) == 5
    assert bench("-m", f"{methods}:Nothing", "--folds", 2, "-o", out).exit_code == 0
    assert list(out.rglob("*.part")) == []
