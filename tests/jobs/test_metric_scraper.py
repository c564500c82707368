"""Metrics are read from lines as SageMaker reads them."""

from __future__ import annotations

import math

import pytest

from tintype.errors import InvalidRequest
from tintype.jobs.metric_scraper import MetricScraper
from tintype.jobs.specification import MetricDefinition


def scraped(regex: str, *lines: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in MetricScraper([MetricDefinition("m", regex)]).scrape(lines, 5.0)]


def test_values_and_ordinals() -> None:
    regex = r"Test set: Average loss: ([0-9\.]+)"
    assert scraped(regex, "INFO:Test set: Average loss: 0.5, x", "nothing", "Test set: Average loss: 0.25.") == [
        (1, 0.5),
        (2, 0.25),
    ]


def test_named_groups() -> None:
    assert scraped(r"epoch (?P<step>\d+).*?loss=(?P<value>\S+)", "epoch 7 loss=1e-05,") == [(7, 1e-05)]
    assert scraped(r"(?P<step>\d+) .* (?P<value>\S+)$", "3 loss nan")[0][0] == 3


def test_all_matches_of_a_line() -> None:
    assert scraped(r"loss ([-\d.]+)", "train loss 0.5 valid loss 0.7") == [(1, 0.5), (2, 0.7)]


def test_odd_numbers() -> None:
    assert math.isnan(scraped(r"loss (\S+)", "loss nan")[0][1])
    assert scraped(r"loss (\S+)", "loss inf") == [(1, math.inf)]
    assert scraped(r"\((\d+)%\)", "Accuracy: 8/10 (80%)") == [(1, 80.0)]
    assert scraped(r"loss (\S*)", "loss abc", "loss 1") == [(1, 1.0)]
    assert scraped(r"a(\d)?", "a") == []


@pytest.mark.parametrize(
    "regex", [r"loss (?<value>\d+)", r"loss[[:space:]]+([[:digit:]]+)", r"loss: (\d+)|loss (\d+)", r"loss\s++(\d++)"]
)
def test_what_other_engines_read(regex: str) -> None:
    assert scraped(regex, "train loss 3") == [(1, 3.0)]


def test_a_long_line_takes_no_longer_than_it_may() -> None:
    scraper = MetricScraper([MetricDefinition("m", r".*loss.*loss.*: ([0-9.]+)"), MetricDefinition("a", r"acc=(\d)")])
    long = "loss acc=1 " * 6000
    assert {one.name for one in scraper.scrape([long, long], 0.0)} == {"a"}
    assert scraper.unseen[0].startswith("metric 'm': '.*loss.*loss.*: ([0-9.]+)' took over 1 s on a line of over 2,000")
    assert [one.value for one in scraper.scrape(["loss loss : 5"], 0.0)] == [5.0]


def test_unseen_metrics_are_named() -> None:
    scraper = MetricScraper(
        [MetricDefinition("seen", r"a (\d)"), MetricDefinition("never", r"b (\d)"), MetricDefinition("odd", r"c (\S+)")]
    )
    scraper.scrape(["a 1", "c x"], 0.0)
    assert scraper.unseen == (
        r"metric 'never' was never seen: no line of the log matched 'b (\\d)'",
        "metric 'odd' matched 'x', which is not a number",
    )


@pytest.mark.parametrize(
    ("regex", "why"),
    [("loss (", "does not compile"), ("loss", "captures nothing"), ("a{1,99999999999}(b)", "does not compile")],
)
def test_bad_regexes_are_refused(regex: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=f"metric 'loss' {why}"):
        MetricScraper([MetricDefinition("loss", regex)])
