"""The endpoint of the scenes: the bytes of an image in, one score for each of the classes out.

    0 buildings   1 forest   2 glacier   3 mountain   4 sea   5 street
"""

import io
import json
import os

import torch
import torch.nn as nn
from PIL import Image
from torchvision import models, transforms

image_size = 150


def model_fn(model_dir):
    global image_size
    with open(os.path.join(model_dir, "model.json")) as stream:
        trained = json.load(stream)
    image_size = trained["image_size"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = getattr(models, trained["model"])()
    num_features = model.classifier[1].in_features
    num_classes = len(trained["classes"])
    model.classifier[1] = nn.Sequential(nn.Linear(num_features, 128), nn.ReLU(), nn.Linear(128, num_classes))
    model.load_state_dict(torch.load(os.path.join(model_dir, "model.pth"), map_location=device))
    return model.to(device).eval()


def input_fn(request_body, request_content_type):
    if not request_content_type.startswith("image/"):
        raise ValueError(f"{request_content_type} is not an image")
    image = Image.open(io.BytesIO(request_body)).convert("RGB")
    transform = transforms.Compose([
        transforms.Resize((image_size, image_size)),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    return transform(image).unsqueeze(0)


def predict_fn(data, model):
    with torch.no_grad():
        return model(data.to(next(model.parameters()).device))


def output_fn(prediction, accept):
    return json.dumps(prediction.cpu().tolist()), "application/json"
