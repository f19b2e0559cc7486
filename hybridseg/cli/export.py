"""``hybridseg export``: a method or a model as one ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from . import _models


@click.command()
@click.argument("method", metavar="METHOD|MODEL")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.onnx",
    help="The file to write.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
def export(method: str, output: Path, overwrite: bool) -> None:
    """Write a method or a saved model as one ONNX file: raw grey image in, mask and probability out.

    The file is run and compared with the method before it gets its name; one that disagrees is not kept.
    """
    if output.exists() and not overwrite:
        raise ValueError(f"{output} exists; give --overwrite to replace it")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output.parent}: no such folder")
    report = _models.create_trained(method).to_onnx(output)
    click.echo(f"{output}: {output.stat().st_size / 1e6:.2f} MB; {report}")
