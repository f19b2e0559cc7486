"""Suites: what a TOML file may say, what the command line overrides, and the matrix of a dry run."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hybridseg.cli import main
from hybridseg.cli._suite import read_suite
from hybridseg.cli.bench import bench

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks" / "accuracy"
SUITE = """
data = "phantoms[n=6]"
method = ["otsu", "watershed[rounds=2]"]
folds = 3
fold = [0, 2]
seed = 4
no-cost = true
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("suite.toml").write_text(SUITE)
    return tmp_path / "suite.toml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)], prog_name="hybridseg")


def matrix(result: Result) -> list[list[str]]:
    """Return the cells of the table that a dry run prints."""
    assert result.exit_code == 0, result.output
    block = result.stdout.split("\n\n")[1]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in block.splitlines()]


def test_dry_run_prints_methods_by_folds_and_writes_nothing(suite: Path) -> None:
    result = run("suite.toml", "--dry-run", "-o", "run")
    assert matrix(result) == [
        ["method", "fold 0", "fold 2"],
        ["otsu", "2 (4)", "2 (4)"],
        ["watershed[rounds=2]", "2 (4)", "2 (4)"],
    ]
    assert "3 grouped, class-stratified folds dealt from seed 4" in result.stdout
    assert "8 (2 methods x 2 folds)" in result.stdout
    assert [path.name for path in suite.parent.iterdir()] == ["suite.toml"]


def test_dry_run_of_a_run_that_is_there_says_how_much_is_done(suite: Path) -> None:
    assert run("suite.toml", "-m", "otsu", "--fold", 0, "-o", "run").exit_code == 0
    result = run("suite.toml", "-m", "otsu", "--fold", 0, "-o", "run", "--dry-run")
    assert "2 of them in run" in result.stdout


def test_command_line_overrides(suite: Path) -> None:
    options = ("-m", "otsu", "--folds", 2, "--fold", 1, "--seed", 9, "--data", "phantoms[n=4]")
    result = run("suite.toml", "--dry-run", *options)
    assert matrix(result) == [["method", "fold 1"], ["otsu", "2 (2)"]]
    assert "seed 9" in result.stdout
    first = run("--dry-run", "-m", "otsu", "suite.toml")  # wherever the suite stands
    assert matrix(first)[1:] == [["otsu", "2 (4)", "2 (4)"]]


def test_suite_runs_as_the_same_options_do(suite: Path) -> None:
    options = ["--data", "phantoms[n=6]", "-m", "otsu", "-m", "watershed[rounds=2]", "--folds", "3", "--fold", "0"]
    options += ["--fold", "2", "--seed", "4", "--no-cost", "-o", "b"]
    for arguments in (["suite.toml", "-o", "a"], options):
        assert run(*arguments).exit_code == 0
    a, b = (json.loads(Path(name, "run.json").read_text()) for name in "ab")
    assert a["plan"] == b["plan"]
    assert a["sessions"][0]["command"][0] == "hybridseg"


def test_one_method_needs_no_list(suite: Path) -> None:
    Path("one.toml").write_text('data = "phantoms[n=4]"\nfolds = 2\nmethod = "otsu"\n')
    assert [line[0] for line in matrix(run("one.toml", "--dry-run"))] == ["method", "otsu"]


def test_options_keep_their_defaults_where_a_suite_says_nothing(suite: Path) -> None:
    Path("none.toml").write_text("")
    result = run("none.toml", "--dry-run", "-m", "otsu")
    assert matrix(result)[0] == ["method", *(f"fold {fold}" for fold in range(5))]
    assert "24 cases" in result.stdout


@pytest.mark.parametrize(("text", "words"), [
    ('metod = ["otsu"]', "bad.toml: unknown key `metod`, did you mean `method`? known: data, train, test, "),
    ("no_cost = true", "unknown key `no_cost`, did you mean `no-cost`?"),
    ("dry-run = true", "unknown key `dry-run`"),
    ("m = 'otsu'", "unknown key `m`"),
    ("[run]\nseed = 1", "unknown key `run`"),
    ("seed = '1'", "`seed` must be an integer, got '1'"),
    ("seed = true", "`seed` must be an integer, got True"),
    ("no-cost = 1", "`no-cost` must be true or false, got 1"),
    ("method = [1]", "`method` must be text in quotes, got 1"),
    ("data = ['a', 'b']", "several data sets need a short name each: NAME=DIR, got `a`"),
    ("data = [['a']]", "`data` must be text in quotes, got ['a']"),
    ("seed = -1", "-1 is not in the range"),
    ("format = 'html'", "'html' is not one of"),
    ("seed = ", "bad.toml: not TOML: "),
    ("method = ['nosuch']", "unknown method `nosuch`"),
])  # fmt: skip
def test_wrong_suites_are_one_line(suite: Path, text: str, words: str) -> None:
    Path("bad.toml").write_text(text)
    result = run("bad.toml")
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = [0, 1]", "unknown key `seeds`: a run has one `seed`: run the suite once for each"),
        ("seed = [0, 1]", "`seed` is a list, but a run has one `seed`: run the suite once for each"),
        ('metrics = ["iou"]', "unknown key `metrics`: every run has all metrics"),
        ('models = ["otsu"]', "did you mean `method`?"),
        ("no_cost = true", "did you mean `no-cost`?"),
    ],
)
def test_keys_that_people_expect_say_why_not(suite: Path, text: str, words: str) -> None:
    suite.write_text(text)
    result = CliRunner().invoke(main, ["bench", str(suite)], prog_name="hybridseg")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert words in result.stderr


def test_file_that_is_no_suite_is_one_line(suite: Path) -> None:
    Path("picture.toml").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name, words in (
        ("picture.toml", "picture.toml: not TOML"),
        ("nowhere.toml", "nowhere.toml: no such suite"),
        ("otsu", "otsu: no such suite (a method is given with -m)"),
    ):
        result = run(name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.toml")), ids=lambda path: path.name)
def test_suites_that_ship_can_be_read(path: Path) -> None:
    values = read_suite(str(path), bench)
    assert set(values) <= {parameter.name for parameter in bench.params}
    assert values["methods"]
    with click.Context(bench) as context:
        for parameter in bench.params:
            if parameter.name in values:
                parameter.type_cast_value(context, values[parameter.name])


def test_phantoms_suite_is_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line[0] for line in matrix(run(BENCHMARKS / "phantoms.toml", "--dry-run"))] == [
        "method", "otsu", "watershed", "random-forest[n_trees=20]"
    ]  # fmt: skip


@pytest.mark.busi
def test_busi_suite_has_the_published_folds(busi_dir: Path) -> None:
    table = matrix(run(BENCHMARKS / "busi.toml", "--data", busi_dir, "--dry-run"))
    assert [line[0] for line in table] == ["method", "otsu", "watershed", "random-forest", "unet"]
    assert sum(int(cell.split()[0]) for cell in table[1][1:]) == 619
