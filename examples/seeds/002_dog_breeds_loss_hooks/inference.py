"""The endpoint of the breeds: the bytes of a photograph in, the scores of all breeds out, as JSON."""

import io
import json
import os

import torch
from PIL import Image
from torchvision import transforms

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def model_fn(model_dir):
    with open(os.path.join(model_dir, "model.pth"), "rb") as stream:
        model = torch.load(stream, map_location=device)
    return model.to(device).eval()


def input_fn(request_body, content_type):
    if content_type != "image/jpeg":
        raise ValueError(f"this endpoint takes image/jpeg, not {content_type}")
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    steps.append(transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    image = Image.open(io.BytesIO(request_body)).convert("RGB")
    return transforms.Compose(steps)(image).unsqueeze(0)


def predict_fn(batch, model):
    with torch.no_grad():
        return model(batch.to(device))


def output_fn(prediction, accept):
    return json.dumps(prediction.tolist())
