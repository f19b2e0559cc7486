"""One table for a paper: columns by name, the best in bold, stars against one reference."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from _reports import command, row, write_run
from _runs import write_rows
from _runtimes import missing

from hybridseg.bench.report import latex_table

# A small LaTeX may lack the package: its rules are lines of more air.
BOOKTABS = (
    "\\IfFileExists{booktabs.sty}{\\usepackage{booktabs}}"
    "{\\let\\toprule\\hline\\let\\midrule\\hline\\let\\bottomrule\\hline}\n"
)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    cases = [str(number) for number in range(40)]
    rows = {
        name: [row(name, case, counts) for case in cases] + [row(name, "free", (0, free, 0, 100 - free))]
        for name, counts, free in (("bad", (4, 0, 6, 90), 3), ("good", (8, 0, 2, 90), 5), ("same", (4, 0, 6, 90), 0))
    }
    return write_run(tmp_path / "run", rows)


def lines(text: str) -> dict[str, list[str]]:
    body = text.partition("\\midrule\n")[2].partition("\n\\bottomrule")[0]
    cells = [line.removesuffix(r" \\").split(" & ") for line in body.splitlines()]
    return {first: rest for first, *rest in cells}


def test_best_in_bold_and_stars_against_the_reference(three: Path) -> None:
    found = lines(latex_table(three, ["f1", "false_alarms", "scenes"]))
    assert found["good"] == [r"\textbf{0.889 {[}0.889, 0.889{]}}", "100.0", "40"]
    assert found["bad"] == ["0.571 {[}0.571, 0.571{]}$^{*}$", "100.0", "40"]
    assert found["same"][1] == r"\textbf{0.0}"  # the smallest is best
    other = lines(latex_table(three, ["iou"], against="bad"))
    assert other["good"][0].endswith("$^{*}$") and "*" not in other["bad"][0] + other["same"][0]


def test_columns_of_one_test_set(tmp_path: Path) -> None:
    rows = [row("m", f"A/{i}", (8, 0, 2, 90), tested_on="A") for i in range(3)]
    rows += [row("m", f"B/{i}", (4, 0, 6, 90), tested_on="B") for i in range(3)]
    sets = {"sources": {"A": "A", "B": "B"}, "fold_names": ["0"], "trainings": {"": {each.case_id: 0 for each in rows}}}
    root = write_rows(tmp_path / "run", {"m": rows}, **sets)
    text = latex_table(root, ["iou@B", "missed@A"])
    assert lines(text)["m"] == ["0.400 {[}0.400, 0.400{]}", "0.0"] and "B: IoU" in text
    with pytest.raises(ValueError, match="the run's test sets are A, B, got `C`"):
        latex_table(root, ["iou@C"])


def test_unknown_names_are_refused(three: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`columns` must be among iou, f1, .*got `dice`"):
        latex_table(three, ["dice"])
    refused = command(three, "--format", "latex", "--against", "nobody")
    assert refused.exit_code == 2 and "`against` must be one of good, bad, same, got `nobody`" in refused.stderr
    assert "are of --format latex" in command(three, "--columns", "iou").stderr
    written = command(three, "--columns", "iou,nsd", "-o", tmp_path / "t.tex")
    assert written.exit_code == 0 and "NSD" in (tmp_path / "t.tex").read_text()


def test_a_paper_with_the_table_compiles(three: Path, pictured: Path, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        missing("no pdflatex on the PATH")
    tables = [latex_table(root, label=f"tab:{number}") for number, root in enumerate((three, pictured))]
    paper = "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{textcomp}\n" + BOOKTABS
    paper += "\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(paper + "\n\n".join(tables) + "\n\\end{document}\n", "utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert not re.search(r"undefined", done.stdout.decode(errors="replace"))
