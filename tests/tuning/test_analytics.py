from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tintype.errors import InvalidRequest
from tintype.tuning.analytics import OWN_COLUMNS, as_csv, columns, dataframe, plain, rows
from tintype.tuning.ranges import Categorical, Continuous, Value
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.trial import Trial, TrialStatus

SETTINGS = TuningSettings(
    name="ants",
    space=Space((Continuous("lr", 0.001, 0.1), Categorical("batch-size", ('"16"', '"32"')))),
    objective="loss",
    direction="Minimize",                       # pyright: ignore[reportArgumentType]
    hyperparameters={"epochs": 3},
)


def trial(number: int, batch_size: str) -> Trial:
    hyperparameters: dict[str, Value] = {"epochs": 3, "lr": 0.01 * number, "batch-size": batch_size}
    return Trial(number, f"ants-{number:03d}", hyperparameters, ("lr", "batch-size"), started_at=1_000_000.0)


STATE = TuningState(
    SETTINGS,
    TuningStatus.COMPLETED,
    (
        trial(1, '"16"').ended(TrialStatus.COMPLETED, 1_000_002.5, value=0.5),
        trial(2, '"32"').reported({}, [(1, 0.9), (2, 0.8)]).ended(TrialStatus.STOPPED, 1_000_001.0),
        trial(3, '"32"').ended(TrialStatus.FAILED, 1_000_001.0, reason="no, because"),
        trial(4, '"16"'),
    ),
)


def test_a_row_has_the_columns_of_sagemaker() -> None:
    assert columns(STATE) == ("lr", "batch-size", *OWN_COLUMNS)
    found = rows(STATE)
    assert all(tuple(row) == columns(STATE) for row in found)
    assert found[0] == {
        "lr": 0.01,
        "batch-size": 16,
        "TrainingJobName": "ants-001",
        "TrainingJobStatus": "Completed",
        "FinalObjectiveValue": 0.5,
        "TrainingStartTime": datetime(1970, 1, 12, 13, 46, 40, tzinfo=UTC),
        "TrainingEndTime": datetime(1970, 1, 12, 13, 46, 42, 500000, tzinfo=UTC),
        "TrainingElapsedTimeSeconds": 2.5,
    }
    assert [row["FinalObjectiveValue"] for row in found] == [0.5, 0.8, None, None]
    assert found[3]["TrainingEndTime"] is None


def test_csv_is_read_back() -> None:
    found = list(csv.DictReader(io.StringIO(as_csv(STATE).decode())))
    assert [row["TrainingJobStatus"] for row in found] == ["Completed", "Stopped", "Failed", "InProgress"]
    assert found[0]["TrainingStartTime"] == "1970-01-12T13:46:40+00:00"
    assert found[2]["FinalObjectiveValue"] == ""
    assert as_csv(replace(STATE, trials=())).decode().splitlines() == [",".join(columns(STATE))]


def test_a_data_frame() -> None:
    frame = dataframe(STATE)
    assert tuple(frame.columns) == columns(STATE)
    assert frame["batch-size"].tolist() == [16, 32, 32, 16]
    assert frame["FinalObjectiveValue"].isna().tolist() == [False, False, True, True]
    assert frame.sort_values("FinalObjectiveValue").iloc[0]["TrainingJobName"] == "ants-001"
    assert len(dataframe(replace(STATE, trials=()))) == 0


def test_without_pandas_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InvalidRequest, match="pip install pandas"):
        dataframe(STATE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"32"', 32), ("0.5", 0.5), ('"adam"', "adam"), ("adam", "adam"), ('"', '"'), ("", ""), (7, 7), ("[1]", "[1]")],
)  # fmt: skip
def test_a_value_without_its_quotes(value: Value, expected: Value) -> None:
    assert plain(value) == expected
