"""An inference script that takes bytes, arrays and URLs, and says what it was given."""

import io
import json
import os

import numpy as np
import requests
import torch
from pickled import Net  # noqa: F401  (the pickled network wants its class)


def model_fn(model_dir):
    return torch.load(os.path.join(model_dir, "model.pth"), map_location=torch.device("cpu"))


def input_fn(request_body, content_type):
    if content_type == "image/jpeg":
        return {"bytes": len(io.BytesIO(request_body).getvalue())}
    if content_type == "application/json":
        asked = json.loads(request_body)
        if "url" in asked:
            return {"bytes": len(requests.get(asked["url"]).content)}
        return torch.tensor(asked["inputs"])
    if content_type == "application/x-npy":
        return torch.from_numpy(np.load(io.BytesIO(request_body)).astype(np.float32))
    raise Exception(f"Requested unsupported ContentType in content_type: {content_type}")


def predict_fn(data, model):
    if isinstance(data, dict):
        return data
    with torch.no_grad():
        return model(data).numpy().tolist()


def output_fn(prediction, accept):
    if accept == "application/x-npy":
        stream = io.BytesIO()
        np.save(stream, np.array(prediction))
        return stream.getvalue(), accept
    return json.dumps({"answer": prediction, "accept": accept})
