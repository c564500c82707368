"""CloudWatch's metrics of endpoints: what came through this server's InvokeEndpoint, kept with the other metrics.

    AWS/SageMaker   EndpointName, VariantName   Invocations, Invocation4XXErrors, Invocation5XXErrors, ModelLatency (µs)

Counted in memory and written every few seconds, as a write takes longer than the counting of a thousand requests.
Requests that were sent to an endpoint's own address are in its /metrics, not here.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import final

from tintype.records import Records
from tintype.web.api.metric_series import Series, put
from tintype.web.api.statistics import Point

NAMESPACE = "AWS/SageMaker"
MOST_EXACT = 500                # requests of one variant between two writes that are kept one by one

Counted = tuple[float, int, float]      # (when, status, seconds)


@final
class InvocationMetrics:
    """What was asked since the last write. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, str], list[Counted]] = defaultdict(list)

    def note(self, endpoint: str, variant: str, status: int, seconds: float) -> None:
        """One request that was answered; status 0 when it was not in time."""
        with self._lock:
            self._counted[endpoint, variant].append((time.time(), status, seconds))

    def write(self, records: Records) -> None:
        """Keep what was noted. Raises `StorageFailed`; then it is lost, and only it."""
        with self._lock:
            counted, self._counted = self._counted, defaultdict(list)
        for (endpoint, variant), requests in counted.items():
            dimensions = {"EndpointName": endpoint, "VariantName": variant}
            for name, points in points_of(requests).items():
                put(records, Series(NAMESPACE, name, dimensions), points)


def points_of(requests: list[Counted]) -> dict[str, list[Point]]:
    """The values of each metric. Of very many requests the sums stay right and every n-th latency is kept."""
    errors = {
        "Invocation4XXErrors": [float(400 <= status < 500) for _, status, _ in requests],
        "Invocation5XXErrors": [float(status >= 500 or status == 0) for _, status, _ in requests],
    }
    counts = {"Invocations": [1.0] * len(requests), **errors}
    if len(requests) <= MOST_EXACT:
        found = {
            name: [Point(at, value) for (at, _, _), value in zip(requests, values, strict=True)]
            for name, values in counts.items()
        }
    else:
        last = requests[-1][0]
        found = {name: [Point(last, sum(values))] for name, values in counts.items()}
    step = -(-len(requests) // MOST_EXACT)
    latencies = [Point(at, seconds * 1e6) for at, status, seconds in requests[::step] if status]
    return {**found, "ModelLatency": latencies} if latencies else found
