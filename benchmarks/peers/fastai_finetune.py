"""The same training as fastai writes it: ImageDataLoaders, vision_learner, fit_one_cycle; every layer trained.

    python fastai_finetune.py --train DIR --valid DIR [--model resnet18] [--budget SECONDS | --epochs N]

Prints one JSON line per epoch, as plain_finetune.py does. With --budget, the number of epochs is chosen from the
measured time of a first epoch, which is not counted, because one-cycle has to know its length beforehand.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import torch
from fastai.vision.all import (
    Callback,
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    FuncSplitter,
    ImageBlock,
    Resize,
    accuracy,
    aug_transforms,
    get_image_files,
    parent_label,
    set_seed,
    vision_learner,
)
from torchvision import models

warnings.filterwarnings("ignore")


class Watch(Callback):
    """Times the training part of each epoch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.started = 0.0

    def before_train(self) -> None:
        self.epoch_started = time.perf_counter()
        self.started = self.started or self.epoch_started

    def after_train(self) -> None:
        self.train_seconds = time.perf_counter() - self.epoch_started
        self.elapsed = time.perf_counter() - self.started

    def after_epoch(self) -> None:
        images = len(self.dls.train) * self.dls.train.bs
        row = {"epoch": self.epoch + 1, "train_seconds": self.train_seconds,
               "images_per_second": images / self.train_seconds,
               "valid_accuracy": float(self.recorder.log[3]), "elapsed": self.elapsed}  # fmt: skip
        self.rows.append(row)
        print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", required=True)
    parser.add_argument("--valid", required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--budget", type=float, default=0.0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    set_seed(args.seed)

    train, valid = Path(args.train), Path(args.valid)
    files = [path for folder in (train, valid) for path in get_image_files(folder) if path.suffix != ".gif"]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=lambda _: files,
        splitter=FuncSplitter(lambda path: valid in path.parents),
        get_y=parent_label,
        item_tfms=Resize(args.size),
        batch_tfms=aug_transforms(max_warp=0.0),
    )
    dls = block.dataloaders(train.parent, bs=args.batch_size, num_workers=args.workers)

    def learner():
        made = vision_learner(dls, getattr(models, args.model), pretrained=False, metrics=accuracy,
                              loss_func=CrossEntropyLossFlat(), cbs=Watch())  # fmt: skip
        made.unfreeze()
        return made

    epochs = args.epochs
    if not epochs:
        trial = learner()
        with trial.no_logging(), trial.no_bar():
            trial.fit_one_cycle(1, args.lr)
        epochs = max(1, int(args.budget / trial.watch.rows[0]["train_seconds"]))
        set_seed(args.seed)
        print(json.dumps({"epochs_that_fit": epochs}), flush=True)
    chosen = learner()
    with chosen.no_logging(), chosen.no_bar():
        chosen.fit_one_cycle(epochs, args.lr)


if __name__ == "__main__":
    torch.set_num_threads(torch.get_num_threads())
    main()
