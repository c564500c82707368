"""An image classifier as LitServe's documentation writes one ("Speed up serving by 200x", its base line).

Base64 in JSON, Pillow, torchvision's own transforms, torch in float32, torch's own number of threads. Batching is off
as in the base line, or on as the page does next: `--batch 8`. Random weights: what is measured is time.

    python litserve_server.py --network resnet18 --port 8000 [--batch 8]
"""

from __future__ import annotations

import argparse
import base64
import io
from typing import Any

import litserve
import torch
import torchvision
from PIL import Image
from torch import Tensor

BATCH_SECONDS = 0.01


class ImageClassifierAPI(litserve.LitAPI):
    """The documentation's class, with the network's name as a parameter."""

    network = "resnet18"

    def setup(self, device: str) -> None:
        weights = torchvision.models.get_model_weights(self.network)
        self.image_processing = weights["DEFAULT"].transforms()
        self.model = torchvision.models.get_model(self.network).eval().to(device)

    def decode_request(self, request):  # LitServe reads annotations; the documentation has none
        image = base64.b64decode(request["image_data"])
        pil_image = Image.open(io.BytesIO(image)).convert("RGB")
        return self.image_processing(pil_image).unsqueeze(0).to(self.device)

    def batch(self, inputs: list[Tensor]) -> Tensor:
        return torch.cat(inputs)

    def unbatch(self, output: list[int]) -> list[list[int]]:
        return [[one] for one in output]

    def predict(self, x: Tensor) -> list[int]:
        with torch.inference_mode():
            outputs = self.model(x)
            _, predictions = torch.max(outputs, 1)
        return predictions.tolist()

    def encode_response(self, output: list[int]) -> dict[str, Any]:
        return {"output": output[0]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    api = ImageClassifierAPI(max_batch_size=options.batch, batch_timeout=BATCH_SECONDS if options.batch > 1 else 0.0)
    api.network = options.network       # of the object: workers are new processes, and get the object alone
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=options.workers)
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="error")


if __name__ == "__main__":
    main()
