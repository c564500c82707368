"""The endpoint of the satellite images: an array (n, 3, 64, 64) in, an array (n, classes) of scores out.

Only the loading of the model is said here; arrays and JSON are read and written by the container's own functions.
"""

import os

import torch
from hpo import Net


def model_fn(model_dir):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = torch.load(os.path.join(model_dir, "model.pth"), map_location=device)
    model = Net(num_classes=len(state["fc2.bias"]))
    model.load_state_dict(state)
    return model.to(device).eval()
