from __future__ import annotations

from dataclasses import replace

from tintype.pipeline.tuning_summary import described, described_best, overall_best
from tintype.tuning.earlier import Earlier, WarmStart, WarmStartType
from tintype.tuning.ranges import Continuous
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState
from tintype.tuning.trial import Trial, TrialStatus

SETTINGS = TuningSettings(
    name="ants", space=Space((Continuous("lr", 0.0, 1.0),)), objective="loss", direction="Minimize"
)  # pyright: ignore[reportArgumentType]
DONE = Trial(1, "ants-001", {"lr": 0.5}, ("lr",)).ended(TrialStatus.COMPLETED, 2.0, value=0.25)
STATE = TuningState(SETTINGS, trials=(DONE, Trial(2, "ants-002", {"lr": 0.1}, ("lr",))))


def warm(kind: WarmStartType, value: float) -> TuningState:
    start = WarmStart(kind, ("old",), (Earlier("old-001", {"lr": 0.9}, value),))
    return replace(STATE, settings=SETTINGS.model_copy(update={"warm_start": start}))


def test_what_is_promised_is_there() -> None:
    document = described(STATE)
    assert {"name", "status", "counts", "best", "trials"} <= document.keys()
    assert document["best"] == {"job": "ants-001", "value": 0.25, "hyperparameters": {"lr": 0.5}}
    assert document["counts"] == {"InProgress": 1, "Stopping": 0, "Completed": 1, "Failed": 0, "Stopped": 0}
    assert "warm_start" not in document
    assert described_best(None) is None


def test_the_best_of_all_may_be_an_earlier_one() -> None:
    better, worse = warm(WarmStartType.IDENTICAL, 0.125), warm(WarmStartType.IDENTICAL, 0.5)
    assert overall_best(better) == {"job": "old-001", "value": 0.125, "hyperparameters": {"lr": 0.9}}
    assert overall_best(worse) == described_best(DONE)
    assert overall_best(warm(WarmStartType.TRANSFER, 0.125)) is None
    assert described(better)["warm_start"]["overall_best"]["job"] == "old-001"
    assert described(better)["best"]["job"] == "ants-001"
