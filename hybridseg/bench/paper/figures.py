"""Figures of a paper, as vector PDF and SVG, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_atomically
from ..report.agreement import limits_of_agreement, true_and_predicted_areas
from ..report.facts import RunFacts

_WIDTH_IN = 5.2
_SETTINGS: Any = {
    "font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42,
    "svg.hashsalt": "hybridseg",
    "text.parse_math": False,  # a name may hold any character
}  # fmt: skip


def draw_figures(facts: RunFacts, folder: Path) -> dict[str, str]:
    """Draw what the run has numbers for; return the figures' names with their captions.

    Raises
    ------
    ImportError
        If matplotlib isn't installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('a paper\'s figures need matplotlib: pip install "hybridseg[paper]"') from None
    drawings: tuple[tuple[str, Callable[[RunFacts, Any], str]], ...] = (
        ("means", _means), ("distributions", _distributions), ("cost", _cost), ("areas", _areas),
    )  # fmt: skip
    captions = {}
    with mpl.rc_context(_SETTINGS):
        for name, draw in drawings:
            figure = Figure(figsize=(_WIDTH_IN, 3.0), layout="constrained")
            caption = draw(facts, figure)
            if caption:
                captions[name] = caption
                _save(figure, folder / name)
    return captions


def _save(figure: Any, path: Path) -> None:
    """Write both files; neither holds a date, so that the same run gives the same bytes."""
    import io

    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".svg", {"Date": None})):
        stream = io.BytesIO()
        figure.savefig(stream, format=suffix[1:], metadata=metadata)
        write_atomically(path.with_suffix(suffix), stream.getvalue())


def _means(facts: RunFacts, figure: Any) -> str:
    scored = [method for method in facts.methods if method.iou is not None]
    if not scored:
        return ""
    figure.set_size_inches(_WIDTH_IN, 0.7 + 0.35 * len(scored))
    axes = figure.add_subplot()
    for place, (name, mark) in enumerate((("iou", "o"), ("f1", "s"))):
        values = [_interval(method, name) for method in scored]
        heights = [row + 0.12 - 0.24 * place for row in range(len(scored))][::-1]
        centres = [value for value, *_ in values]
        errors = np.array([[value - low, high - value] for value, low, high in values]).T
        axes.errorbar(centres, heights, xerr=errors, fmt=mark, markersize=4, capsize=2, label=("IoU", "F1")[place])
    axes.set_yticks(range(len(scored)), [facts.short[method.method] for method in scored][::-1])
    axes.set_xlabel("mean over lesion images, 95 % interval")
    axes.legend(frameon=False)
    return "Mean IoU and F1 per lesion image with 95 % intervals by bootstrap over scenes or patients."


def _interval(method: Any, name: str) -> tuple[float, float, float]:
    value, low, high = (float(getattr(method, f"{name}{end}") or 0.0) for end in ("", "_low", "_high"))
    return value, low, high


def _distributions(facts: RunFacts, figure: Any) -> str:
    scored = {method: list(scores.values()) for method, scores in facts.scores.items() if scores}
    if not scored:
        return ""
    axes = figure.add_subplot()
    for method, values in scored.items():
        axes.ecdf(values, label=facts.short[method])
    axes.set_xlabel("IoU of a lesion image")
    axes.set_ylabel("share of images with at most this")
    axes.set_xlim(0, 1)
    axes.legend(frameon=False)
    return "Cumulative distribution of IoU over lesion images: lower curves are better."


def _cost(facts: RunFacts, figure: Any) -> str:
    measured = [each for each in facts.methods if each.threads is not None and each.ms_median and each.iou is not None]
    if not measured:
        return ""
    axes = figure.add_subplot()
    for method in measured:
        value, low, high = _interval(method, "iou")
        error = [[value - low], [high - value]]
        axes.errorbar([method.ms_median], [value], yerr=error, fmt="o", markersize=4, capsize=2)
        axes.annotate(facts.short[method.method], (method.ms_median, value), (4, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xlabel("ms per image, median")
    axes.set_ylabel("mean IoU, 95 % interval")
    return "Accuracy against time per image."


def _areas(facts: RunFacts, figure: Any) -> str:
    measured = list(_measured(facts))[:2]
    if not measured:
        return ""
    for place, (method, true, pred) in enumerate(measured, 1):
        axes = figure.add_subplot(1, len(measured), place)
        difference, mean = pred - true, (pred + true) / 2
        axes.plot(mean, difference, ".", markersize=3, alpha=0.6)
        for value, style in zip(limits_of_agreement(difference), ("--", "-", "--"), strict=True):
            axes.axhline(value, linestyle=style, linewidth=0.8, color="black")
        axes.set_xlabel("mean of both areas, % of the image")
        axes.set_ylabel("predicted minus true, %" if place == 1 else "")
        axes.set_title(facts.short[method], fontsize=8)
    return (
        "Agreement of areas, in per cent of the image: difference against mean, with mean difference and limits of "
        "agreement."
    )


def _measured(facts: RunFacts) -> Iterator[tuple[str, Any, Any]]:
    for method in facts.rows:
        true, pred = true_and_predicted_areas(facts, method)
        if len(true) > 2:
            yield method, 100 * true, 100 * pred
