"""A run as a report: numbers by hand, hostile names, pictures that fit their rows, runs that are no good."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from _runs import write_rows
from _runtimes import missing
from click.testing import CliRunner

from hybridseg.bench import Record, RunError, make_plan, read_run, run_plan
from hybridseg.bench.masks import encode_mask, read_row_mask, write_row_mask
from hybridseg.bench.records import RunFolder, write_json
from hybridseg.bench.report import FORMATS, make_report, render_report
from hybridseg.bench.report.breakdown import parts
from hybridseg.bench.report.document import DISCLAIMER, Document
from hybridseg.bench.report.facts import Facts
from hybridseg.bench.report.figures import Point, log_ticks, nice_ticks, scatter
from hybridseg.bench.report.latex import escape
from hybridseg.bench.report.overlays import BUDGET_BYTES, choose, outline_path
from hybridseg.bench.score import score_masks
from hybridseg.cli import main
from hybridseg.data import DataError, grouped_folds, load_dataset
from hybridseg.images import write_image, write_mask
from hybridseg.metrics import Estimate

HOSTILE = [
    "<script>alert(1)<",
    "a\"b'c",
    "new\nline",
    "50% & $5 #1_{x}^~\\",
    "| `tick` *b* [l](javascript:1)",
    "日本 é",
]
NAMES = ("<script>alert('m')</script>", "it's | 100% _x_ $y$ & \\textbf{z}\" onclick=x")


def row(method: str, case: str, counts: tuple[int, int, int, int], **more: object) -> Record:
    tp, fp, fn, tn = counts
    rest = {"group": case, "label": "", "hd95_px": None, "nsd": 0.5 if tp + fn else None, "predict_ms": 10.0, **more}
    return Record(method=method, fold=0, case_id=case, height=10, width=10, tp=tp, fp=fp, fn=fn, tn=tn, **rest)  # type: ignore[arg-type]


def write_run(root: Path, rows: dict[str, list[Record]], expected: int = 0, **description: object) -> Path:
    expected = expected or max(map(len, rows.values()))
    told = {
        "plan": {"hybridseg": "0.0.9", "data": "d" * 64, "split": "s" * 64, "seed": 3}, "dataset": "made up",
        "cases": expected, "groups_from": "me", "empty_masks": "as ever.",
        "sessions": [{"cpu": "A", "command": ["do", "it; now"]}],
        "methods": [
            {"spec": method, "class": "c", "params": {"p": 1}, "as_given": False, "key": f"key cell{i}"}
            for i, method in enumerate(rows)
        ],
    }  # fmt: skip
    point = {"threshold": 0.25, "fill_holes": True, "largest_only": False}
    return write_rows(root, rows, expected=expected, operating_point=point, **{**told, **description})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three lesions of two scenes (IoU 0.5, 0.5, 0 by the first method, 0.2, 0.4, 0 by the second), one normal."""
    return write_run(tmp_path / "run", {
        "first": [
            row("first", "s/a", (10, 5, 5, 80), group="s1", label="benign"),
            row("first", "s/b", (10, 5, 5, 80), group="s1", label="benign"),
            row("first", "t/c", (0, 10, 30, 60), group="s2", label="malignant", error="RuntimeError: <no>"),
            row("first", "t/d", (0, 25, 0, 75), label="normal"),
        ],
        "second": [
            row("second", "s/a", (3, 0, 12, 85), group="s1", label="benign"),
            row("second", "s/b", (6, 0, 9, 85), group="s1", label="benign"),
            row("second", "t/c", (0, 10, 30, 60), group="s2", label="malignant"),
            row("second", "t/d", (0, 0, 0, 100), label="normal"),
        ],
    })  # fmt: skip


@pytest.fixture
def pictured(tmp_path: Path) -> Path:
    """A run with images and masks, every name hostile."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(HOSTILE):
        place = tmp_path / "data" / ("normal" if number == 2 else "malig<b>nant" if number % 2 else "benign")
        place.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((40, 50), bool)
        mask[5 : 15 + number, 8:20] = number != 2
        write_image(place / f"{name}.png", rng.integers(0, 255, mask.shape).astype(np.uint8))
        write_mask(place / f"{name}_mask.png", mask)
        for shift, reader in enumerate("AB", 2):
            (tmp_path / reader).mkdir(exist_ok=True)
            found = np.roll(mask, shift * (number + 1), 1) if number != 2 else np.eye(40, 50, shift, dtype=bool)
            write_mask(tmp_path / reader / f"{name}_mask.png", found)
    truth = load_dataset(tmp_path / "data")
    for reader, name in zip("AB", NAMES, strict=True):
        score_masks(truth, tmp_path / reader, tmp_path / "pictured", name=name)
    return tmp_path / "pictured"


def section(document: Document, slug: str):
    return next(each for each in document.sections if each.slug == slug)


def words(document: Document, slug: str) -> str:
    return "\n".join(text.text for text in section(document, slug).texts)


def cells(document: Document, slug: str, table: int = 0) -> list[list[str]]:
    return [[cell.text for cell in line] for line in section(document, slug).tables[table].rows]


def command(*arguments: object):
    return CliRunner().invoke(main, ["report", *map(str, arguments)], prog_name="hybridseg")


# ---- numbers ------------------------------------------------------------------------------------
def test_numbers_by_hand(run: Path) -> None:
    document = make_report(run)
    per_image, per_scene = section(document, "leaderboard").tables
    assert [line[1].text for line in per_image.rows] == ["first", "second"]
    assert per_image.rows[0][2].value == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert per_image.rows[1][2].value == pytest.approx((0.2 + 0.4 + 0) / 3)
    assert per_scene.rows[0][2].value == pytest.approx((0.5 + 0) / 2)
    assert per_scene.rows[1][2].value == pytest.approx((0.3 + 0) / 2)
    for line in per_scene.rows:
        assert line[2].low <= line[2].value <= line[2].high
    # Where scene s1 is drawn at all the first is ahead; where only s2 is drawn both score 0 and stay in order.
    assert cells(document, "ranks") == [["first", "100", "0"], ["second", "0", "100"]]
    assert cells(document, "lesion-free")[0][:3] == ["first", "1", "1"]
    assert cells(document, "lesion-free")[1][:3] == ["second", "1", "0"]
    assert cells(document, "failures") == [["first", "t/c", "RuntimeError: <no>"]]
    by_class, by_source = cells(document, "parts", 1), cells(document, "parts", 2)
    assert [each.split()[0] for each in by_class[1]] == ["second", "0.300", "0.000"]
    assert [each.split()[0] for each in by_source[0]] == ["first", "0.500", "0.000"]


def test_thirds_by_size(tmp_path: Path) -> None:
    shares = (5, 10, 20, 40, 50, 60)
    rows = [row("m", str(each), (each // 5, 0, each - each // 5, 100 - each)) for each in shares]
    rows[5] = row("m", "60", (60, 0, 0, 40))
    table = parts(Facts(write_run(tmp_path / "run", {"m": rows}))).tables[0]
    assert [re.sub(r".*\(n = (.)\)", r"\1", title) for title in table.header[1:]] == ["2", "2", "2"]
    assert [cell.value for cell in table.rows[0][1:]] == pytest.approx([0.2, 0.2, 0.6])


def test_verdict_in_words(tmp_path: Path) -> None:
    cases = [str(number) for number in range(40)]
    good = [row("good", case, (8, 0, 2, 90)) for case in cases]
    bad = [row("bad", case, (4, 0, 6, 90)) for case in cases]
    same = [replace(each, method="same") for each in bad]
    document = make_report(write_run(tmp_path / "run", {"bad": bad, "good": good, "same": same}))
    assert "good is better than bad by 0.400 IoU [0.400, 0.400], p < 0.001." in words(document, "better")
    assert "No detectable difference between bad and same" in words(document, "better")
    assert words(document, "leaderboard").startswith(
        "good has the highest mean IoU: 0.800 [0.800, 0.800]. It is better"
    )
    assert cells(document, "better")[0][6] == "good is better"


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


# ---- masks and pictures -------------------------------------------------------------------------
def test_outline_of_a_square_by_hand() -> None:
    mask = np.zeros((6, 6), bool)
    mask[2:4, 1:5] = True  # rows 2 and 3, columns 1 to 4: from (1, 2) to (5, 4) in pixels' corners, cut at the corners
    points = np.array([[float(n) for n in p.split()] for p in re.split("[MLZ]+", outline_path(mask, 2.0)) if p])
    assert points.min(axis=0).tolist() == [2.0, 4.0]
    assert points.max(axis=0).tolist() == [10.0, 8.0]
    assert outline_path(np.zeros((6, 6), bool), 2.0) == ""
    assert outline_path(np.ones((1, 1), bool), 1.0).startswith("M")


def test_a_mask_comes_back_only_if_it_is_its_rows(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:8] = True
    fitting = row("m", "a/../b\n<c>", (10, 5, 5, 80))
    assert read_row_mask(folder, "cell", fitting) is None
    write_row_mask(folder, "cell", fitting.case_id, encode_mask(mask))
    path = folder.mask("cell", fitting.case_id)
    assert path.parent == tmp_path / "masks" / "cell" and re.fullmatch("[0-9a-f]+.png", path.name)
    assert (read_row_mask(folder, "cell", fitting) == mask).all()
    assert read_row_mask(folder, "cell", row("m", fitting.case_id, (10, 6, 5, 79))) is None
    assert read_row_mask(folder, "cell", replace(fitting, height=20, width=5)) is None
    path.write_bytes(path.read_bytes()[:30])
    assert read_row_mask(folder, "cell", fitting) is None
    path.write_bytes(b"not a picture")
    assert read_row_mask(folder, "cell", fitting) is None


def test_a_run_keeps_the_masks_that_it_scores(tmp_path: Path) -> None:
    data = load_dataset("phantoms[n=4,seed=0]")
    plan = make_plan(data, grouped_folds(data, 2), ["otsu"], "hybridseg.cli._models:create", split_name="two")
    run_plan(plan, tmp_path / "run")
    description, records = read_run(tmp_path / "run")
    assert description["source"] == "phantoms[n=4,seed=0]"
    stems = {cell["fold"]: cell["file"] for cell in description["cells"]}
    for record in records:
        mask = read_row_mask(RunFolder(tmp_path / "run"), stems[record.fold], record)
        truth = next(case for case in data if case.case_id == record.case_id).mask
        assert int((mask & truth).sum()) == record.tp
    page = render_report(make_report(tmp_path / "run"), "html")
    assert page.count('class="panel"') >= 3


def test_pictures_are_shown_once_and_outlines_each_time(pictured: Path) -> None:
    document = make_report(pictured)
    assert len(document.pictures) == len(HOSTILE)  # every lesion, and the false alarm
    panels = [panel for row in section(document, "disagreement").panels for panel in row.panels]
    assert len(panels) == 2 * len(section(document, "disagreement").panels) > 0
    page = render_report(document, "html")
    assert page.count("data:image/jpeg;base64,") == len(document.pictures)
    assert len(set(re.findall(r'<use href="#(case\d+)"', page))) == len(document.pictures)


@pytest.mark.parametrize("answer", ["NO", "YES"])
def test_pictures_that_may_name_a_patient_are_said(tmp_path: Path, answer: str) -> None:
    files = pytest.importorskip("dicom_files")
    truth, pred = tmp_path / "data", tmp_path / "pred"
    mask = np.eye(20, dtype=bool)
    for folder in (truth, pred):
        folder.mkdir()
        write_mask(folder / "a_mask.png", mask)
    grey = np.full(mask.shape, 90, np.uint8)
    (truth / "a.dcm").write_bytes(files.to_bytes(files.dataset(grey, BurnedInAnnotation=answer)))
    score_masks(load_dataset(truth), pred, tmp_path / "run")
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    page = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/jpeg" in page, result.output
    for text in (page, result.stderr):
        assert ("may have the patient" in text) == (answer == "YES")


def test_small_budget_says_so(pictured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BUDGET_BYTES < 8e6
    monkeypatch.setattr("hybridseg.bench.report.overlays.BUDGET_BYTES", 2000)
    document = make_report(pictured)
    assert 0 < len(document.pictures) < len(HOSTILE)
    assert "left out to keep this file small" in words(document, "examples")


def test_without_data_or_masks_the_report_says_why(pictured: Path, run: Path, tmp_path: Path) -> None:
    assert "doesn't say where its images are" in words(make_report(run), "examples")
    images = sorted((tmp_path / "data").rglob("*.png"))
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    shutil.rmtree(tmp_path / "data")
    assert images and "not where the run found them" in words(make_report(pictured), "examples")
    assert make_report(pictured, data=tmp_path / "moved").pictures
    shutil.rmtree(pictured / "masks")
    document = make_report(pictured, data=tmp_path / "moved")
    assert "kept no masks" in words(document, "examples") and "kept no masks" in words(document, "disagreement")
    assert not document.pictures


def test_images_that_changed_are_not_shown(pictured: Path, tmp_path: Path) -> None:
    changed = tmp_path / "data" / "benign" / f"{HOSTILE[0]}_mask.png"
    write_mask(changed, np.ones((40, 50), bool))
    document = make_report(pictured)
    assert len(document.pictures) == len(HOSTILE) - 1
    assert "pictures are missing" in words(document, "examples")


def test_no_pictures_means_none(pictured: Path) -> None:
    result = command(pictured, "--no-pictures")
    assert result.exit_code == 0, result.output
    assert "data:image" not in (pictured / "report.html").read_text()


# ---- formats ------------------------------------------------------------------------------------
class Reader(HTMLParser):
    """Collects elements, attributes and text, and whether elements close in order."""

    VOID = ("meta", "br", "image", "path", "line", "rect", "circle", "use", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.script = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID or (self.open and self.open[-1] == tag):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.script += data
        elif not (self.open and self.open[-1] == "style"):
            self.text.append(data)


def test_page_is_whole_offline_and_escaped(pictured: Path) -> None:
    page = render_report(make_report(pictured), "html")
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    tags = [tag for tag, _ in reader.found]
    assert tags.count("script") == 1 and "b" not in tags and "img" not in tags and "a" in tags
    for tag, attributes in reader.found:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/jpeg;base64,")), (tag, value)
    assert "url(" not in page and "@import" not in page
    policy = next(each["content"] for tag, each in reader.found if each.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(reader.script.encode()).digest()).decode()
    assert policy and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    text = "".join(reader.text)
    assert text.count(DISCLAIMER) == 2
    for name in (*NAMES, *HOSTILE, "malig<b>nant"):
        assert name.replace("\n", "\\n") in text


def test_markdown_holds_every_name_escaped(pictured: Path) -> None:
    text = render_report(make_report(pictured), "md")
    assert DISCLAIMER in text
    assert not re.search(r"(?<!\\)<", re.sub(r"p < 0\.001", "", text.split("```")[0]))
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().splitlines()}
        assert len(widths) == 1


def test_csv_and_json_hold_the_same_numbers(run: Path) -> None:
    document = make_report(run)
    lines = list(csv.DictReader(io.StringIO(render_report(document, "csv"))))
    found = next(each for each in lines if each["row"] == "first" and each["column"] == "IoU [95 %]")
    table = json.loads(render_report(document, "json"))["sections"][0]["tables"][0]
    value = table["rows"][0][table["header"].index("IoU [95 %]")]
    assert float(found["value"]) == pytest.approx(value["value"]) == pytest.approx(1 / 3, abs=1e-5)
    assert float(found["low"]) == pytest.approx(value["low"], abs=1e-5)
    assert len(lines) == sum(
        (len(table.header) - table.names) * len(table.rows) for each in document.sections for table in each.tables
    )


def test_latex_escapes_every_character() -> None:
    for code in (*range(32, 0x3000), 0x1F600, 0xD800):
        plain = escape(chr(code))
        assert plain == chr(code) or plain.startswith(("\\", "{", "$", "U+", "--")), hex(code)
        assert plain not in set("\\{}$&#%_^~")
    assert escape("a_b & 50%\n") == r"a\_b \& 50\%\textbackslash{}n"
    assert escape("日é") == "U+65E5é"


def test_latex_is_balanced(pictured: Path) -> None:
    text = render_report(make_report(pictured), "latex")
    bare = text.replace(r"\\", "").replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text).count("longtable") == text.count(r"\end{longtable}")
    for body in re.findall(r"\\endhead\n(.*?)\n\\hline\n\\end\{longtable\}", text, re.DOTALL):
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines()}) == 1


def test_latex_compiles_and_fits_the_page(run: Path, pictured: Path, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        missing("no pdflatex on the PATH")
    for root in (run, pictured):
        (tmp_path / "report.tex").write_text(render_report(make_report(root), "latex"), "utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "report.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said[-2000:]
        too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([0-9.]+)pt", said)]
        assert max(too_wide, default=0) < 5, said[-2000:]


def test_formats_by_name_and_by_ending(run: Path, tmp_path: Path) -> None:
    starts = {"html": "<!DOCTYPE html>", "md": "# made up", "csv": "section,", "latex": "\\documentclass", "json": "{"}
    assert set(starts) == set(FORMATS)
    for form, ending in (("html", "html"), ("md", "md"), ("csv", "csv"), ("latex", "tex"), ("json", "json")):
        assert command(run, "-o", tmp_path / f"r.{ending}").exit_code == 0
        assert (tmp_path / f"r.{ending}").read_text("utf-8").startswith(starts[form])
        if form != "html":
            assert command(run, "--format", form).stdout.startswith(starts[form])
    with pytest.raises(ValueError, match=r"`form` must be one of .*, got `pdf`"):
        render_report(make_report(run), "pdf")


# ---- how it was made, and runs that are no good -------------------------------------------------
def test_protocol_says_how(run: Path) -> None:
    document = make_report(run)
    text = words(document, "protocol")
    assert "made up, 4 cases, 4 of them scored, of 3 scenes" in text
    assert "Empty masks: as ever." in text and "do 'it; now'" in text
    assert "made with hybridseg 0.0.9" in text
    assert cells(document, "protocol")[0][2:5] == ["p=1", "on each fold's training part", "threshold 0.25; fill holes"]
    assert ["hash of the data", "d" * 64] in cells(document, "protocol", 1)


def test_other_processors_are_named(tmp_path: Path) -> None:
    sessions = [{"cpu": "A", "command": []}, {"cpu": "B", "command": []}]
    mixed = write_run(tmp_path / "run", {"m": [row("m", "a", (5, 0, 5, 90))]}, sessions=sessions)
    assert "Rows come from different processors: A and B." in words(make_report(mixed), "leaderboard")


def leaderboard_csv(root: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The cells of a CSV report's leaderboard by method and column."""
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
    told = leaderboard_csv(half)  # holds numbers, no notes: how many images they rest on
    assert told["m", "images"]["value"] == "1"
    assert {method for method, _ in told} == {"m"}


@pytest.mark.parametrize("only", [(0, 5, 0, 95), (0, 0, 0, 100)])
def test_only_lesion_free_images(tmp_path: Path, only: tuple[int, int, int, int]) -> None:
    normal = write_run(tmp_path / "run", {"m": [row("m", "a", only)], "n": [row("n", "a", only)]})
    for form in set(FORMATS) - {"csv"}:
        assert "No image with a lesion" in render_report(make_report(normal), form)
    told = leaderboard_csv(normal)
    for method in ("m", "n"):
        assert (told[method, "images"]["value"], told[method, "IoU [95 %]"]["text"]) == ("0", "-")
        assert float(told[method, "false alarm area %"]["value"]) == only[1]


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
