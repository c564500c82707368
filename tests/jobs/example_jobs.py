"""The example scripts as jobs: their data, their weights, what is asked of them. Shared by the tests that run them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tintype.jobs.specification import Channel, JobSpec, MetricDefinition, Resources, Source

SCRIPTS = Path(__file__).parents[2] / "examples" / "seeds"
LOSS = MetricDefinition("average test loss", r"Test set: Average loss: ([0-9\.]+)")
TESTING_LOSS = MetricDefinition("average test loss", r"Testing Loss: ([0-9\.]+)")


@dataclass(frozen=True)
class Example:
    """One set of scripts: where its images are expected, and hyperparameters that make it small."""

    folder: str
    splits: tuple[str, ...]                     # folders of the channel `training`, or channels of their own
    own_channels: bool
    hyperparameters: dict[str, str]             # as on the wire: categorical values of a tuner come quoted
    metric: MetricDefinition = LOSS


CNN = Example(
    "000_hurricane_damage/scripts", ("train", "validation", "test"), False,
    {"lr": "0.01", "batch_size": '"16"', "epochs": "1"},
)
RESNET = Example(
    "001_dog_breeds_resnet18", ("train", "valid", "test"), True, {"lr": "0.01", "batch-size": '"4"', "epochs": "1"},
    TESTING_LOSS,
)  # fmt: skip
EFFICIENTNET = Example(
    "003_intel_scenes/code", ("seg_train", "seg_test"), False,
    {"lr": "0.01", "eps": "1e-07", "batch_size": '"4"', "epoch": "1", "model": '"efficientnet_b0"', "image_size": "48"},
)  # fmt: skip
EXAMPLES = (CNN, RESNET, EFFICIENTNET)


def write_images(root: Path, splits: tuple[str, ...], per_class: int = 1) -> Path:
    """`<root>/<split>/<class>/<n>.jpg`, two classes that differ in colour."""
    random = np.random.default_rng(3)
    for split in splits:
        for name, colour in (("damage", (200, 60, 40)), ("no_damage", (40, 80, 200))):
            (root / split / name).mkdir(parents=True)
            for number in range(per_class):
                pixels = np.clip(np.array(colour) + random.normal(0, 20, (64, 64, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(root / split / name / f"{number}.jpg")
    return root


def write_weights(torch_home: Path, networks: Sequence[str] = ("resnet18", "efficientnet_b0")) -> Path:
    """Files with the names that torchvision downloads to, holding random numbers: small, and without a network."""
    import torch
    from torchvision import models

    folder = torch_home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for name in networks:
        file = models.get_model_weights(name)["IMAGENET1K_V1"].url.rsplit("/", 1)[-1]
        torch.save(models.get_model(name).state_dict(), folder / file)
    return torch_home


def example_spec(example: Example, script: str, data: Path, torch_home: Path, hosts: int = 1) -> JobSpec:
    """The training job of one of the scripts, as the SageMaker SDK would ask for it."""
    names = example.splits if example.own_channels else ("training",)
    channels = tuple(Channel(name, str(data / name if example.own_channels else data)) for name in names)
    return JobSpec(
        source=Source("script", script, str(SCRIPTS / example.folder)),
        hyperparameters={**example.hyperparameters, "sagemaker_program": f'"{script}"'},
        channels=channels,
        resources=Resources("ml.m5.large", hosts),
        environment={"TORCH_HOME": str(torch_home)},
        metric_definitions=(example.metric,),
    )
