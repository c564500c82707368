"""The same network in ONNX Runtime behind Ray Serve, with its batching, a replica per core.

    python ray_serve_server.py --onnx model.onnx --port 8000
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from typing import Any

import ray
from onnx_classifier import OnnxClassifier
from PIL import Image
from ray import serve
from starlette.requests import Request

BATCH, BATCH_SECONDS = 8, 0.01


@serve.deployment(max_ongoing_requests=64, ray_actor_options={"num_cpus": 1})
class Classifier:
    """Bytes in, JSON out."""

    def __init__(self, onnx: str, folder: str) -> None:
        self.classifier = OnnxClassifier(onnx, threads=1)

    async def __call__(self, request: Request) -> dict[str, Any]:
        content = await request.body()
        return await self.classify(self.classifier.prepare(Image.open(io.BytesIO(content))))

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=BATCH_SECONDS)
    async def classify(self, images: list[Any]) -> list[dict[str, Any]]:
        return self.classifier.classify(images)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    folder = os.path.dirname(os.path.abspath(__file__))
    ray.init(
        num_cpus=cores,
        include_dashboard=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": folder}},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": options.port})
    serve.run(Classifier.options(num_replicas=cores).bind(options.onnx, folder))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
    sys.exit(0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
