"""What a front counts, for Prometheus. One process counts: there is nothing to add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Protocol, final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tintype.serving.workers.networks import BatchNews

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
PICTURES = (1, 2, 4, 8, 16, 32, 64, 128)
TOTAL = "total"                     # the phase that is the whole request

GAUGES: Mapping[str, str] = {
    "inside": "Requests at work or waiting",
    "waiting": "Decoded pictures that wait for a batch, or requests that wait for a script",
    "decoding": "Requests that are being decoded or wait for it",
    "at_work": "Pictures in the network, or requests in the script",
    "oldest_waits": "Seconds that the first in the queue has waited for",
}
PROCESSES = ("workers", "decoders")


class Seen(Protocol):
    """Something whose facts are shown: replicas."""

    def facts(self) -> Mapping[str, Any]: ...


class OnBatch(Protocol):
    """Hears of each batch."""

    def __call__(self, news: BatchNews) -> None: ...


@final
class Metrics:
    """The counters of one front."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seen: list[Seen] = []
        self._by_status: dict[int, Counter] = {}
        self._by_phase: dict[str, Histogram] = {}
        make = partial(Counter, registry=self.registry)
        spread = partial(Histogram, registry=self.registry)
        self._requests = make("tintype_requests", "Requests by the status of their answer", ["status"])
        self._bytes = make("tintype_request_body_bytes", "Bytes of the bodies that arrived")
        self._seconds = spread("tintype_request_seconds", "Seconds of a request, by phase", ["phase"], buckets=SECONDS)
        self._batches = make("tintype_batches", "Batches by why they were released", ["variant", "reason"])
        self._pictures = spread("tintype_batch_pictures", "Pictures in a batch", ["variant"], buckets=PICTURES)
        self._oldest = spread(
            "tintype_batch_oldest_wait_seconds", "How long a batch's oldest picture had waited",
            ["variant", "reason"], buckets=SECONDS,
        )  # fmt: skip
        self.registry.register(_Now(self._seen))

    def request(self, status: int, body_bytes: int, seconds: float, phases: Mapping[str, float]) -> None:
        """One request that was answered."""
        if (counted := self._by_status.get(status)) is None:
            counted = self._by_status[status] = self._requests.labels(status)
        counted.inc()
        self._bytes.inc(body_bytes)
        self._observe(TOTAL, seconds)
        for phase, part in phases.items():
            self._observe(phase, part)

    def batches_of(self, variant: str) -> OnBatch:
        """What the networks of a variant tell their batches to."""
        return partial(self._batch, variant)

    def add(self, seen: Seen) -> None:
        """Show the facts of some replicas from now on."""
        self._seen.append(seen)

    def remove(self, seen: Seen) -> None:
        """Show them no more."""
        if seen in self._seen:
            self._seen.remove(seen)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)

    def _observe(self, phase: str, seconds: float) -> None:
        if (spread := self._by_phase.get(phase)) is None:       # looking a label up takes longer than counting
            spread = self._by_phase[phase] = self._seconds.labels(phase)
        spread.observe(seconds)

    def _batch(self, variant: str, news: BatchNews) -> None:
        self._batches.labels(variant, news.reason).inc()
        self._pictures.labels(variant).observe(news.pictures)
        self._oldest.labels(variant, news.reason).observe(news.oldest_waited)


@final
class _Now(Collector):
    """How things are at the moment of asking."""

    def __init__(self, seen: list[Seen]) -> None:
        self._seen = seen

    def collect(self) -> Iterable[Metric]:
        """Called by prometheus_client."""
        gauges = {name: GaugeMetricFamily(f"tintype_{name}", text, labels=["variant"]) for name, text in GAUGES.items()}
        processes = GaugeMetricFamily("tintype_processes", "Processes that are alive", labels=["variant", "kind"])
        deaths = CounterMetricFamily(
            "tintype_process_deaths", "Processes that died or were replaced", labels=["variant", "kind", "why"]
        )
        for one in list(self._seen):
            facts = one.facts()
            name = str(facts["name"])
            for gauge, family in gauges.items():
                family.add_metric([name], float(facts.get(gauge, 0)))
            for kind in PROCESSES:
                processes.add_metric([name, kind], len(facts.get(kind, ())))
                for why, count in facts.get(f"{kind.removesuffix('s')}_deaths", {}).items():
                    deaths.add_metric([name, kind, why], count)
        return [*gauges.values(), processes, deaths]
