"""The training loop.

    open the session → for every epoch: train, evaluate, keep the best → judge the best → write it all down

A job that was killed and is resumed goes on with the step after its last checkpoint, and ends with the same weights
as one that was not, bit by bit on one device.
"""

from __future__ import annotations

import time
from functools import partial

from torch.amp.grad_scaler import GradScaler

from tintype.debugger.samples import announce
from tintype.models.networks import Network
from tintype.profiler.phases import Outside, Phase
from tintype.training.averaging import WeightAverage
from tintype.training.checkpoints import Checkpoints
from tintype.training.evaluation import Evaluator
from tintype.training.events import Epoch, Note, TrainingResult
from tintype.training.feed import Feed, reseed
from tintype.training.frozen import train_frozen
from tintype.training.losses import LossGuard, create_loss
from tintype.training.metrics import Meter, metrics_of, score
from tintype.training.optimisers import clip_gradients, create_optimiser
from tintype.training.outputs import conclude, epoch_entry, write_history
from tintype.training.phases import Emit
from tintype.training.plan import TrainingPlan
from tintype.training.progress import Progress
from tintype.training.schedules import Schedule
from tintype.training.session import Host, Session, open_session

LOOK_STEPS = 50         # optimiser steps between two looks at the losses, each of which makes the device finish


def train(plan: TrainingPlan, emit: Emit, resume: bool = False, host: Host | None = None) -> TrainingResult:
    """Run one training job; `emit` is told what happens.

    With `resume` it goes on from the last checkpoint in the plan's directory, when there is one.
    Raises `InvalidRequest`, `NotFound` or `BadData` before the first step, `JobFailed` when the loss is no number,
    `StorageFailed` when the disk is full.
    """
    session = open_session(plan, emit, host or Host())
    if plan.uses_cached_features:
        return train_frozen(session, resume)
    return train_network(session, resume)


def train_network(session: Session, resume: bool) -> TrainingResult:
    """Train what the plan leaves unfrozen, images in, gradients back."""
    plan, place, world, stop = session.plan, session.place, session.host.world, session.host.stop
    spans = session.host.spans
    network = session.create_network()
    model = world.share(network.module, place.device)           # the same module; gradients averaged over processes
    feed = Feed(session)
    evaluate = Evaluator(session, session.material.valid)
    loss_of = create_loss(plan.loss, session.material.train.labels, len(session.classes), place.device)
    optimiser = create_optimiser(plan.optimiser, network.module, session.learning_rate)
    schedule = Schedule(plan.schedule, feed.steps, plan.epochs)
    scaler = GradScaler(place.device.type, enabled=place.scales_loss)
    average = WeightAverage(network.module, plan.ema)
    meter, guard, progress = Meter(), LossGuard(), Progress()
    parts = {
        "network": network.module, "optimiser": optimiser, "scaler": scaler, "average": average, "meter": meter,
    }  # fmt: skip
    checkpoints = Checkpoints(plan, session.material.dataset.fingerprint, progress, parts, writes=world.leads)
    patience = max(plan.patience, plan.evaluate_every) if plan.patience else 0      # a better one can be seen in it
    if resume and checkpoints.restore(place.device):
        session.emit(Note(progress.way_on(plan.epochs, patience)))
        for entry in progress.history:                                          # listeners hear of all epochs
            session.emit(Epoch(entry["epoch"], plan.epochs, entry["metrics"], entry["seconds"]))
        write_history(session, progress.history)
    if not resume:
        checkpoints.clear()

    while not progress.is_over(plan.epochs, patience):
        began = time.perf_counter()
        report = session.phases.progress(f"epoch {progress.epoch + 1}")
        model.train()
        for step, batches in spans.batches(feed.epoch(progress.epoch, first=progress.step)):
            reseed(place, plan.seed, progress.epoch, step, world.rank)          # dropout is a function of the step
            schedule.apply(optimiser, progress.epoch * feed.steps + step)
            for batch in batches:
                announce(partial(session.material.train_files, batch.positions))
                with place.autocast():
                    with spans.phase(Phase.FORWARD):
                        logits = model(batch.images)                            # (n, classes)
                    with spans.phase(Phase.LOSS):
                        loss = loss_of(logits, batch.targets)
                with spans.phase(Phase.BACKWARD):
                    scaler.scale(loss * batch.weight).backward()
                meter.add(loss, logits, batch.targets.likeliest)
                guard.add(step, loss)
            with spans.phase(Phase.OPTIMIZER):
                if plan.optimiser.clip_norm:
                    scaler.unscale_(optimiser)
                    clip_gradients(network.module.parameters(), plan.optimiser.clip_norm)
                scaler.step(optimiser)
                scaler.update()
                optimiser.zero_grad()
                average.update()
            spans.finish()

            progress.step = step + 1
            report(progress.step, feed.steps)
            save = checkpoints.due and world.is_alone                           # in mid-epoch ranks share no meter
            if save or progress.step % LOOK_STEPS == 0:
                guard.check(progress.epoch)
            if save:
                with spans.outside(Outside.CHECKPOINT):
                    checkpoints.save()
            if stop.after_step and world.is_alone:
                break
        guard.check(progress.epoch)
        if progress.step < feed.steps:
            break

        trained = time.perf_counter()
        scores = {"train": score(world.gather(meter.take()), len(session.classes))}
        is_last = progress.epoch + 1 == plan.epochs or world.any(stop.after_epoch, place.device)
        if is_last or (progress.epoch + 1) % plan.evaluate_every == 0:
            with spans.outside(Outside.EVALUATION):
                valid = evaluate(average.module)
            scores["valid"] = valid.score
            progress.judge(valid, average.module.state_dict(), plan.objective)
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
        if world.any(stop.after_epoch, place.device):
            break

    with checkpoints.ending(session.host):
        return judge_best(session, network, progress)


def judge_best(session: Session, network: Network, progress: Progress) -> TrainingResult:
    """Evaluate the best weights on the splits that did not choose them, and write everything down."""
    plan, stop, material = session.plan, session.host.stop, session.material
    stopped = stop.after_epoch and progress.epoch < plan.epochs
    if progress.best is None:                                                   # stopped before the first epoch's end
        return conclude(session, None, (), best_epoch=0, epochs=0, stopped=stopped)
    network.module.load_state_dict(progress.best.weights)
    evaluations = [progress.best.evaluation or Evaluator(session, material.valid)(network.module)]
    if material.test is not None and not stop.after_step:
        with session.phases("evaluate on test"), session.host.spans.outside(Outside.EVALUATION):
            evaluations.append(Evaluator(session, material.test)(network.module))
    return conclude(
        session,
        None if stop.after_step else network,
        evaluations,
        best_epoch=progress.best.epoch,
        epochs=progress.epoch,
        stopped=stopped,
    )
