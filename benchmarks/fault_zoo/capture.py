"""A training of the zoo with the debugger watching; logs are kept, so that rules can be tried again."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from pathlib import Path

import torch

from benchmarks.fault_zoo import loop
from benchmarks.fault_zoo.training import Training
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.injection import install, uninstall
from tintype.rules.catalogue import RULES, attach_rules

STAMP = "captured-with"


def captured(training: Training, logs: Path, *, fresh: bool = False, kept: bool = False) -> Path:
    """The folder of the training's tensor log below `logs`; trained now if it is not there or was captured otherwise.

    Kept logs do not notice that a training has changed: say `fresh` then. With `kept` a log is taken as it is, even if
    the rules would have more saved by now.
    """
    folder = logs / folder_name(training)
    configuration = attach_rules(HookConfiguration(location=str(folder)), RULES.values())
    stamp = hashlib.sha256(repr(configuration).encode()).hexdigest()
    marker = logs / f"{folder.name}.{STAMP}"
    if fresh or not marker.is_file() or (marker.read_text() != stamp and not kept):
        marker.unlink(missing_ok=True)
        if folder.exists():                 # two trainings in one log would be judged as one
            shutil.rmtree(folder)
        capture(training, configuration)
        marker.write_text(stamp)
    return folder


def folder_name(training: Training) -> str:
    """The training's name as a folder can be called."""
    return "".join(letter if letter.isalnum() else "-" for letter in training.name)


def capture(training: Training, configuration: HookConfiguration) -> None:
    """Train on one core; the loop knows nothing of the hook."""
    torch.set_num_threads(1)
    images = training.data()
    torch.manual_seed(training.loop.seed)
    network = training.network(images)
    install(configuration)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                     # NaN in a softmax is what some are here for
            (training.script or loop.train)(network, images, training.loop)
    finally:
        uninstall()
