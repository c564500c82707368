"""What every training job needs before its first step: images, labels, a place to compute, weights.

Both ways of training start from a `Session`: the loop in `trainer`, and the head on cached features in `frozen`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

import timm
import torch

from tintype.models import networks, weights
from tintype.models.networks import Network
from tintype.models.weights import Weights
from tintype.profiler.step_spans import NoWriter, Sink, StepSpans
from tintype.storage import file_sha256
from tintype.training import depthwise
from tintype.training.device import Place, choose_place, settle
from tintype.training.distributed import ALONE, World
from tintype.training.events import Event, Note, Warning
from tintype.training.image_size import SMALL_CNN
from tintype.training.material import Colours, Material, open_material
from tintype.training.narration import frozen_at_random
from tintype.training.optimisers import learning_rate
from tintype.training.phases import Emit, Phases
from tintype.training.plan import TrainingPlan
from tintype.training.remembered import Remembered
from tintype.training.stop import Stop

PUBLISHED_SIZE = 224            # pixels; any network of the zoo can be built for it


@final
@dataclass(frozen=True)
class Host:
    """What surrounds a job in its process: other ranks, a request to stop, and who is told what the loop does."""

    world: World = ALONE
    stop: Stop = field(default_factory=Stop)
    spans: StepSpans[Sink] = field(default_factory=lambda: StepSpans(NoWriter()))


@final
@dataclass(frozen=True, eq=False)
class Session:
    """One job, ready to begin. `emit` is silent on all ranks but the first."""

    plan: TrainingPlan
    host: Host
    emit: Emit
    phases: Phases
    place: Place
    material: Material
    weights: Weights

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is a position here."""
        return self.material.dataset.classes

    @property
    def learning_rate(self) -> float:
        """The highest learning rate of the job."""
        return learning_rate(self.plan, pretrained=self.weights.path is not None)

    def create_network(self) -> Network:
        """A new network on the session's device, frozen as asked; what weights do not say is random by the seed."""
        chosen = self.plan.network
        torch.manual_seed(self.plan.seed)
        size = self.material.preprocessing.size
        network = networks.create(chosen.name, len(self.classes), image_size=size, drop_rate=chosen.drop_rate)
        weights.load(network, self.weights)
        networks.freeze(network, chosen.freeze)
        network.module.to(self.place.device).to(memory_format=self.place.memory_format)
        if self.place.device.type == "cpu" and self.place.half is torch.bfloat16:
            depthwise.quicken(network.module)
        return network


def open_session(plan: TrainingPlan, emit: Emit, host: Host) -> Session:
    """Everything up to the first step. Raises `BadData`, `NotFound` or `InvalidRequest` with what to do."""
    speak = emit if host.world.leads else _silent
    phases = Phases(speak)
    place = choose_place(plan.compute, local_rank=host.world.local_rank)
    settle(place, deterministic=plan.compute.deterministic)
    speak(Note(f"computing on {place}"))
    facts = Remembered(plan.remembered)
    chosen = weights.resolve(
        plan.network.name, plan.network.weights, settings=plan.settings, digest=lambda path: _digest(facts, path)
    )
    if chosen.path is None:
        chosen = replace(chosen, source=_random(plan.network.name))
    speak(Note(f"{plan.network.name} starts from {chosen.source}"))
    if chosen.path is None and plan.network.freeze != "none":
        speak(Warning(frozen_at_random(plan.network.name)))
    material = open_material(plan, _colours(plan, chosen, facts), plan.network.name != SMALL_CNN, phases, speak)
    return Session(plan, host, speak, phases, place, material, chosen)


def _random(network: str) -> str:
    """Why the weights are random. The plan does not know whether a person or a recipe has said "none"."""
    return f"random weights ({'nobody publishes any of it' if network == SMALL_CNN else 'weights=none'})"


def _digest(facts: Remembered, path: Path) -> str:
    """The hash of a file that has not changed since it was read whole is known: each trial would read 45 MB again."""
    status = path.stat()
    times = [status.st_mtime_ns, status.st_ctime_ns]        # the second cannot be set back by who copies a file
    key = {"path": str(path.absolute()), "inode": status.st_ino, "bytes": status.st_size, "times": times}
    return facts.take("hashes", key, lambda: file_sha256(path))


def _colours(plan: TrainingPlan, chosen: Weights, facts: Remembered) -> Colours | None:
    if chosen.path is None:
        return None
    if (known := chosen.preprocessing) is not None:
        return known.mean, known.std
    # A file that says nothing of itself: what the network's published weights had. To learn it, it must be built.
    name = plan.network.name
    mean, std = facts.take("published colours", {"network": name, "timm": timm.__version__}, lambda: _published(name))
    return tuple(mean), tuple(std)


def _published(name: str) -> Colours:
    defaults = networks.create(name, 1, image_size=PUBLISHED_SIZE).preprocessing_defaults
    return defaults.mean, defaults.std


def _silent(event: Event) -> None:
    """Ranks that do not lead say nothing."""
