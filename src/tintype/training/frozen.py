"""Training the head of a frozen backbone, on features that were computed once.

    open the features → for every epoch: train the head, evaluate, keep the best → judge the best → write it all down

The head sees the same images in the same order and the same views, under the same optimiser and schedule, as it would
in `trainer`, so it ends with the same weights, to rounding; an epoch takes milliseconds. What a job keeps is the head
alone: together with the backbone's weights, whose hash its checkpoint knows, it makes the whole network again.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tintype.debugger.samples import announce
from tintype.models.networks import Network
from tintype.profiler.phases import Outside, Phase
from tintype.training.augmentation import Augmentation
from tintype.training.averaging import WeightAverage
from tintype.training.checkpoints import Checkpoints
from tintype.training.evaluation import Evaluation, Evaluator
from tintype.training.events import Epoch, Note, TrainingResult
from tintype.training.features import FeaturesStopped, SplitFeatures
from tintype.training.feed import reseed
from tintype.training.frozen_start import Start, open_start
from tintype.training.losses import LossGuard, create_loss
from tintype.training.material import Split
from tintype.training.metrics import Meter, metrics_of, score
from tintype.training.mixing import Targets
from tintype.training.optimisers import clip_gradients, create_optimiser
from tintype.training.outputs import conclude, epoch_entry, write_history
from tintype.training.progress import Progress
from tintype.training.schedules import Schedule
from tintype.training.session import Session
from tintype.training.steps import Steps

SMALL_STEP = 1 << 24        # multiplications; below, threads wait for each other longer than they work


def train_frozen(session: Session, resume: bool) -> TrainingResult:
    """Train the head of the session's network. Raises as `trainer.train` does."""
    plan, place, world, stop = session.plan, session.place, session.host.world, session.host.stop
    spans = session.host.spans
    try:
        start = open_start(session)
    except FeaturesStopped:
        return conclude(session, None, (), best_epoch=0, epochs=0, stopped=True)
    head = copy.deepcopy(start.head).to(place.device)
    material, features = session.material, start.features
    steps = Steps(plan, material.train, _augmentation(session), world.size)
    labels = torch.from_numpy(material.train.labels).to(place.device)
    valid = features.valid.all().to(place.device)                               # (m, dim)
    loss_of = create_loss(plan.loss, material.train.labels, len(session.classes), place.device)
    optimiser = create_optimiser(plan.optimiser, head, session.learning_rate)
    schedule = Schedule(plan.schedule, steps.count, plan.epochs)
    average = WeightAverage(head, plan.ema)
    meter, guard, progress = Meter(), LossGuard(), Progress()
    parts = {"head": head, "optimiser": optimiser, "average": average, "meter": meter}
    belongs_to = f"{material.dataset.fingerprint} {session.weights.sha256}"
    checkpoints = Checkpoints(plan, belongs_to, progress, parts, writes=world.leads)
    if resume and checkpoints.restore(place.device):
        session.emit(Note(progress.way_on(plan.epochs, plan.patience)))
        for entry in progress.history:                                          # listeners hear of all epochs
            session.emit(Epoch(entry["epoch"], plan.epochs, entry["metrics"], entry["seconds"]))
        write_history(session, progress.history)
    if not resume:
        checkpoints.clear()
    torch.set_num_threads(1 if _is_small(start, plan.batch_size) else place.threads)

    while not progress.is_over(plan.epochs, plan.patience):
        began = time.perf_counter()
        head.train()
        for step, pieces in spans.batches(steps.epoch(progress.epoch)):
            if plan.network.drop_rate:
                reseed(place, plan.seed, progress.epoch, step, rank=0)          # every process trains the whole head
            schedule.apply(optimiser, progress.epoch * steps.count + step)
            for piece in pieces:
                with spans.phase(Phase.DATA_WAIT):
                    seen = features.train.take(piece).to(place.device)          # (n, dim)
                    targets = Targets(labels[torch.from_numpy(piece.positions).to(place.device)])
                with spans.phase(Phase.FORWARD):
                    announce(partial(material.train_files, piece.positions))
                logits = head(F.dropout(seen, plan.network.drop_rate))      # (n, classes)
                with spans.phase(Phase.LOSS):
                    loss = loss_of(logits, targets)
                with spans.phase(Phase.BACKWARD):
                    (loss * piece.share).backward()
                meter.add(loss, logits, targets.likeliest)
                guard.add(step, loss)
            with spans.phase(Phase.OPTIMIZER):
                if plan.optimiser.clip_norm:
                    clip_gradients(head.parameters(), plan.optimiser.clip_norm)
                optimiser.step()
                optimiser.zero_grad()
                average.update()
            spans.finish()
        guard.check(progress.epoch)

        trained = time.perf_counter()
        with spans.outside(Outside.EVALUATION):
            evaluation = evaluate_head(average.module, valid, material.valid)
        scores = {"train": score(meter.take(), len(session.classes)), "valid": evaluation.score}
        progress.judge(evaluation, _named(average.module, start.head_name), plan.objective)
        ended = time.perf_counter()
        session.phases.add("train", trained - began)
        session.phases.add("evaluate", ended - trained)
        metrics = metrics_of(scores, optimiser.param_groups[0]["lr"])
        event = Epoch(progress.epoch + 1, plan.epochs, metrics, round(ended - began, 4))
        progress.end_epoch(epoch_entry(event, scores, session.classes))
        session.emit(event)
        write_history(session, progress.history)
        if checkpoints.due:
            with spans.outside(Outside.CHECKPOINT):
                checkpoints.save()
        if stop.after_epoch:
            break

    with checkpoints.ending(session.host):
        return judge_best(session, start, progress)


def judge_best(session: Session, start: Start, progress: Progress) -> TrainingResult:
    """Evaluate the best head on the splits that did not choose it, and write everything down."""
    plan, stop = session.plan, session.host.stop
    stopped = stop.after_epoch and progress.epoch < plan.epochs
    if progress.best is None:                                                   # stopped before the first epoch's end
        return conclude(session, None, (), best_epoch=0, epochs=0, stopped=stopped)
    network = None
    if plan.save == "archive" and not stop.after_step:
        network = whole_network(session, progress.best.weights)
    if network is not None and start.features.precision == "int8":
        # What goes out is judged by itself: the archive holds the network in floats.
        with session.phases("evaluate"):
            evaluations = [Evaluator(session, split)(network.module) for split in session.material.splits[1:]]
    else:
        evaluations = _evaluate_best(session, start, progress.best.weights)
    return conclude(
        session,
        network,
        evaluations,
        best_epoch=progress.best.epoch,
        epochs=progress.epoch,
        stopped=stopped,
    )


def whole_network(session: Session, weights: Mapping[str, Tensor]) -> Network:
    """The session's network with the head in `weights`, which are named as the network's module names them."""
    network = session.create_network()
    network.module.load_state_dict({**network.module.state_dict(), **weights})
    return network


@torch.inference_mode()
def evaluate_head(head: nn.Module, features: Tensor, split: Split) -> Evaluation:
    """What `head` says of all images of `split`, whose `features` are (n, dim); it is left in evaluation mode."""
    head.eval()
    return Evaluation(split, head(features).float().cpu())


def _evaluate_best(session: Session, start: Start, weights: Mapping[str, Tensor]) -> list[Evaluation]:
    head = copy.deepcopy(start.head).to(session.place.device)
    head.load_state_dict({name.removeprefix(f"{start.head_name}."): tensor for name, tensor in weights.items()})
    material, features = session.material, start.features
    pairs: list[tuple[Split | None, SplitFeatures | None]] = [
        (material.valid, features.valid),
        (material.test, features.test),
    ]
    return [
        evaluate_head(head, found.all().to(session.place.device), split)
        for split, found in pairs
        if split is not None and found is not None
    ]


def _is_small(start: Start, batch_size: int) -> bool:
    return batch_size * sum(weight.numel() for weight in start.head.parameters()) < SMALL_STEP


def _augmentation(session: Session) -> Augmentation:
    side = session.material.train.cache.images.shape[1]
    return Augmentation(session.plan.augmentation, session.material.preprocessing, side)


def _named(head: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in head.state_dict().items()}
