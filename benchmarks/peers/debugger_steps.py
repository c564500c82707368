"""A training of ResNet-18 with a hook of Tintype's or of smdebug's, or none: what each step costs.

    python debugger_steps.py SIDE CASE STEPS [IMAGE_SIDE]     SIDE: tintype | smdebug | none

Prints one JSON list: for each step the seconds of processor time of the training thread, of the whole process, and on
the wall. smdebug runs in an environment of its own (NumPy 1.26, protobuf 3.20), with our torch.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

BATCH = 8
REDUCTIONS = "min,max,mean,std,l2_norm"
FULL = [{"CollectionName": name} for name in ("weights", "biases", "gradients", "losses")]

# case -> HookParameters, CollectionConfigurations
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "idle": ({"save_interval": "100000", "start_step": "100000"}, FULL),
    "full": ({"save_interval": "5"}, FULL),
    "losses": ({"save_interval": "1"}, [{"CollectionName": "losses"}]),
    "defaults": (
        {"save_interval": "500", "reductions": REDUCTIONS},
        [*FULL[:3], {"CollectionName": "losses", "CollectionParameters": {"save_interval": "1"}}],
    ),
    "reductions": (
        {"save_interval": "10", "reductions": REDUCTIONS, "include_regex": "(relu|conv|bn|fc).*put"},
        [*FULL[:3], {"CollectionName": "losses", "CollectionParameters": {"save_interval": "1"}}],
    ),
}


def attach(side: str, case: str, folder: str, model: nn.Module, loss: nn.Module) -> Callable[[], None]:
    """Register the hook; gives what closes it."""
    parameters, collections = CASES[case]
    document = {"LocalPath": folder, "HookParameters": parameters, "CollectionConfigurations": collections}
    if side == "tintype":
        from tintype.debugger.configuration import HookConfiguration
        from tintype.debugger.hook import Hook

        ours = Hook(HookConfiguration.from_json(document))
        ours.register_module(model)
        ours.register_loss(loss)
        return ours.close
    import smdebug.pytorch as smd  # pyright: ignore[reportMissingImports]

    path = Path(folder).with_suffix(".json")
    path.write_text(json.dumps(document))
    theirs = smd.Hook.create_from_json_file(str(path))
    theirs.register_module(model)
    theirs.register_loss(loss)
    return theirs.close


def timed(model: nn.Module, loss: nn.Module, images: Tensor, labels: Tensor, steps: int) -> list[list[float]]:
    """The times of `steps` steps of training."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.001)
    found = []
    for _ in range(steps):
        thread, process, wall = time.thread_time(), time.process_time(), time.perf_counter()
        optimiser.zero_grad()
        loss(model(images), labels).backward()
        optimiser.step()
        found.append([time.thread_time() - thread, time.process_time() - process, time.perf_counter() - wall])
    return found


def main(side: str, case: str, steps: int, image_side: int) -> None:
    """Train, and print the times."""
    torch.manual_seed(0)
    torch.set_num_threads(1)                                # so that the training thread's time is the training's
    model, loss = torchvision.models.resnet18(), nn.CrossEntropyLoss()
    images, labels = torch.randn(BATCH, 3, image_side, image_side), torch.arange(BATCH)
    with tempfile.TemporaryDirectory() as scratch:
        timed(model, loss, images, labels, 2)
        close = attach(side, case, f"{scratch}/log", model, loss) if side != "none" else lambda: None
        found = timed(model, loss, images, labels, steps)
        close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 32)
