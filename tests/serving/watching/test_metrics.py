"""What a front counts, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tintype.serving.watching.metrics import Metrics
from tintype.serving.workers.batching import Reason
from tintype.serving.workers.networks import BatchNews


class Seen:
    def facts(self) -> dict[str, object]:
        return {
            "name": "A", "inside": 3, "waiting": 2, "oldest_waits": 0.5, "workers": [1, 2], "decoders": [3],
            "worker_deaths": {"crash": 4}, "decoder_deaths": {"timeout": 1},
        }  # fmt: skip


def values(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_requests_phases_batches_and_processes() -> None:
    metrics = Metrics()
    metrics.request(200, 1000, 0.5, {"decode": 0.1, "inference": 0.3})
    metrics.request(429, 0, 0.001, {})
    on_batch = metrics.batches_of("A")
    on_batch(BatchNews(Reason.FULL, 32, 0.02))
    on_batch(BatchNews(Reason.ALL_HERE, 1, 0.0))
    seen = Seen()
    metrics.add(seen)
    found = values(metrics)
    assert found["tintype_requests_total", (("status", "200"),)] == 1
    assert found["tintype_requests_total", (("status", "429"),)] == 1
    assert found["tintype_request_body_bytes_total", ()] == 1000
    assert found["tintype_request_seconds_sum", (("phase", "inference"),)] == 0.3
    assert found["tintype_request_seconds_count", (("phase", "total"),)] == 2
    assert found["tintype_batches_total", (("reason", "full"), ("variant", "A"))] == 1
    assert found["tintype_batch_pictures_sum", (("variant", "A"),)] == 33
    assert found["tintype_batch_oldest_wait_seconds_sum", (("reason", "full"), ("variant", "A"))] == 0.02
    assert found["tintype_inside", (("variant", "A"),)] == 3
    assert found["tintype_processes", (("kind", "workers"), ("variant", "A"))] == 2
    deaths = (("kind", "decoders"), ("variant", "A"), ("why", "timeout"))
    assert found["tintype_process_deaths_total", deaths] == 1
    metrics.remove(seen)
    metrics.remove(seen)
    assert ("tintype_inside", (("variant", "A"),)) not in values(metrics)
