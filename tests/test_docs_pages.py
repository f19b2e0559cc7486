"""What the pages of docs/ show is what happens: commands and their output, Python, files, and every option named."""

from __future__ import annotations

import doctest
import os
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hybridseg.cli import VERBS, main

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("start/*.md"), *DOCS.glob("how-to/*.md"), *DOCS.glob("explained/*.md")])
NAMING = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "RELEASING.md", DOCS / "reference/files.md"]
BLOCK = re.compile(r"^```(console|python|\{code-block\} \w+\n:caption: (\S+))\n(.*?)^```", re.S | re.M)
COMMAND = re.compile(r"^\$ ", re.M)
TIMES = re.compile(r"^method +ms median.*?\n(?=\n)|^Time per image:.*?\n(?=\S)", re.S | re.M)
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_what_a_page_shows_happens(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    for kind, caption, text in BLOCK.findall(page.read_text("utf-8")):
        if caption:
            Path(caption).write_text(text.lstrip("\n"), "utf-8")
        elif kind == "python":
            exec(compile(text, str(page), "exec"), names)
        else:
            for shown in COMMAND.split(text)[1:]:
                line, _, expected = shown.partition("\n")
                output = run_line(line)
                assert doctest.OutputChecker().check_output(expected, output, SAME), f"$ {line}\n{output}"


def run_line(line: str) -> str:
    """Return what a command prints but for times; it must end with exit code 0, or the one that its comment tells."""
    words = shlex.split(line, comments=True)
    if words[0] == "ls":
        return "\n".join(sorted(os.listdir(words[1] if words[1:] else "."))) + "\n"
    assert words[0] == "hybridseg", line
    result: Result = CliRunner().invoke(main, words[1:], prog_name="hybridseg")
    expected = re.search(r"# exit code (\d)", line)
    assert result.exit_code == int(expected[1] if expected else 0), result.output
    return TIMES.sub("...\n", result.output)


def _commands(texts: list[str]) -> list[list[str]]:
    """Return the hybridseg commands in texts, as words."""
    found = []
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;", line.removeprefix("$ ")):
                words = part.split("#")[0].split()
                if words[:1] == ["hybridseg"] and len(words) > 1:
                    found.append(words[1:])
    return found


@pytest.mark.parametrize("page", NAMING, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_commands_have_the_options_that_a_page_gives_them(page: Path) -> None:
    for words in _commands(re.findall(r"^```(?:console|sh)\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)):
        if words[0].startswith("-"):
            continue
        assert words[0] in VERBS, words
        _check_options(words)


def _check_options(words: list[str]) -> None:
    command = main.get_command(click.Context(main), words[0])
    if isinstance(command, click.Group):
        command = command.commands[words[1]]
    assert command is not None
    known = {name for parameter in command.params for name in parameter.opts} | {"-h", "--help"}
    assert {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= known, words


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_help_ends_with_commands_that_it_takes(verb: str) -> None:
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    commands = {verb: command}
    if isinstance(command, click.Group):
        commands = {f"{verb} {name}": each for name, each in command.commands.items()}
    for name, each in commands.items():
        found = _commands([each.epilog or ""])
        assert found and all(" ".join(words).startswith(name) for words in found)
        for words in found:
            _check_options(words)


def test_the_share_of_flagged_scans_on_the_page_is_the_measured_one() -> None:
    measured = (ROOT / "benchmarks/results/out_of_scope.md").read_text("utf-8")
    found = re.search(r"^\| BUS-UCLM, never looked at .*\| ([0-9.]+) \[", measured, re.M)
    assert found and f"It flags {found[1]} % of BUS-UCLM's" in (DOCS / "how-to/how-sure.md").read_text("utf-8")
