"""What endpoints are asked, counted."""

from __future__ import annotations

from pathlib import Path

from tintype.settings import Settings
from tintype.web.api.metric_series import Series
from tintype.web.api.metric_series import points_of as kept_points
from tintype.web.invocation_metrics import MOST_EXACT, NAMESPACE, InvocationMetrics, points_of
from tintype.workspace import open_workspace


def test_few_requests_are_kept_one_by_one() -> None:
    found = points_of([(1.0, 200, 0.5), (2.0, 404, 0.1), (3.0, 0, 60.0)])
    assert [(one.at, one.value) for one in found["Invocations"]] == [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]
    assert [one.value for one in found["Invocation4XXErrors"]] == [0.0, 1.0, 0.0]
    assert [one.value for one in found["Invocation5XXErrors"]] == [0.0, 0.0, 1.0]
    assert [one.value for one in found["ModelLatency"]] == [0.5e6, 0.1e6]       # what was not answered has no latency


def test_many_requests_take_little_room_and_their_sums_stay_right() -> None:
    requests = [(float(at), 500 if at % 10 == 0 else 200, 0.01) for at in range(MOST_EXACT * 7 + 1)]
    found = points_of(requests)
    assert sum(one.value for one in found["Invocations"]) == len(requests)
    assert sum(one.value for one in found["Invocation5XXErrors"]) == 351
    assert len(found["Invocations"]) == 1
    assert MOST_EXACT // 2 < len(found["ModelLatency"]) <= MOST_EXACT


def test_what_was_noted_is_written_once(tmp_path: Path) -> None:
    metrics = InvocationMetrics()
    metrics.note("ants", "a", 200, 0.25)
    with open_workspace(Settings(home=tmp_path)) as workspace:
        metrics.write(workspace.records)
        metrics.write(workspace.records)
        series = Series(NAMESPACE, "ModelLatency", {"EndpointName": "ants", "VariantName": "a"})
        assert [one.value for one in kept_points(workspace.records, series)] == [250_000.0]
