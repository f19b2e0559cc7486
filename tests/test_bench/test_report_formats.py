"""Each format is whole, escaped and of the same numbers."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from _reports import HOSTILE, NAMES, command
from _runtimes import missing

from hybridseg.bench.report import FORMATS, make_report, render_report
from hybridseg.bench.report.document import DISCLAIMER
from hybridseg.bench.report.latex import escape


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
    text = render_report(make_report(pictured), "latex-document")
    bare = text.replace(r"\\", "").replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text).count("longtable") == text.count(r"\end{longtable}")
    for body in re.findall(r"\\endhead\n(.*?)\n\\hline\n\\end\{longtable\}", text, re.DOTALL):
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines()}) == 1


def test_latex_compiles_and_fits_the_page(run: Path, pictured: Path, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        missing("no pdflatex on the PATH")
    for root in (run, pictured):
        (tmp_path / "report.tex").write_text(render_report(make_report(root), "latex-document"), "utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "report.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said[-2000:]
        too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([0-9.]+)pt", said)]
        assert max(too_wide, default=0) < 5, said[-2000:]


def test_formats_by_name_and_by_ending(run: Path, tmp_path: Path) -> None:
    starts = {"html": "<!DOCTYPE html>", "md": "# made up", "csv": "section,", "latex": "% hybridseg", "json": "{"}
    starts["latex-document"] = "\\documentclass"
    assert set(starts) == {*FORMATS, "latex"}
    for form, ending in (("html", "html"), ("md", "md"), ("csv", "csv"), ("latex", "tex"), ("json", "json")):
        assert command(run, "-o", tmp_path / f"r.{ending}").exit_code == 0
        assert (tmp_path / f"r.{ending}").read_text("utf-8").startswith(starts[form])
        if form != "html":
            assert command(run, "--format", form).stdout.startswith(starts[form])
    assert command(run, "--format", "latex-document").stdout.startswith(starts["latex-document"])
    for arguments, message in (
        (("-o", tmp_path / "r.html"), "r.html exists; give --overwrite"),
        (("-o", run / "run.json"), "run.json exists; give --overwrite"),
        (("-o", tmp_path / "r.pdf"), "`-o` must end in one of .html"),
    ):
        refused = command(run, *arguments)
        assert refused.exit_code == 2 and message in refused.stderr
    assert command(run, "-o", tmp_path / "r.html", "--overwrite").exit_code == 0
    with pytest.raises(ValueError, match=r"`form` must be one of .*, got `pdf`"):
        render_report(make_report(run), "pdf")
