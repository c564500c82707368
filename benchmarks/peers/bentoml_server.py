"""The same network in ONNX Runtime behind BentoML, with its adaptive batching, a worker per core.

    BENCH_ONNX=model.onnx bentoml serve bentoml_server:Classifier --port 8000
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
from onnx_classifier import OnnxClassifier
from PIL import Image as PILImage

CORES = len(os.sched_getaffinity(0))
BATCH, LATENCY_MILLISECONDS = 8, 10_000


@bentoml.service(workers=CORES, traffic={"timeout": 60, "max_concurrency": 1024})
class Classifier:
    """Pictures in, JSON out."""

    def __init__(self) -> None:
        self.classifier = OnnxClassifier(os.environ["BENCH_ONNX"], threads=1)

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=LATENCY_MILLISECONDS)
    def classify(self, images: list[PILImage.Image]) -> list[dict[str, Any]]:
        return self.classifier.classify([self.classifier.prepare(one) for one in images])
