"""Cards in the documented form of the Hugging Face hub: huggingface/hub-docs, modelcard.md."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hybridseg.cli import main
from hybridseg.zoo.cards import ZOO

TEXT = {"type": "string", "minLength": 1}
FORM = {
    "type": "object",
    "required": ["license", "model-index"],
    "properties": {
        "license": {"const": "apache-2.0"},
        "pipeline_tag": {"const": "image-segmentation"},
        "tags": {"type": "array", "items": TEXT},
        "metrics": {"type": "array", "items": TEXT},
        "model-index": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "results"],
                "additionalProperties": False,
                "properties": {
                    "name": TEXT,
                    "results": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["task", "dataset", "metrics"],
                            "additionalProperties": False,
                            "properties": {
                                "task": {"required": ["type"], "properties": {"type": TEXT, "name": TEXT}},
                                "dataset": {"required": ["type", "name"], "properties": {"type": TEXT, "name": TEXT}},
                                "metrics": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "required": ["type", "value"],
                                        "properties": {"type": TEXT, "value": {"type": "number"}, "name": TEXT},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def printed(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["models", *words])
    assert result.exit_code == code
    return result.output


@pytest.mark.parametrize("name", ["unet", "unet-tiny"])
def test_a_card_has_the_documented_form_and_the_numbers_of_ours(name: str) -> None:
    jsonschema, yaml = pytest.importorskip("jsonschema"), pytest.importorskip("yaml")
    before, front, page = printed("--hugging-face", name).split("---\n", 2)
    head = yaml.safe_load(front)
    jsonschema.validate(head, FORM)
    card = json.loads((ZOO / f"{name}.json").read_text("utf-8"))
    ((model,),) = [head["model-index"]]
    found = {(result["dataset"]["type"], metric["type"]): metric["value"]
             for result in model["results"] for metric in result["metrics"]}  # fmt: skip
    expected = {(hospital.lower(), type_): round(scores[key], 3)
                for hospital, scores in card["hospitals"].items()
                for key, type_ in (("f1", "f1"), ("iou", "mean_iou"))}  # fmt: skip
    assert found == expected
    assert before == ""
    assert page.strip() == (ZOO / f"{name}.md").read_text("utf-8").strip()
    assert "not for diagnosis" in page


def test_a_model_that_does_not_ship_is_refused_and_those_that_do_are_named() -> None:
    from hybridseg.zoo.hugging_face import hugging_face_card

    with pytest.raises(ValueError, match="no model ships as nobody; those that do: unet-tiny, unet"):
        hugging_face_card("nobody")
