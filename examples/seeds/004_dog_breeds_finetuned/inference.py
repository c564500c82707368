"""The endpoint of the breeds: a photograph (or the URL of one, as JSON) in, the scores of all breeds out."""

import io
import json
import logging
import os

import requests
import torch
import torch.nn as nn
from PIL import Image
from torchvision import models, transforms

logger = logging.getLogger(__name__)

JPEG_CONTENT_TYPE = "image/jpeg"
JSON_CONTENT_TYPE = "application/json"


def net(classes):
    model = models.resnet18(pretrained=True)
    model.fc = nn.Sequential(nn.Linear(model.fc.in_features, 256), nn.ReLU(), nn.Linear(256, classes))
    return model


def model_fn(model_dir):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = torch.load(os.path.join(model_dir, "model.pth"), map_location=device)
    model = net(len(state["fc.2.bias"])).to(device)
    model.load_state_dict(state)
    return model.eval()


def input_fn(request_body, content_type=JPEG_CONTENT_TYPE):
    logger.info(f"{len(request_body)} bytes of {content_type}")
    if content_type == JPEG_CONTENT_TYPE:
        return Image.open(io.BytesIO(request_body)).convert("RGB")
    if content_type == JSON_CONTENT_TYPE:
        url = json.loads(request_body)["url"]
        return Image.open(io.BytesIO(requests.get(url).content)).convert("RGB")
    raise Exception(f"Requested unsupported ContentType in content_type: {content_type}")


def predict_fn(input_object, model):
    transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    image = transform(input_object).to(next(model.parameters()).device)
    with torch.no_grad():
        return model(image.unsqueeze(0))
