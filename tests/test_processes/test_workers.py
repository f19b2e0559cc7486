"""Work spread over processes: what a death costs, and that several machines give the table of one."""

from __future__ import annotations

import csv
import importlib
import json
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridseg.bench import make_plan
from hybridseg.bench.run.running import cells_of_shard
from hybridseg.cli import main
from hybridseg.data import grouped_folds, load_dataset
from hybridseg.data.phantoms import phantom
from hybridseg.images import write_image, write_mask
from hybridseg.processes.cluster import ClusterWorkers
from hybridseg.processes.local import LocalWorkers, Outcome, how_it_ended
from hybridseg.processes.machine import cpu_model
from hybridseg.processes.shards import parse_shard, shard_of

METHODS = '''
import os
import time

import numpy as np
from hybridseg import Segmenter


class Slow(Segmenter):
    """Nothing, slowly."""

    def _predict_proba(self, image):
        time.sleep(0.1)
        return (image < 60).astype(np.float32)


class Deadly(Segmenter):
    """Kills its process at images of one height."""

    def _predict_proba(self, image):
        if image.shape[0] == 61:
            os.kill(os.getpid(), 9)
        return (image < 60).astype(np.float32)
'''


def square(context: int, unit: int) -> int:
    """Return context * unit; 3 is bad input, 4 ends the process."""
    if unit == 3:
        raise ValueError("not 3")
    if unit == 4:
        os._exit(7)
    return context * unit


def hears_interrupts(context: None, unit: int) -> bool:
    """Return whether Ctrl-C reaches this process, as it might before its first line runs."""
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="hybridseg")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open() as stream:
        return [{key: value for key, value in row.items() if key != "predict_ms"} for row in csv.DictReader(stream)]


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(METHODS)
    return path


def test_each_unit_has_one_outcome_whatever_becomes_of_its_process() -> None:
    with LocalWorkers(square, 10, 2, cores=2) as workers:
        for unit in range(6):
            workers.put(unit)
        outcomes = sorted((workers.take() for _ in range(6)), key=lambda outcome: outcome.unit)
        assert workers.running == []
        with pytest.raises(LookupError, match="nothing was put"):
            workers.take()
    assert outcomes == [
        Outcome(0, 0), Outcome(1, 10), Outcome(2, 20), Outcome(3, error="not 3"), Outcome(4, died="exit code 7"),
        Outcome(5, 50),
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="has no mask of signals")
def test_ctrl_c_is_the_parents() -> None:
    with LocalWorkers(hears_interrupts, None, 1, cores=1) as workers:
        workers.put(0)
        assert workers.take() == Outcome(0, False)
    assert hears_interrupts(None, 0)


@pytest.mark.parametrize("letters", [10, 10**6])
def test_a_process_that_dies_while_it_starts_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letters: int
) -> None:
    (tmp_path / "stillborn.py").write_text(
        "import os, sys\nif 'spawn_main' in ' '.join(sys.orig_argv): os._exit(3)\ndef call(context, unit): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    call = importlib.import_module("stillborn").call
    with LocalWorkers(call, None, 1, cores=1) as workers:
        for unit in ("x" * letters, "y"):
            workers.put(unit)
        died = [workers.take(60), workers.take(60)]
    assert died == [Outcome("x" * letters, died="exit code 3"), Outcome("y", died="exit code 3")]


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="has no real-time signals")
def test_signals_without_a_name() -> None:
    assert [how_it_ended(-code) for code in (9, signal.SIGRTMIN + 3)] == ["SIGKILL", f"signal {signal.SIGRTMIN + 3}"]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3"])
def test_wrong_shards_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`shard` must be k/n"):
        parse_shard(text)


def test_shards_are_a_partition() -> None:
    parts = [shard_of(range(10), (k, 3)) for k in (1, 2, 3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert shard_of(range(3), None) == [0, 1, 2]


# ---- segment ------------------------------------------------------------------------------------
@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(7):
        height = 61 if number == 3 else 60
        write_image(folder / f"{number}.png", phantom(number, shape=(height, 70)).image)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_several_processes_write_what_one_writes(methods: Path, images: Path, tmp_path: Path) -> None:
    for jobs in (1, 3):
        table = ("--measure", tmp_path / f"{jobs}.csv")
        result = invoke("segment", images, "-m", f"{methods}:Slow", "-o", tmp_path / str(jobs), "-j", jobs, *table)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.count("lesion") == 7
    assert contents(tmp_path / "1") == contents(tmp_path / "3")
    assert len(contents(tmp_path / "1")) == 7
    one, three = ((tmp_path / f"{jobs}.csv").read_text().replace(f"/{jobs}/", "/") for jobs in (1, 3))
    assert one == three


def test_image_that_kills_its_process_is_named_and_the_rest_is_done(
    methods: Path, images: Path, tmp_path: Path
) -> None:
    result = invoke("segment", images, "-m", f"{methods}:Deadly", "-o", tmp_path / "out", "-j", 2)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"hybridseg segment: {images / '3.png'}: a process died (SIGKILL); tried again",
        f"{images / '3.png'}: its process died twice (SIGKILL)",
        "hybridseg segment: 1 of 7 images failed",
    ]
    assert sorted(contents(tmp_path / "out")) == [f"{number}_mask.png" for number in (0, 1, 2, 4, 5, 6)]


def test_shards_of_segment_make_the_whole(methods: Path, images: Path, tmp_path: Path) -> None:
    command = ("segment", images, "-m", f"{methods}:Slow", "-o", tmp_path / "out", "--shard")
    for k in (1, 2, 3):
        assert invoke(*command, f"{k}/3").exit_code == 0
    assert len(contents(tmp_path / "out")) == 7
    assert invoke(*command, "8/8", "--existing", "skip").stdout == "nothing to do: shard 8/8 of 7 images is empty\n"
    again = invoke(*command, "2/3")
    assert again.exit_code == 2
    assert "exists" in again.stderr
    (tmp_path / "out" / "4_mask.png").unlink()
    resumed = invoke(*command, "2/3", "--existing", "skip")
    assert [line.split(":")[0] for line in resumed.stdout.splitlines()] == [str(images / "4.png")]


def test_each_shard_of_segment_has_a_table_of_its_own(methods: Path, images: Path, tmp_path: Path) -> None:
    command = ("segment", images, "-m", f"{methods}:Slow", "-o", tmp_path / "out", "--measure", tmp_path / "sizes.csv")
    for k in (1, 2, 2):
        assert invoke(*command, "--existing", "skip", "--shard", f"{k}/2").exit_code == 0
    measured = [(tmp_path / f"sizes_{k}_of_2.csv").read_text().splitlines()[1:] for k in (1, 2)]
    assert ["".join(sorted({Path(row.split(",")[0]).stem for row in part})) for part in measured] == ["0246", "135"]
    assert not (tmp_path / "sizes.csv").exists()


# ---- bench, merge -------------------------------------------------------------------------------
BENCH = ("bench", "--data", "phantoms[n=10]", "--no-cost")


def test_merged_shards_are_the_run(methods: Path, tmp_path: Path) -> None:
    specs = ("-m", f"{methods}:Slow", "-m", "otsu", "--folds", 2)
    assert invoke(*BENCH, *specs, "-o", tmp_path / "whole").exit_code == 0
    parts = [tmp_path / f"part{k}" for k in (1, 2, 3)]
    for k, part in enumerate(parts, 1):
        result = invoke(*BENCH, *specs, "-o", part, "--shard", f"{k}/3")
        assert result.exit_code == 0, result.stderr
    assert [len(rows(part)) for part in parts] == [10, 5, 5]
    some = invoke("merge", *parts[:2], "-o", tmp_path / "some")
    assert some.exit_code == 1
    assert "5 of 20 rows are missing" in some.stderr
    merged = invoke("merge", tmp_path / "some", parts[2], "-o", tmp_path / "merged")
    assert merged.exit_code == 0, merged.stderr
    assert rows(tmp_path / "merged") == rows(tmp_path / "whole")
    # a run like any other: nothing is left to do of it
    assert invoke(*BENCH, *specs, "-o", tmp_path / "merged").exit_code == 0
    masks = [sorted(path.name for path in (tmp_path / run / "masks").rglob("*.png")) for run in ("merged", "whole")]
    assert masks[0] == masks[1] != []


@pytest.mark.parametrize(("count", "shards"), [(1, 3), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (2, 4), (3, 15)])
def test_every_shard_has_its_share_of_every_method(count: int, shards: int) -> None:
    plan = make_plan(
        load_dataset("phantoms[n=10]"), grouped_folds(load_dataset("phantoms[n=10]"), 5),
        [f"otsu[surroundings={k + 2}]" for k in range(count)], "hybridseg.registry:create", split_name="five",
    )  # fmt: skip
    parts = [cells_of_shard(plan, (k + 1, shards)) for k in range(shards)]
    assert sorted((cell.method.spec, cell.fold) for part in parts for cell in part) == sorted(
        (cell.method.spec, cell.fold) for cell in plan.cells
    )
    for method in plan.methods:
        assert max(sum(cell.method == method for cell in part) for part in parts) == -(-5 // shards)


def test_other_methods_on_the_same_data_are_joined(methods: Path, tmp_path: Path) -> None:
    for name, spec in (("a", "otsu"), ("b", f"{methods}:Slow")):
        assert invoke(*BENCH, "-m", spec, "--folds", 2, "-o", tmp_path / name).exit_code == 0
    result = invoke("merge", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "both", "--format", "csv")
    assert result.exit_code == 0, result.stderr
    assert [line.split(",")[0] for line in result.stdout.splitlines()[1:]] == ["otsu", f"{methods}:Slow"]


def test_runs_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    for name, options in (("a", ()), ("seed", ("--seed", 3)), ("same", ())):
        assert invoke(*BENCH, "-m", "otsu", "--folds", 2, *options, "-o", tmp_path / name).exit_code == 0
    cells = tmp_path / "same" / "cells"
    refused = {
        "doesn't belong to": invoke("merge", tmp_path / "a", tmp_path / "seed", "-o", tmp_path / "out"),
        "merge needs two run folders": invoke("merge", tmp_path / "a", "-o", tmp_path / "out"),
        f"{tmp_path / 'a'} is named twice": invoke("merge", tmp_path / "a", tmp_path / "a", "-o", tmp_path / "out"),
        "not a run folder": invoke("merge", tmp_path / "a", cells, "-o", tmp_path / "out"),
        "is there already": invoke("merge", tmp_path / "a", tmp_path / "same", "-o", tmp_path / "seed"),
    }
    for text, result in refused.items():
        assert (result.exit_code, text in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "out").exists()


def test_rows_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert invoke(*BENCH, "-m", "otsu", "--folds", 2, "-o", tmp_path / name).exit_code == 0
    path = sorted((tmp_path / "b" / "cells").glob("*.jsonl"))[0]
    text = path.read_text()
    tn = int(text.split('"tn": ')[1].split(",")[0])
    tp = int(text.split('"tp": ')[1].split(",")[0])
    path.write_text(text.replace(f'"tn": {tn}', f'"tn": {tn - 1}', 1).replace(f'"tp": {tp}', f'"tp": {tp + 1}', 1))
    result = invoke("merge", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "contradict each other: otsu, fold 0" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_run_that_a_method_ends_goes_on_in_a_process_of_its_own(tmp_path: Path, methods: Path) -> None:
    methods.write_text(METHODS.replace("shape[0] == 61", "sum() % 7 == 3"))  # of 10 phantoms some
    command = [sys.executable, "-m", "hybridseg", *map(str, (*BENCH, "-m", f"{methods}:Deadly", "--folds", 2))]
    command += ["-o", str(tmp_path / "run")]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == -signal.SIGKILL
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1, again.stderr
    assert "hybridseg bench: a process died: " in again.stderr
    guilty = [case.case_id for case in load_dataset("phantoms[n=10]") if case.image.sum() % 7 == 3]
    failed = [row for row in rows(tmp_path / "run") if row["error"]]
    assert sorted(row["case_id"] for row in failed) == sorted(guilty) != []
    assert {row["error"] for row in failed} == {"its process died twice (SIGKILL)"}
    assert len(rows(tmp_path / "run")) == 10


# ---- a cluster ----------------------------------------------------------------------------------
pytest.importorskip("distributed")


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler and two workers in processes of their own, started again (``--nanny``) only when asked for."""
    file, log = tmp_path / "scheduler.json", (tmp_path / "dask.log").open("wb")
    # A unit is given up after the second worker that it is lost with; no other waits behind it at a worker.
    settings = {"ALLOWED_FAILURES": "1", "WORKER_SATURATION": "1.0"}
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    quiet.update({f"DASK_DISTRIBUTED__SCHEDULER__{name}": value for name, value in settings.items()})

    def start(*arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *map(str, arguments)]
        return subprocess.Popen(command, stdout=log, stderr=log, env=quiet, cwd=tmp_path)

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", file)
    nanny = getattr(request, "param", "--no-nanny")
    worker = ("worker", "--scheduler-file", file, "--nthreads", 1, "--no-dashboard", nanny)
    workers = [start(*worker, "--name", name) for name in ("one", "two")]
    try:
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield file, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()  # a worker told to end waits for its scheduler, which may be gone first
            process.wait()
        log.close()


def test_cluster_that_loses_a_worker_gives_the_table_of_one_process(
    methods: Path, tmp_path: Path, cluster: tuple[Path, list[subprocess.Popen[bytes]]]
) -> None:
    file, workers = cluster
    specs = ("-m", f"{methods}:Slow", "-m", "otsu", "--folds", 4)
    assert invoke(*BENCH, *specs, "-o", tmp_path / "serial").exit_code == 0
    command = [sys.executable, "-m", "hybridseg", *map(str, (*BENCH, *specs)), "-o", str(tmp_path / "run")]
    process = subprocess.Popen([*command, "--cluster", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob("run/cells/*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.02)
    workers[0].send_signal(signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr.decode()
    assert rows(tmp_path / "run") == rows(tmp_path / "serial")
    assert len(rows(tmp_path / "run")) == 20


def test_segment_on_a_cluster(
    methods: Path, images: Path, tmp_path: Path, cluster: tuple[Path, list[subprocess.Popen[bytes]]]
) -> None:
    spec = f"{methods}:Slow"
    assert invoke("segment", images, "-m", spec, "-o", tmp_path / "here").exit_code == 0
    command = [sys.executable, "-m", "hybridseg", "segment", str(images), "-m", spec, "-o", str(tmp_path / "there")]
    done = subprocess.run(
        [*command, "--cluster", str(cluster[0])], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


@pytest.mark.parametrize("cluster", ["--nanny"], indirect=True)
def test_what_kills_its_workers_on_a_cluster_is_named_and_the_rest_is_done(
    methods: Path, images: Path, tmp_path: Path, cluster: tuple[Path, list[subprocess.Popen[bytes]]]
) -> None:
    where = ("-m", f"{methods}:Deadly", "--cluster", cluster[0])
    result = invoke("segment", images, *where, "-o", tmp_path / "out")
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit), result.stderr
    assert f"{images / '3.png'}: its process died twice" in result.stderr
    assert result.stderr.endswith("hybridseg segment: 1 of 7 images failed\n")
    assert sorted(contents(tmp_path / "out")) == [f"{number}_mask.png" for number in (0, 1, 2, 4, 5, 6)]
    for number in range(4):
        case = phantom(number, shape=(61 if number == 3 else 60, 70))
        folder = tmp_path / "data" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", case.image)
        write_mask(folder / f"{number}_mask.png", case.mask)
    result = invoke("bench", "--data", tmp_path / "data", "--no-cost", *where, "--folds", 2, "-o", tmp_path / "run")
    assert result.exit_code == 1, result.stderr
    assert "a process died" in result.stderr
    assert [row["case_id"] for row in rows(tmp_path / "run") if row["error"]] == ["3"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["sessions"][0]["worker_cpus"] == [cpu_model()]


def test_cluster_without_workers_is_one_line(cluster: tuple[Path, list[subprocess.Popen[bytes]]]) -> None:
    with ClusterWorkers(operator.mul, 10, str(cluster[0]), patience=0.5) as workers:
        workers.put(2)
        assert workers.take() == Outcome(2, 20)
        for process in cluster[1]:
            process.kill()
            process.wait()
        workers.put(3)
        with pytest.raises(ConnectionError, match="has no worker since"):
            workers.take()


def test_no_cluster_is_one_line(images: Path, tmp_path: Path) -> None:
    result = invoke("segment", images, "-m", "otsu", "-o", tmp_path / "out", "--cluster", tmp_path / "none.json")
    assert result.exit_code == 2
    assert result.stderr.endswith("none.json: no such scheduler file\n")
    assert not (tmp_path / "out").exists()
