"""What Prometheus is told of an endpoint beyond its front: its variants, drift, shadows and capture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tintype.serving.variants.live_endpoint import LiveEndpoint


@final
class EndpointMetrics(Collector):
    """The facts of a live endpoint at the moment of asking."""

    def __init__(self, live: LiveEndpoint) -> None:
        self._live = live

    def collect(self) -> Iterable[Metric]:
        """Called by prometheus_client."""
        facts = self._live.facts()
        yield from _variants(facts["variants"])
        yield from _drifts(facts["variants"])
        yield from _shadows(facts["shadows"])
        rescued = CounterMetricFamily("tintype_rescued_requests", "Requests that old replicas answered for new ones")
        rescued.add_metric([], facts["rescued"])
        yield rescued
        records = CounterMetricFamily("tintype_capture_records", "Requests to be captured", labels=["what"])
        for what in ("written", "dropped"):
            records.add_metric([what], (facts["capture"] or {}).get(what, 0))
        yield records

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked for its name before there are replicas."""
        return []


def _variants(variants: list[dict[str, Any]]) -> Iterable[Metric]:
    requests = CounterMetricFamily("tintype_variant_requests", "Requests that a variant was given", labels=["variant"])
    errors = CounterMetricFamily("tintype_variant_errors", "Requests that a variant failed", labels=["variant"])
    share = GaugeMetricFamily("tintype_variant_share", "Of the traffic, 0 to 1", labels=["variant"])
    seconds = GaugeMetricFamily(
        "tintype_variant_seconds", "Seconds of a variant's requests in the last minute", labels=["variant", "quantile"]
    )
    for one in variants:
        requests.add_metric([one["label"]], one["requests"])
        errors.add_metric([one["label"]], one["errors"])
        share.add_metric([one["label"]], one["share"])
        for quantile, key in (("0.5", "p50"), ("0.99", "p99")):
            seconds.add_metric([one["label"], quantile], one["recent"][key])
    return [requests, errors, share, seconds]


def _drifts(variants: list[dict[str, Any]]) -> Iterable[Metric]:
    labels = ["variant", "of"]
    index = GaugeMetricFamily("tintype_drift_index", "Population stability index against the reference", labels=labels)
    drift = GaugeMetricFamily("tintype_drift", "1 when the distribution has changed, beyond chance", labels=labels)
    for one in variants:
        for found in one["drift"]:
            if found["index"] is not None:
                index.add_metric([one["label"], found["name"]], found["index"])
            drift.add_metric([one["label"], found["name"]], float(found["drift"]))
    return [index, drift]


def _shadows(shadows: list[dict[str, Any]]) -> Iterable[Metric]:
    compared = CounterMetricFamily("tintype_shadow_compared", "Pictures that a shadow named too", labels=["variant"])
    agreement = GaugeMetricFamily("tintype_shadow_agreement", "Share of them that were named alike", labels=["variant"])
    for one in shadows:
        compared.add_metric([one["label"]], one["compared"])
        if one["agreement"] is not None:
            agreement.add_metric([one["label"]], one["agreement"])
    return [compared, agreement]
