"""Small pictures, and the command line as a stranger meets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from hybridseg.cli import main


def write_scan(path: Path) -> None:
    """A grey picture with a dark block, as PNG, whatever its name."""
    image = np.full((40, 60), 120, np.uint8)
    image[10:20, 20:40] = 10
    Image.fromarray(image).save(path, format="PNG")


def hybridseg(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="hybridseg")


def one_line(result: Result, exit_code: int = 2) -> str:
    assert result.exit_code == exit_code, result.output
    assert len(result.stderr.splitlines()) == 1 and result.stderr.strip().isprintable(), result.stderr
    return result.stderr


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
