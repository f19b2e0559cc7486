"""A run as a report: numbers by hand, how it was made, runs that are no good."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _reports import command, entries, row, section, words, write_run

from hybridseg.bench import RunError, summarize
from hybridseg.bench.records.folder import RunFolder, write_json
from hybridseg.bench.report import FORMATS, latex_table, make_report, render_report
from hybridseg.bench.report.breakdown import parts
from hybridseg.bench.report.facts import RunFacts
from hybridseg.bench.report.figures import Point, log_ticks, nice_ticks, scatter
from hybridseg.bench.report.overlays import choose
from hybridseg.bench.tables.run import render
from hybridseg.data import DataError
from hybridseg.images import write_image, write_mask
from hybridseg.metrics import Estimate


def test_numbers_by_hand(run: Path) -> None:
    document = make_report(run)
    per_image, per_scene, _ = section(document, "leaderboard").tables
    assert [line[1].text for line in per_image.rows] == ["first", "second"]
    assert per_image.rows[0][2].value == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert per_image.rows[1][2].value == pytest.approx((0.2 + 0.4 + 0) / 3)
    assert per_scene.rows[0][2].value == pytest.approx((0.5 + 0) / 2)
    assert per_scene.rows[1][2].value == pytest.approx((0.3 + 0) / 2)
    for line in per_scene.rows:
        assert line[2].low <= line[2].value <= line[2].high
    # Where scene s1 is drawn at all the first is ahead; where only s2 is drawn both score 0 and stay in order.
    assert entries(document, "ranks") == [["first", "100", "0"], ["second", "0", "100"]]
    assert entries(document, "lesion-free")[0][:3] == ["first", "1", "1"]
    assert entries(document, "lesion-free")[1][:3] == ["second", "1", "0"]
    assert entries(document, "failures") == [["first", "t/c", "RuntimeError: <no>"]]
    by_class, by_source = entries(document, "parts", 1), entries(document, "parts", 2)
    assert [each.split()[0] for each in by_class[1]] == ["second", "0.300", "0.000"]
    assert [each.split()[0] for each in by_source[0]] == ["first", "0.500", "0.000"]


def test_thirds_by_size(tmp_path: Path) -> None:
    shares = (5, 10, 20, 40, 50, 60)
    rows = [row("m", str(each), (each // 5, 0, each - each // 5, 100 - each)) for each in shares]
    rows[5] = row("m", "60", (60, 0, 0, 40))
    found = parts(RunFacts(write_run(tmp_path / "run", {"m": rows})))
    table = found.tables[0]
    assert not any("class" in each.text or "ource" in each.text for each in found.texts)  # nothing is known of them
    assert [re.sub(r".*\(n = (.) of .\)", r"\1", title) for title in table.header[1:]] == ["2", "2", "2"]
    assert [cell.value for cell in table.rows[0][1:]] == pytest.approx([0.2, 0.2, 0.6])


def test_verdict_in_words(tmp_path: Path) -> None:
    cases = [str(number) for number in range(40)]
    good = [row("good", case, (8, 0, 2, 90)) for case in cases]
    bad = [row("bad", case, (4, 0, 6, 90)) for case in cases]
    same = [replace(each, method="same") for each in bad]
    document = make_report(write_run(tmp_path / "run", {"bad": bad, "good": good, "same": same}))
    assert words(document, "leaderboard").startswith(
        "good has the highest mean IoU: 0.800 [0.800, 0.800]. It is better"
    )
    assert [each[:4] for each in entries(document, "better")] == [
        ["good", "bad", "good is better", "+0.400 [+0.400, +0.400]"],
        ["good", "same", "good is better", "+0.400 [+0.400, +0.400]"],
        ["bad", "same", "no detectable difference", "0.000 [0.000, 0.000]"],
    ]
    assert "good" not in words(document, "better")  # a pair stands in one place


def test_tables_of_means_say_how_many_images_they_are_of(run: Path) -> None:
    document = make_report(run)
    spread = section(document, "cases").tables[0]
    assert spread.header[:4] == ("method", "images", "scenes", "5 %")
    assert [each[1:3] for each in entries(document, "cases")] == [["3", "2"], ["3", "2"]]
    header = section(document, "leaderboard").tables[1].header
    pooled = dict(zip(header, entries(document, "leaderboard", 1)[0], strict=True))
    assert (pooled["scenes"], pooled["lesion images"], pooled["all images"]) == ("2", "3", "4")


def test_who_was_scored_on_other_cases_has_no_rank_and_a_word_beside_it(tmp_path: Path) -> None:
    full = {name: [row(name, case, (tp, 0, 10 - tp, 90)) for case in "abc"] for name, tp in (("m", 5), ("n", 4))}
    run = write_run(tmp_path / "run", {"easy": [row("easy", "a", (9, 0, 1, 90))], **full})
    document = make_report(run)
    board = section(document, "leaderboard")
    assert board.tables[0].header[:4] == ("#", "method", "scored on", "IoU [95 %]")
    assert [each[:3] for each in entries(document, "leaderboard")] == [
        ["1", "m", "3 cases"], ["2", "n", "3 cases"], ["-", "easy ¶", "1 case, not the same"]
    ]  # fmt: skip
    assert board.texts[0].text.startswith("m has the highest mean IoU: 0.500")
    assert board.texts[0].text.endswith("Not ranked, since not scored on the same cases: easy.")
    assert board.texts[1].text.startswith("¶ DIFFERENT CASES: easy.") and board.texts[1].kind == "warning"
    assert ["m", "easy"] in [each[:2] for each in entries(document, "better")]  # on the one case that both have
    table = latex_table(run, ["iou"])
    assert r"\textbf{0.500" in table and r"\textbf{0.900" not in table and r"easy \P{}" in table
    assert "easy: not scored on the same cases" in table
    thirds = section(document, "parts").tables[0]
    (heading,) = {title.partition("(")[2] for title in thirds.header[1:2]}
    assert heading == "n = 3 of 3)" and entries(document, "parts")[2][1] == "0.900 [0.900, 0.900] (n = 1 of 1)"
    printed = render(summarize(run), "text")
    assert re.search(r"^easy ¶ +0.900", printed, re.MULTILINE) and "¶ DIFFERENT CASES: easy." in printed
    assert "| easy ¶ | 1 case, not the same |" in render(summarize(run), "md")


def test_choice_of_cases() -> None:
    values = {"a": 0.9, "b": 0.1, "c": 0.5, "d": 0.0, "e": 0.0, "f": 0.6}
    rows = [row("m", case, (round(100 * v), 0, round(100 * (1 - v)), 0), group=case) for case, v in values.items()]
    rows[4] = row("m", "e", (0, 0, 30, 70))
    rows += [row("m", "copy of a", (90, 0, 10, 0), group="a"), row("m", "failed", (0, 0, 100, 0), error="no")]
    rows += [row("m", "n1", (0, 3, 0, 97)), row("m", "n2", (0, 7, 0, 93)), row("m", "n3", (0, 0, 0, 100))]
    chosen = {kind: [each.case_id for each in found] for kind, found in choose(rows, 2).items()}
    # d and e score the same: the larger lesion is the worse miss. Of a scene, one image is shown.
    assert chosen == {"best": ["a", "f"], "middle": ["b", "c"], "worst": ["d", "e"], "largest false alarm": ["n2"]}


def test_costs_and_front(run: Path) -> None:
    assert "Cost was not measured" in words(make_report(run), "cost")
    assert not section(make_report(run), "cost").figures
    for number, (cpu, ms) in enumerate((("A", 20.0), ("A", 5.0))):
        write_cost(run, number, cpu, ms)
    document = make_report(run)
    plots = [figure.svg for figure in section(document, "cost").figures]
    assert len(plots) == 2 and all('<polyline class="front"' in plot for plot in plots)
    assert "A, 1 thread." in words(document, "cost")
    write_cost(run, 1, "B", 5.0)
    document = make_report(run)
    assert "TIMES DON'T COMPARE" in words(document, "cost")
    assert "TIMES DON'T COMPARE" in words(document, "leaderboard")
    assert '<polyline class="front"' not in section(document, "cost").figures[0].svg


def write_cost(run: Path, number: int, cpu: str, ms: float) -> None:
    cost = {"cpu": cpu, "threads": 1, "warm_ms_median": ms, "warm_ms_p95": ms, "saved_bytes": int(1e6 * ms),
            "cores_used": 1.0, "error": "", "sweep": []}  # fmt: skip
    write_json(RunFolder(run).cost(f"key cell{number}"), cost)


def test_ticks_enclose_what_they_are_for() -> None:
    rng = np.random.default_rng(0)
    for low, high in np.sort(rng.uniform(0, 1, (200, 2)), axis=1):
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9 and 2 <= len(ticks) <= 8
    for low, high in np.sort(10 ** rng.uniform(-4, 5, (200, 2)), axis=1):
        ticks = log_ticks(low, high)
        assert ticks[0] <= low * 1.001 and ticks[-1] >= high * 0.999 and 2 <= len(ticks) <= 12


def test_points_of_one_place_are_drawn() -> None:
    same = [Point("a" * 26, 3.0, Estimate(0.5, 0.5, 0.5), True) for _ in range(3)]
    numbers = [float(each) for each in re.findall(r' [xy]="(-?[0-9.]+)"', scatter(same, "ms"))]
    assert min(numbers) >= 0 and max(numbers) <= 380


def test_protocol_says_how(run: Path) -> None:
    document = make_report(run)
    text = words(document, "protocol")
    assert "made up, 4 cases, 4 of them scored, of 3 scenes" in text
    assert "Empty masks: as ever." in text and "do 'it; now'" in text
    assert "made with hybridseg 0.0.9" in text
    first = entries(document, "protocol")[0]
    assert first[2:5] == ["p=1", "on each fold's training part", "threshold 0.25; fill holes"]
    assert ["hash of the data", "d" * 64] in entries(document, "protocol", 1)


def test_other_processors_are_named(tmp_path: Path) -> None:
    sessions = [{"cpu": "A", "command": []}, {"cpu": "B", "command": []}]
    mixed = write_run(tmp_path / "run", {"m": [row("m", "a", (5, 0, 5, 90))]}, sessions=sessions)
    assert "Rows come from different processors: A and B." in words(make_report(mixed), "leaderboard")


def leaderboard_csv(root: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The entries of a CSV report's leaderboard by method and column."""
    rows = csv.DictReader(io.StringIO(render_report(make_report(root), "csv")))
    return {(each["row"], each["column"]): each for each in rows if each["section"] == "leaderboard"}


def test_half_a_run_says_so(tmp_path: Path) -> None:
    rows = {"m": [row("m", "a", (5, 0, 5, 90))], "empty": []}
    half = write_run(tmp_path / "run", rows, expected=3)
    with RunFolder(half).cell("cell0").open("ab") as stream:
        stream.write(b'{"method": "m", "fo')
    warnings = [text.text for text in section(make_report(half), "leaderboard").texts if text.kind == "warning"]
    assert "INCOMPLETE: m has 1 of 3 rows." in warnings
    assert "INCOMPLETE: empty has 0 of 3 rows." in warnings
    for form in set(FORMATS) - {"csv"}:
        assert "INCOMPLETE" in render_report(make_report(half), form)
    table = leaderboard_csv(half)  # holds numbers, no notes: how many images they rest on
    assert table["m", "images"]["value"] == "1"
    assert {method for method, _ in table} == {"m"}


@pytest.mark.parametrize("only", [(0, 5, 0, 95), (0, 0, 0, 100)])
def test_only_lesion_free_images(tmp_path: Path, only: tuple[int, int, int, int]) -> None:
    normal = write_run(tmp_path / "run", {"m": [row("m", "a", only)], "n": [row("n", "a", only)]})
    for form in set(FORMATS) - {"csv"}:
        assert "No image with a lesion" in render_report(make_report(normal), form)
    table = leaderboard_csv(normal)
    for method in ("m", "n"):
        assert (table[method, "images"]["value"], table[method, "IoU [95 %]"]["text"]) == ("0", "-")
        assert float(table[method, "false alarm area %"]["value"]) == only[1]


def test_bad_runs_are_refused_in_a_line(run: Path, pictured: Path, tmp_path: Path) -> None:
    empty = write_run(tmp_path / "empty", {"m": []}, expected=2)
    older = write_run(tmp_path / "older", {"m": [row("m", "a", (5, 0, 5, 90))]}, format_version=0)
    (tmp_path / "other" / "benign").mkdir(parents=True)
    write_image(tmp_path / "other" / "benign" / "x.png", np.zeros((9, 9), np.uint8))
    write_mask(tmp_path / "other" / "benign" / "x_mask.png", np.ones((9, 9), bool))
    for arguments, message in (
        ((tmp_path / "nothing",), "not a run folder"),
        ((empty,), "has no rows yet"),
        ((older,), "run folder of format 0"),
        ((pictured, "--data", tmp_path / "other"), "it is other data"),
        ((pictured, "--data", tmp_path / "gone"), "no such folder"),
    ):
        result = command(*arguments)
        assert result.exit_code == 2 and message in result.output and result.output.count("\n") == 1
    with pytest.raises(RunError, match="no rows"):
        make_report(empty)
    with pytest.raises(DataError):
        make_report(pictured, data=tmp_path / "gone")
