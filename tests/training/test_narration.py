from __future__ import annotations

import re

import pytest

from tintype.training.events import End, Epoch, Failure, Note, Outcome, Phase, Progress, Warning
from tintype.training.narration import METRICS, lines_of, metric_definitions


def test_every_metric_is_found_in_the_line_of_its_epoch_as_it_was() -> None:
    metrics = {name: (index + 1) / 7e5 for index, name in enumerate(METRICS)}
    (line,) = lines_of(Epoch(3, 12, metrics, 1.5))
    for name, regex in metric_definitions().items():
        found = re.search(regex, line)
        assert found is not None, name
        assert (int(found["step"]), float(found["value"])) == (3, metrics[name])


def test_a_metric_that_is_no_number_is_still_one() -> None:
    (line,) = lines_of(Epoch(1, 2, {"train:loss": float("nan"), "lr": 1e-05}, 0.1))
    found = re.search(metric_definitions()["train:loss"], line)
    assert found is not None
    assert found["value"] == "nan"
    assert re.search(metric_definitions()["valid:loss"], line) is None


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (Phase("decode the images", 0.926), ["decode the images: 0.93 s"]),
        (Note("two\nlines"), ["two", "lines"]),
        (Warning("look"), ["warning: look"]),
        (Failure("no space"), ["failed: no space"]),
        (Progress("decode", 1, 2), []),
        (End("job", Outcome.COMPLETED), []),
    ],
)
def test_the_other_events(event: Phase | Note | Warning | Failure | Progress | End, lines: list[str]) -> None:
    assert lines_of(event) == lines
