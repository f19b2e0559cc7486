"""Write anew what commands on pages print: `python docs/fill.py docs/start/*.md`. Look at the difference after it."""

from __future__ import annotations

import doctest
import os
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from test_docs_pages import BLOCK, COMMAND, SAME, run_line


def fill(page: Path) -> None:
    """Run a page's blocks in an empty folder. Keep output that still fits, such as `...` for what changes."""
    names: dict[str, object] = {"__name__": "page"}

    def anew(block: re.Match[str]) -> str:
        kind, caption, text = block.groups()
        if caption:
            Path(caption).write_text(text.lstrip("\n"), "utf-8")
        elif kind == "python":
            exec(compile(text, str(page), "exec"), names)
        else:
            return "```console\n" + "".join(_shown(each) for each in COMMAND.split(text)[1:]) + "```"
        return block[0]

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        page.write_text(BLOCK.sub(anew, page.read_text("utf-8")), "utf-8")


def _shown(block: str) -> str:
    line, _, expected = block.partition("\n")
    output = run_line(line)
    if doctest.OutputChecker().check_output(expected, output, SAME):
        return f"$ {line}\n{expected}"
    lines = [each.rstrip() for each in output.rstrip().splitlines()]
    return "\n".join([f"$ {line}", *lines]) + "\n"


if __name__ == "__main__":
    for path in [Path(argument).resolve() for argument in sys.argv[1:]]:
        fill(path)
