"""What a report says of claims: chance in training, how likely one is false, agreement of measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _reports import row, section, words, write_run
from scipy import stats

from hybridseg.bench.report import make_report
from hybridseg.bench.run.score import score_masks
from hybridseg.data import load_dataset
from hybridseg.images import write_image, write_mask
from hybridseg.metrics import false_claim_probability


def test_a_claim_is_false_as_often_as_the_literature_says() -> None:
    ours, theirs = [0.9, 0.8, 0.7, 0.95], [0.8, 0.75, 0.72, 0.9]  # differences 0.1, 0.05, -0.02, 0.05
    difference = np.subtract(ours, theirs)
    # Christodoulou et al. 2025: t with n - 1 degrees of freedom at sqrt(n) (mean B - mean A) / sd of the difference
    expected = stats.t.cdf(np.sqrt(4) * -difference.mean() / difference.std(ddof=1), 3)
    assert false_claim_probability(ours, theirs, "abcd") == pytest.approx(expected)
    assert false_claim_probability(theirs, ours, "abcd") == pytest.approx(1 - expected)
    assert false_claim_probability(ours, theirs, "aabb") != pytest.approx(expected)  # copies are one
    assert false_claim_probability(ours, ours, "abcd") == false_claim_probability([1.0], [0.0], "a") == 0.5
    assert false_claim_probability([0.6] * 3, [0.5] * 3, "abc") == pytest.approx(0, abs=1e-9)


def test_each_pair_has_its_probability(tmp_path: Path) -> None:
    rows = {
        "good": [row("good", str(i), (8, 0, 2 + i % 2, 90 - i % 2)) for i in range(20)],
        "less": [row("less", str(i), (7 + i % 2, 0, 3, 90 - i % 2)) for i in range(20)],
    }
    document = make_report(write_run(tmp_path / "run", rows))
    (line,) = section(document, "better").tables[0].rows
    value = line[section(document, "better").tables[0].header.index("P(claim is false)")].value
    scores = [[t / (t + f + n) for t, f, n in ((each.tp, each.fp, each.fn) for each in rows[name])] for name in rows]
    assert value == pytest.approx(false_claim_probability(scores[0], scores[1], range(20)))
    assert "arXiv:2505.04720" in words(document, "better")


def test_seeds_stand_beside_scenes(tmp_path: Path) -> None:
    names = [f"forest[n=5,random_state={seed}]" for seed in (1, 2)] + ["forest[n=9,random_state=1]"]
    rows = {name: [row(name, str(i), (tp + i, 0, 20 - tp - i, 80)) for i in range(3)]
            for name, tp in zip(names, (8, 12, 9), strict=True)}  # fmt: skip
    methods = [
        {
            "spec": name,
            "class": "m:F",
            "params": {"n": n, "random_state": seed},
            "as_given": False,
            "key": f"key cell{i}",
        }
        for i, (name, n, seed) in enumerate(zip(names, (5, 5, 9), (1, 2, 1), strict=True))
    ]
    document = make_report(write_run(tmp_path / "run", rows, methods=methods))
    (line,) = section(document, "seeds").tables[0].rows
    # Means 9/20 and 13/20 (of 8, 9, 10 and 12, 13, 14); from scene to scene 1/20 either way.
    assert [cell.text for cell in line] == ["forest[n=5]", "2", "0.550", "0.141", "0.450", "0.650", "0.050", "0.029"]
    alone = make_report(write_run(tmp_path / "one", {"m": [row("m", "a", (5, 0, 5, 90))]}))
    assert "nothing is known of chance in training" in words(alone, "seeds")


def test_areas_and_classes_of_size_by_hand(tmp_path: Path) -> None:
    # True areas 10, 20, 30; predicted 12, 18, none. Thirds end at 16.7 % and 23.3 % of the picture.
    rows = [row("m", "a", (10, 2, 0, 88)), row("m", "b", (15, 3, 5, 77)), row("m", "c", (0, 0, 30, 70))]
    document = make_report(write_run(tmp_path / "run", {"m": rows}))
    area, changed = section(document, "agreement").tables
    assert area.caption == "Area, px²."
    spread = float(np.std([2, -2], ddof=1))
    assert [cell.value for cell in area.rows[0][1:9]] == pytest.approx(
        [2, 2, 1, 15, 0, spread, -1.96 * spread, 1.96 * spread]
    )
    assert [cell.text for cell in changed.rows[0][1:]] == ["3", "66.7", "0.0", "0.0", "33.3"]
    assert "Diameters are measured on masks" in words(document, "agreement")


def test_diameters_are_measured_on_masks_in_mm_where_the_spacing_is_known(tmp_path: Path) -> None:
    lines = ["image,mask,spacing_mm"]
    (tmp_path / "pred").mkdir()
    for number, (true, pred) in enumerate(((10, 12), (20, 18))):
        for place, width in ((tmp_path, true), (tmp_path / "pred", pred)):
            mask = np.zeros((30, 40), bool)
            mask[5, 5 : 5 + width] = True
            write_mask(place / f"{number}_mask.png", mask)
        write_image(tmp_path / f"{number}.png", np.full((30, 40), 90, np.uint8))
        lines.append(f"{number}.png,{number}_mask.png,0.5")
    (tmp_path / "set.csv").write_text("\n".join(lines) + "\n")
    score_masks(load_dataset(tmp_path / "set.csv"), tmp_path / "pred", tmp_path / "run", name="m")
    found = section(make_report(tmp_path / "run"), "agreement")
    area, diameter, _ = found.tables
    assert area.caption == "Area, mm²." and diameter.caption == "Longest diameter of the largest region, mm."
    # A row of w pixels of 0.5 mm: area w / 4, diameter sqrt(w² + 1) / 2.
    assert area.rows[0][5].value == pytest.approx(0.0) and area.rows[0][4].value == pytest.approx(30 / 2 / 4)
    expected = [(np.hypot(pred, 1) - np.hypot(true, 1)) / 2 for true, pred in ((10, 12), (20, 18))]
    assert diameter.rows[0][5].value == pytest.approx(np.mean(expected))
    assert found.figures[0].svg.count("<circle") == 2
