"""A classifier for the servers that bring none: Pillow, NumPy and ONNX Runtime, as their examples put them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
SIDE = 224


class OnnxClassifier:
    """Photographs to class indices."""

    def __init__(self, path: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Scaled, cropped and normalised: float32 (3, 224, 224)."""
        image = image.convert("RGB")
        scale = SIDE / min(image.size)
        width, height = round(image.width * scale), round(image.height * scale)
        left, top = (width - SIDE) // 2, (height - SIDE) // 2
        scaled = image.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + SIDE, top + SIDE))
        return ((np.asarray(scaled, np.float32) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)

    def classify(self, images: Sequence[np.ndarray]) -> list[dict[str, float]]:
        """One batch."""
        logits = np.asarray(self._session.run(None, {"images": np.stack(images)})[0])
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponents / exponents.sum(axis=1, keepdims=True)
        best = probabilities.argmax(axis=1)
        ranked = zip(best, probabilities, strict=True)
        return [{"index": int(one), "probability": float(row[one])} for one, row in ranked]
