"""The endpoint of the dog breeds: JPEG bytes in, the scores of all breeds out."""

import io
import logging
import os

import torch
import torch.nn as nn
from PIL import Image
from torchvision import models, transforms

logger = logging.getLogger(__name__)


def model_fn(model_dir):
    """The network of hpo.py, as large as the head that was saved."""
    state = torch.load(os.path.join(model_dir, "model.pth"), map_location="cpu")
    num_classes = state["fc.2.bias"].shape[0]
    model = models.resnet18()
    model.fc = nn.Sequential(nn.Linear(model.fc.in_features, 256), nn.ReLU(inplace=True), nn.Linear(256, num_classes))
    model.load_state_dict(state)
    return model.eval()


def input_fn(request_body, content_type="image/jpeg"):
    if content_type not in ("image/jpeg", "image/jpg", "image/png"):
        raise ValueError(f"Requested unsupported ContentType: {content_type}")
    return Image.open(io.BytesIO(request_body)).convert("RGB")


def predict_fn(input_object, model):
    transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    with torch.no_grad():
        return model(transform(input_object).unsqueeze(0))          # (1, classes)
