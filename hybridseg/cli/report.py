"""``hybridseg report``: a run as a page to read, or as text for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from ._examples import examples
from ._targets import overwrite_option, prepare_target

_BY_SUFFIX = {".html": "html", ".htm": "html", ".md": "md", ".csv": "csv", ".tex": "latex", ".json": "json"}


@click.command(
    epilog=examples(
        "report RUN",
        "report RUN --format latex --columns iou,f1,missed",
        "report RUN --format paper -o paper/",
    )
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="The file to write [default: RUN/report.html, while other formats are printed].",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["html", "md", "csv", "latex", "latex-document", "json", "paper"]),
    help="latex is one table for a paper, latex-document the whole report, and paper a folder with methods and results "
    "[default: as FILE ends, else html].",
)  # fmt: skip
@click.option(
    "--data", multiple=True, metavar="[NAME=]DIR",
    help="Where the run's data are, if they moved. Without them there are no pictures. May be repeated.",
)  # fmt: skip
@click.option(
    "--columns", metavar="NAME,NAME", help="For latex: iou, f1, nsd, missed, false_alarms, ms, mb, f1@SET and others."
)
@click.option(
    "--against", default="", metavar="METHOD", help="For latex: the method to test others against [default: the best]."
)
@overwrite_option
@click.option("--no-pictures", is_flag=True, help="Leave the cases out, so that no image goes into the file.")
def report(
    *,
    run: Path,
    output: Path | None,
    form: str | None,
    data: tuple[str, ...],
    columns: str | None,
    against: str,
    overwrite: bool,
    no_pictures: bool,
) -> None:
    """Write a run folder as one page: who leads and how surely, cost, cases to look at, how it was made.

    The page is one file that needs no network. It is RUN/report.html, made anew each time, unless -o names another.
    It shows images of the data set, so mind whom you give it to.
    """
    if form == "paper":
        _write_paper(run, output, overwrite)
        return
    from ..bench.report import latex_table, make_report, render_report
    from ..files import remove_parts, write_atomically

    if output is not None:
        prepare_target(output, overwrite)
        if form is None and output.suffix.lower() not in _BY_SUFFIX:
            raise click.UsageError(f"`-o` must end in one of {', '.join(_BY_SUFFIX)}, or give --format; got {output}")
    chosen = form or (_BY_SUFFIX[output.suffix.lower()] if output else "html")
    if chosen != "latex" and (columns or against):
        raise click.UsageError("--columns and --against are of --format latex")
    naming = False
    if chosen == "latex":
        text = latex_table(run, columns.split(",") if columns else (), against=against)
    else:
        document = make_report(run, data=data, pictures=not no_pictures)
        text, naming = render_report(document, chosen), document.may_name_patient
    if output is None and chosen != "html":
        click.echo(text)
        return
    path = output or run / "report.html"
    remove_parts(path.parent)
    # A file's name may hold bytes that aren't text.
    write_atomically(path, text.encode(errors="backslashreplace"))
    click.echo(f"report: {path}", err=True)
    if naming and chosen == "html":
        click.echo(
            "hybridseg report: pictures are of DICOM images that may have the patient's name in the picture "
            "(BurnedInAnnotation isn't NO); --no-pictures leaves them out",
            err=True,
        )


def _write_paper(run: Path, output: Path | None, overwrite: bool) -> None:
    from ..bench.paper import write_paper

    if output is None:
        raise click.UsageError("--format paper needs -o DIR")
    for path in write_paper(run, output, overwrite=overwrite):
        click.echo(f"paper: {path}", err=True)
