"""The index and its threshold: few pictures raise no alarm, unchanged ones hardly ever, changed ones do."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tintype.serving.front.invocation import Answer, Classified
from tintype.serving.watching.drift import FEWEST, Reference, chi_square_quantile, index_by_chance, measure
from tintype.serving.watching.drift_watch import BASELINE, WINDOW, DriftWatch, Watched, references_of

SHARES = {"ant": 0.5, "bee": 0.3, "wasp": 0.15, "fly": 0.05}


def drawn(shares: dict[str, float], count: int, random: np.random.Generator) -> dict[str, float]:
    return dict(zip(shares, map(float, random.multinomial(count, list(shares.values()))), strict=True))


@pytest.mark.parametrize("pictures", [20, 60, 200, 1000])
def test_unchanged_pictures_hardly_ever_alarm(pictures: int) -> None:
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        reference = Reference(drawn(SHARES, 200, random), "the first 200 pictures")
        alarms += measure("prediction", drawn(SHARES, pictures, random), reference).is_drift
    assert alarms <= 2


@pytest.mark.parametrize("pictures", [200, 1000])
def test_changed_pictures_alarm(pictures: int) -> None:
    random = np.random.default_rng(0)
    reference = Reference(drawn(SHARES, 500, random), "validation")
    changed = {"ant": 0.1, "bee": 0.3, "wasp": 0.15, "fly": 0.45}
    found = [measure("prediction", drawn(changed, pictures, random), reference) for _ in range(100)]
    assert sum(one.is_drift for one in found) == 100
    assert found[0].largest.startswith("fly: 5")
    assert found[0].to_json()["drift"] is True


def test_too_few_are_unknown_not_fine() -> None:
    reference = Reference({"ant": 100.0, "bee": 100.0}, "validation")
    few = measure("prediction", {"bee": FEWEST - 1}, reference)
    assert few.index is None
    assert not few.is_drift
    assert measure("prediction", {"bee": FEWEST}, reference).is_drift
    assert measure("prediction", {"bee": 1e6}, None).index is None


def test_a_class_that_was_never_seen_counts() -> None:
    reference = Reference({"ant": 500.0}, "validation")
    assert measure("prediction", {"ant": 100, "dragon": 100}, reference).is_drift
    assert measure("prediction", {"ant": 200}, reference).index == 0


def test_chi_square_against_its_table() -> None:
    table = ((1, 0.95, 3.841), (4, 0.99, 13.277), (9, 0.999, 27.877), (100, 0.95, 124.342))
    for freedom, probability, expected in table:
        assert chi_square_quantile(freedom, probability) == pytest.approx(expected, rel=0.03)
    assert index_by_chance(1, 100, 100) == 0
    assert index_by_chance(5, 100, 100) > index_by_chance(5, 1000, 1000)


def test_the_first_pictures_are_the_reference_when_there_is_no_other() -> None:
    watch = Watched("prediction", None)
    for number in range(BASELINE):
        watch.see("ant" if number % 2 else "bee")
    assert watch.before == {"ant": BASELINE / 2, "bee": BASELINE / 2}
    for _ in range(WINDOW + 10):
        watch.see("bee")
    assert watch.drift.origin == f"the first {BASELINE} pictures"
    assert watch.drift.is_drift
    assert watch.now == {"bee": WINDOW}
    for number in range(WINDOW):                # and back again: the window forgets
        watch.see("ant" if number % 2 else "bee")
    assert not watch.drift.is_drift
    assert sum(Counter(watch.now).values()) == WINDOW


def test_answers_are_watched() -> None:
    watch = DriftWatch({"prediction": Reference({"ant": 90.0, "bee": 10.0}, "validation")})
    named = (Classified(1, "bee", 0.9),)
    for _ in range(100):
        watch.see(Answer(200, b"", "application/json", classify=lambda: named, brightness=(0.5,)))
    watch.see(Answer(200, b"", "text/plain"))       # a script of one's own says nothing
    prediction, brightness = watch.drifts()
    assert prediction.is_drift
    assert (prediction.pictures, prediction.origin) == (100, "validation")
    assert brightness.index is None


def test_references_come_from_the_archive() -> None:
    metrics = {"valid": {"loss": 0.1}, "valid.prediction": {"ant": 3.0, "bee": None}, "valid.brightness": {}}
    assert references_of(metrics) == {"prediction": Reference({"ant": 3.0}, "validation")}
