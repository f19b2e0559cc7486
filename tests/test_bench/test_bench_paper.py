"""A paper that writes itself: what the run knows, whom it cites, what only the author can fill; it compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _reports import command
from _runtimes import missing

from hybridseg.bench import make_plan
from hybridseg.bench.paper import write_paper
from hybridseg.bench.paper.blocks import MainTable, Paragraph, cited, plain, with_marks
from hybridseg.bench.paper.references import KNOWN, Library
from hybridseg.bench.records.folder import describe_plan
from hybridseg.bench.report.checklists import AUTHOR, checklist_tables
from hybridseg.bench.report.facts import RunFacts
from hybridseg.bench.report.paths import without_paths
from hybridseg.bench.run.running import run_plan
from hybridseg.data import load_dataset
from hybridseg.data.layouts import BUILT_IN, known_layouts
from hybridseg.data.splits import grouped_folds


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A paper on two methods and four phantoms."""
    root = tmp_path_factory.mktemp("paper")
    data = load_dataset("phantoms[n=4]")
    plan = make_plan(
        data, grouped_folds(data, 2), ["otsu", "otsu-textbook"], "hybridseg.registry:create", split_name="two folds"
    )
    run_plan(plan, root / "run", command=["hybridseg", "bench", "--data", "/home/someone/data"])
    result = command(root / "run", "--format", "paper", "-o", root / "paper")
    assert result.exit_code == 0, result.output
    return root / "paper"


def test_it_says_what_the_run_knows_and_marks_what_it_does_not(made: Path) -> None:
    text = (made / "paper.md").read_text("utf-8")
    for said in (
        "phantoms (synthetic phantoms", "4 images of 4 scenes or patients were scored, 3 with a lesion and 1 without",
        "two folds", "IoU is TP / (TP + FP + FN)", "2000 bootstrap samples", "[@otsu1979]", "threshold",
        "**[AUTHOR: name the ethics committee, or why none was asked]**", "![Mean IoU and F1", "| 17 | ",
    ):  # fmt: skip
        assert said in text.replace("\\", ""), said
    assert "someone" not in text + (made / "section.tex").read_text("utf-8")
    assert "\\gap{" in (made / "section.tex").read_text("utf-8")


def test_every_citation_has_its_entry(made: Path) -> None:
    section = (made / "section.tex").read_text("utf-8")
    keys = {key for found in re.findall(r"\\cite\{([^}]*)\}", section) for key in found.split(",")}
    entries = re.findall(r"^@misc\{([\w-]+),$", (made / "references.bib").read_text("utf-8"), re.M)
    assert keys == set(entries) and len(entries) == len(set(entries))
    assert keys == set(re.findall(r"\\bibitem\{([\w-]+)\}", (made / "paper.tex").read_text("utf-8")))
    assert {"hybridseg", "otsu1979", "efron1979", "holm1979", "tejani2024", "collins2024"} <= keys
    assert "doi = {10.1109/TSMC.1979.4310076}" in (made / "references.bib").read_text("utf-8")


def test_figures_are_vectors_and_the_same_each_time(made: Path, tmp_path: Path) -> None:
    again = {path.name: path.read_bytes() for path in write_paper(made.parent / "run", tmp_path / "again")}
    figures = sorted((made / "figures").iterdir())
    assert len(figures) >= 4
    for path in figures:
        content = path.read_bytes()
        assert content == again[path.name]
        assert content.startswith(b"%PDF") if path.suffix == ".pdf" else b"<svg" in content
        assert b"/Subtype /Image" not in content and b"<image" not in content


def test_it_compiles(made: Path, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        missing("no pdflatex on the PATH")
    shutil.copytree(made, tmp_path / "paper")
    for _ in range(2):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=tmp_path / "paper", capture_output=True, check=False,
        )  # fmt: skip
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said[-2000:]
    assert "undefined" not in said
    assert max((float(points) for points in re.findall(r"Overfull \\hbox \(([0-9.]+)pt", said)), default=0) < 10


def test_a_hostile_run_compiles_too(pictured: Path, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        missing("no pdflatex on the PATH")
    write_paper(pictured, tmp_path)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_marks_are_told_from_text() -> None:
    text = "a & b [@x,y] c [?why]"
    assert with_marks(text, str.upper, ";".join, lambda what: f"<{what}>") == "A & B x;y C <why>"
    assert with_marks(plain("[@x] [?y]"), str, ";".join, str) == "[ @x] [ ?y]"
    assert cited([Paragraph(text), Paragraph("[@x] [@z]")]) == ["x", "y", "z"]


def test_two_files_of_one_name_stay_two() -> None:
    texts = (Paragraph("/a/net.onnx is better than /b/net.onnx"), MainTable("\\textless{}/x", "/y"))
    hidden, table = without_paths(texts, {})
    assert hidden == Paragraph("a/net.onnx is better than b/net.onnx") and table == texts[1]


def test_keys_are_names_and_years_and_never_two_things() -> None:
    library = Library()
    first, second = "Ü. Müller-Šmid, A, B 1(2):3, 1999, doi 10.1/a.", "J. Mullersmid, C, 1999, doi 10.1/b."
    assert library.keys([first, second]) == " [@mullersmid1999,mullersmid1999-2]"
    assert library.keys([first]) == " [@mullersmid1999]" and library.keys([]) == ""
    assert library.keys([KNOWN["efron1979"]]) == " [@efron1979]"
    assert "archiveprefix = {arXiv}" in library.bibtex(["christodoulou2025"])


def test_runs_record_whom_to_cite() -> None:
    data = load_dataset("phantoms[n=4]")
    plan = make_plan(data, grouped_folds(data, 2), ["otsu"], "hybridseg.registry:create", split_name="two")
    (method,) = describe_plan(plan)["methods"]
    assert method["summary"].startswith("Dark regions") and method["references"][0].startswith("N. Otsu, A threshold")
    shipped = [layout for layout in known_layouts() if layout.name][: len(BUILT_IN)]
    assert all(re.search(r", 20\d\d, doi 10\.\S+\.$", layout.reference) for layout in shipped)


def test_checklists_are_whole_and_say_what_the_run_knows(run: Path) -> None:
    claim, tripod = checklist_tables(RunFacts(run))
    assert [row[0].text for row in claim.rows] == [str(number) for number in range(1, 45)]
    named = " ".join(row[0].text for row in tripod.rows)
    assert all(re.search(rf"\b{number}(?!\d)", named) or number == 26 for number in range(3, 28))
    said = {row[0].text: row[2].text for row in claim.rows}
    assert {said[number] for number in ("1", "33", "40", "44")} == {AUTHOR}
    assert said["35"] == "4 images scored, 3 with a lesion, of 3 scenes or patients"
    assert said["38"].startswith("first: mean IoU 0.333 [")
    assert said["12"].startswith("1 failed predictions")


def test_what_is_refused(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--format paper needs -o DIR" in command(made.parent / "run", "--format", "paper").stderr
    again = command(made.parent / "run", "--format", "paper", "-o", made)
    assert again.exit_code == 2 and "section.tex exists; give --overwrite" in again.stderr
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    lacking = command(made.parent / "run", "--format", "paper", "-o", tmp_path / "p")
    assert lacking.exit_code == 2 and 'pip install "hybridseg[paper]"' in lacking.stderr
