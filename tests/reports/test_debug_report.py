from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reports.browser import browsing, find_chromium
from tintype.debugger.modes import Mode
from tintype.reports.debug_report import DebugEvidence, gather_debug_report, render, write_debug_report
from tintype.reports.figures.over_steps import StepSeries, layer_map, step_curves, thin
from tintype.reports.run_report import Picture
from tintype.rules.finding import Finding, Remedy
from tintype.rules.status import RuleState, RuleStatus

CHROMIUM = find_chromium()
STEPS = tuple(range(0, 1000, 5))
LOSS = StepSeries("train", STEPS, tuple(2.0 / (1 + step) for step in STEPS))


def evidence(**changed: object) -> DebugEvidence:
    finding = Finding(
        "Overfit", 55, Mode.EVAL, 11, "loss", 0.5, 0.1, "it <b>overfits</b>", "small data",
        Remedy("more augmentation", hyperparameters={"augmentation": "randaugment"}), ("img/a.jpg",),
    )  # fmt: skip
    states = (
        RuleState("Overfit", "Overfit", RuleStatus.ISSUES_FOUND, "met", 1.0, True, 20, 55, 990),
        RuleState("DeadRelu", "DeadRelu", RuleStatus.NO_ISSUES_FOUND, "nothing could be judged", 1.0, False),
    )
    facts = (("Status", "Completed"),)
    return DebugEvidence(
        "job", "Completed", facts, states, {"Overfit": [finding] * 15, "DeadRelu": []}, **{"losses": (LOSS,)} | changed
    )


def test_findings_and_blind_rules_are_told_apart() -> None:
    report = gather_debug_report(evidence())
    assert report.verdict == "1 rule found something: Overfit; 1 rule had nothing to judge."
    verdicts, overfit = report.sections[0].tables
    assert [row[1] for row in verdicts.rows] == ["IssuesFound", "no data"]
    assert overfit.title == "Overfit; the first 12 of 20"
    assert overfit.rows[0][4:] == ("more augmentation (augmentation=randaugment)", "img/a.jpg")


def test_the_images_behind_a_finding_are_on_the_page() -> None:
    picture = Picture("data:image/jpeg;base64,AAAA", 56, 56, 'a<b".jpg')
    page = render(gather_debug_report(evidence(pictures={"img/a.jpg": picture})))
    image = '<img src="data:image/jpeg;base64,AAAA" width="56" height="56" alt="a&lt;b&#34;.jpg"'
    assert page.count(image) == 12
    assert image not in render(gather_debug_report(evidence()))


def test_without_samples_there_is_no_column_of_them() -> None:
    nameless = Finding("Overfit", 55, Mode.EVAL, 11, "loss", 0.5, 0.1, "it overfits", "small data")
    report = gather_debug_report(replace(evidence(), findings={"Overfit": [nameless]}))
    table = report.sections[0].tables[1]
    assert table.heads == ("Step", "Mode", "What", "Why", "What to do")
    assert [len(row) for row in table.rows] == [5]


def test_every_figure_is_there_or_says_why_not() -> None:
    page = render(gather_debug_report(evidence(losses=())))
    for title in ("Loss by mode", "Mean size of gradients", "Spread of weights", "Share of zeros in activations"):
        assert title in page
    assert page.count("Nothing to show") == 4
    assert "--rule DeadRelu" in page


def test_what_a_job_says_is_text_and_nothing_else() -> None:
    page = render(gather_debug_report(evidence(metrics={"<script>x": (LOSS,)})))
    assert "<b>overfits" not in page
    assert "<script>x" not in page
    assert not re.search(r"(src|href)=\"(https?:)?//", page)


def test_a_long_series_is_thinned_and_a_broken_one_breaks() -> None:
    values = tuple(float("nan") if 40 <= at < 60 else 1.0 + at for at in range(len(STEPS)))
    broken = StepSeries("train", STEPS, values)
    assert len(thin(StepSeries("x", tuple(range(10_000)), (1.0,) * 10_000), 400).steps) == 400
    drawn = step_curves((broken,), "loss")
    assert re.search(r'class="curve s-train" d="M[^M]+M[^M]+"|d="M[^M]+M[^M]+" class="curve s-train"', drawn)
    assert "not finite" in layer_map((broken,), "gradients")
    assert "nan" not in drawn + layer_map((broken,), "gradients")


def test_zeros_and_equal_values_can_be_mapped() -> None:
    drawn = layer_map((StepSeries("fc", (0, 1), (0.0, 0.0)), StepSeries("conv", (0, 1), (2.0, 2.0))), "gradients")
    assert drawn.count("q0") == 2
    assert drawn.count("q8") == 2


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; on Debian: apt-get install chromium")
def test_the_page_shows_in_a_browser_without_complaints(tmp_path: Path) -> None:
    maps = tuple(StepSeries(f"layer{at}.weight", STEPS, tuple(10.0**-at for _ in STEPS)) for at in range(12))
    page = write_debug_report(evidence(gradients=maps, weights=maps), tmp_path / "debugger.html")
    with browsing(str(CHROMIUM), tmp_path / "profile") as tab:
        tab.open(page.as_uri(), width=400)
        assert tab.complaints == []
        assert tab.evaluate("document.querySelectorAll('svg.fig').length") == 3
        assert tab.evaluate("document.documentElement.scrollWidth") <= 400
        shown = "[...document.querySelectorAll('#rules td')].filter(one => one.offsetParent).map(one => one.innerText)"
        assert {"small data", "more augmentation (augmentation=randaugment)"} <= set(tab.evaluate(shown))
