"""The harness: resumes after a kill, keeps failures, refuses foreign folders, and prints what was counted."""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from hybridseg.bench import RunError, make_plan, read_run, run_plan, summarize
from hybridseg.bench.method import _source_hash, create_method
from hybridseg.bench.records.cells import read_cell
from hybridseg.bench.records.folder import RunFolder
from hybridseg.bench.tables.run import render
from hybridseg.cli import main
from hybridseg.data import grouped_folds, load_dataset
from hybridseg.data.files import write_folder
from hybridseg.images import ImageError

METHODS = '''
import os
import time

import numpy as np
from hybridseg import Segmenter, Tags


class Dark(Segmenter):
    """Dark pixels; learns how dark, and takes its time if told to."""

    tags = Tags(requires_fit=True)

    def __init__(self, *, seconds=0.0):
        self.seconds = seconds

    def _fit(self, images, masks, *, groups, validation, progress):
        self.level_ = float(np.mean([image[mask].mean() for image, mask in zip(images, masks) if mask.any()]))

    def _predict_proba(self, image):
        time.sleep(self.seconds)
        return (image < self.level_).astype(np.float32)


class Nothing(Segmenter):
    """No lesion anywhere."""

    def _predict_proba(self, image):
        return np.zeros(image.shape, np.float32)


class Sulky(Segmenter):
    """Fails on every other image."""

    def _predict_proba(self, image):
        if image.sum() % 2:
            raise RuntimeError("an odd\\nimage")
        return np.zeros(image.shape, np.float32)


class Broken(Segmenter):
    """Can't be fitted."""

    tags = Tags(requires_fit=True)

    def _fit(self, images, masks, **rest):
        raise ValueError("no idea how")

    def _predict_proba(self, image):
        raise AssertionError("never reached")


class Unsaved(Dark):
    """Learns what can't be saved, or finds the disk full."""

    def __init__(self, *, seconds=0.0, disk_full=False):
        self.seconds = seconds
        self.disk_full = disk_full

    def _fit(self, *given, **rest):
        super()._fit(*given, **rest)
        self.tree_ = []
        self.tree_.append(self.tree_)

    def save(self, path):
        path.write_bytes(b"half")
        if self.disk_full:
            raise OSError(28, "No space left on device", str(path))
        super().save(path)


class Fatal(Segmenter):
    """Takes its process with it."""

    def _predict_proba(self, image):
        os.kill(os.getpid(), 9)
'''
DATA = "phantoms[n=12,seed=0]"
TIMES = {"predict_ms"}


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(METHODS)
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open() as stream:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(stream)]


def bench(*arguments: object):
    return CliRunner().invoke(main, ["bench", "--data", DATA, "--no-cost", *map(str, arguments)], prog_name="hybridseg")


def test_one_method_written_in_two_ways_is_refused(tmp_path: Path) -> None:
    result = bench("-m", "otsu", "-m", "otsu[]", "--folds", 3, "-o", tmp_path / "run")
    assert result.exit_code == 2 and "are one method with the same parameters" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_method_whose_training_needs_a_missing_package_ends_the_run_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "missing_backend")
    assert bench("-m", "unet", "--folds", 3, "--dry-run").exit_code == 0  # nothing is trained
    result = bench("-m", "unet", "--folds", 3, "-o", tmp_path / "run")
    assert result.exit_code == 2 and "training UNetSegmenter needs" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_folder_among_the_data_is_refused(tmp_path: Path) -> None:
    write_folder(load_dataset("phantoms[n=6]"), tmp_path / "data")
    for output in (tmp_path / "data" / "run", tmp_path / "data"):
        arguments = ["bench", "--data", str(tmp_path / "data"), "-m", "otsu", "--no-cost", "-o", str(output)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2 and "lies in the folder of the data" in result.stderr
    assert not (tmp_path / "data" / "run").exists()


def test_a_seed_that_the_spec_sets_stays_whatever_the_blanks() -> None:
    for spec, seed in (
        ("random-forest[random_state=5]", 5),
        ("random-forest[ random_state = 5 ]", 5),
        ("random-forest[n_trees=9]", 3),
    ):
        assert create_method("hybridseg.registry:create", spec, 3, as_given=False).random_state == seed


def test_table_is_recomputable_from_the_rows(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = bench("-m", f"{methods}:Dark", "-m", f"{methods}:Nothing", "--folds", 3, "-o", out, "--format", "json")
    assert result.exit_code == 0, result.output
    table = {each["method"]: each for each in json.loads(result.stdout)["methods"]}
    by_hand: dict[str, list[float]] = {}
    for row in rows(out):
        tp, fp, fn = (int(row[name]) for name in ("tp", "fp", "fn"))
        if tp + fn:
            by_hand.setdefault(row["method"], []).append(tp / (tp + fp + fn))
    assert set(by_hand) == set(table)
    for method, values in by_hand.items():
        assert table[method]["iou"] == pytest.approx(np.mean(values))
        assert table[method]["lesion_images"] == len(values)
    nothing = table[f"{methods}:Nothing"]
    assert (nothing["iou"], nothing["missed"], nothing["false_positive_rate"]) == (0.0, 1.0, 0.0)
    assert len(rows(out)) == 24
    assert {(row["method"], row["case_id"]) for row in rows(out)} == {
        (method, case.case_id) for method in table for case in load_dataset(DATA)
    }


def test_run_folder_says_what_made_it(methods: Path, tmp_path: Path) -> None:
    bench("-m", f"{methods}:Nothing", "--folds", 3, "-o", tmp_path / "run")
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    assert description["plan"]["seed"] == 0
    assert len(description["plan"]["data"]) == 64
    session = description["sessions"][0]
    assert session["command"][0] == "hybridseg"
    assert session["end"] >= session["start"]
    assert "numpy" in json.dumps(session)


@pytest.mark.parametrize("form", ["text", "md", "csv", "json"])
def test_every_format_says_the_same(methods: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "run"
    bench("-m", f"{methods}:Dark", "--folds", 3, "-o", out)
    summary = summarize(out)
    text = render(summary, form)
    if form == "csv":
        (row,) = csv.DictReader(text.splitlines())
        assert float(row["iou"]) == pytest.approx(summary.methods[0].iou)
    elif form == "json":
        assert json.loads(text)["methods"][0]["iou"] == summary.methods[0].iou
    else:
        assert f"{summary.methods[0].iou:.3f}" in text
        assert "Empty masks:" in text
    if form == "text":
        assert max(map(len, text.splitlines())) <= 100


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


def test_several_processes_give_the_same_rows(methods: Path, tmp_path: Path) -> None:
    for jobs, name in ((1, "one"), (2, "two")):
        assert bench("-m", f"{methods}:Dark", "--folds", 3, "-j", jobs, "-o", tmp_path / name).exit_code == 0
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_folder_of_another_plan_is_refused_and_left_alone(methods: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    bench("-m", f"{methods}:Nothing", "--folds", 3, "-o", out)
    before = (out / "run.json").read_bytes()
    result = bench("-m", f"{methods}:Dark", "--folds", 3, "-o", out)
    assert result.exit_code == 2
    assert "belongs to another plan" in result.stderr
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


def test_read_run_refuses_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="run"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError):
        read_run(tmp_path)


def test_cost_is_measured_in_a_process_of_its_own(methods: Path, tmp_path: Path) -> None:
    from hybridseg.bench import measure_cost

    image = np.full((60, 80), 90, np.uint8)
    os.environ.pop("HYBRIDSEG_DEBUG", None)
    cost = measure_cost("hybridseg.registry:create", f"{methods}:Nothing", [image] * 3)
    assert cost.get("error", "") == ""
    assert 0 < cost["warm_ms_median"] <= cost["warm_ms_p95"]
    assert cost["cold_ms"] > cost["warm_ms_median"]
    assert cost["peak_mib"] > 10
    assert cost["threads"] == 1


def test_an_image_that_cannot_be_read_ends_the_run_before_it_starts(methods: Path, tmp_path: Path) -> None:
    write_folder(load_dataset("phantoms[n=4]"), tmp_path / "data")
    dataset = load_dataset(tmp_path / "data")
    plan = make_plan(
        dataset, grouped_folds(dataset, 2), [f"{methods}:Nothing"], "hybridseg.registry:create", split_name="two"
    )
    last = dataset[-1].image_path
    last.write_bytes(last.read_bytes()[:5000])
    with pytest.raises(ImageError, match=last.name.replace("(", r"\(").replace(")", r"\)")):
        run_plan(plan, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_methods_key_follows_the_files_of_the_classes_it_is_made_from(tmp_path: Path, monkeypatch) -> None:
    keys = []
    for folder, value in (("first", 1), ("second", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "base_of_mine.py").write_text(
            f"from hybridseg import Segmenter\n\n\nclass Base(Segmenter):\n    x = {value}\n\n"
            "    def _predict_proba(self, image):\n        return image / 255\n"
        )
        (tmp_path / folder / "mine.py").write_text("from base_of_mine import Base\n\n\nclass Mine(Base):\n    pass\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / folder)
            keys.append(_source_hash(importlib.import_module("mine").Mine).split(" "))
        del sys.modules["mine"], sys.modules["base_of_mine"]
    assert keys[0][0] == keys[1][0]
    assert keys[0][1] != keys[1][1]
