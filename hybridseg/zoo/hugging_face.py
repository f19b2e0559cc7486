"""A card as the Hugging Face hub reads it: YAML with a ``model-index`` in front of the page."""

from __future__ import annotations

import json
from typing import Any

from ..text import printable
from .cards import ZOO, cards

METRICS = {"f1": ("f1", "F1"), "iou": ("mean_iou", "IoU")}
"""Key of a card's score -> the hub's id of the metric, and its name here."""


def hugging_face_card(name: str) -> str:
    """Return the card of a model that ships as a hub's ``README.md``.

    The form is that of https://github.com/huggingface/hub-docs/blob/main/modelcard.md. Its ``model-index`` has F1 and
    IoU at each hospital: means over lesion images, with their intervals in the metrics' names.

    Raises
    ------
    ValueError
        If no model of that name ships.

    Examples
    --------
    >>> print(hugging_face_card("unet")[:23])
    ---
    license: apache-2.0
    """
    known = {card["name"]: card for card in cards()}
    card = known.get(name.removesuffix(".onnx"))
    if card is None:
        raise ValueError(f"no model ships as {printable(name)}; those that do: {', '.join(known)}")
    lines = [
        f"license: {card['license'].split()[0].lower()}",
        "pipeline_tag: image-segmentation",
        "tags:",
        *(f"- {tag}" for tag in ("onnx", "hybridseg", "breast-ultrasound", "research-only")),
        "metrics:",
        *(f"- {type_}" for type_, _ in METRICS.values()),
        "model-index:",
        f"- name: {card['name']}",
        "  results:",
        *(line for hospital, scores in card["hospitals"].items() for line in _result(hospital, scores)),
    ]
    page = (ZOO / f"{card['name']}.md").read_text("utf-8")
    return "\n".join(["---", *lines, "---", "", page])


def _result(hospital: str, scores: dict[str, Any]) -> list[str]:
    """Return the lines of one data set's results."""
    lines = [
        "  - task:",
        "      type: image-segmentation",
        "      name: Lesions in breast ultrasound",
        "    dataset:",
        f"      type: {json.dumps(hospital.lower())}",
        f"      name: {json.dumps(f'{hospital}, images that its training has not seen')}",
        "    metrics:",
    ]
    for key, (type_, short) in METRICS.items():
        low, high = scores[f"{key}_interval"]
        name = f"{short}, mean over {scores['lesion_images']} lesion images, 95 % interval {low:.3f} to {high:.3f}"
        lines += [f"    - type: {type_}", f"      value: {scores[key]:.3f}", f"      name: {json.dumps(name)}"]
    return lines
