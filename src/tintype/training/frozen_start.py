"""What all trials of a frozen backbone that differ only in how they train begin with: its features and its head.

Where a trial before has been here, neither needs the backbone: the features are on the disk, and so is the head as it
was drawn. To build ResNet-18 takes 0.26 s, which is more than it takes to train its head.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from tintype.models import networks
from tintype.training.features import Features, compute_features, find_features, weights_key
from tintype.training.remembered import Remembered
from tintype.training.session import Session

HEADS = "heads"             # what is remembered

@final
@dataclass(frozen=True, eq=False)
class Start:
    """How a trial begins."""

    features: Features
    head: nn.Module         # (n, dim) -> (n, classes), before the first step; copied, never changed
    head_name: str          # in the network's module, e.g. "fc"


def open_start(session: Session) -> Start:
    """The start of a session's job; raises as `features.compute_features` does."""
    known = Remembered(session.plan.remembered).find(HEADS, _head_key(session))
    if known is not None and known["linear"] is not None:
        features = find_features(session, known["network"], known["dim"])
        if features is not None:
            return Start(features, _linear(known["linear"]), known["name"])
    return _with_network(session)


def _with_network(session: Session) -> Start:
    network = session.create_network()
    module = networks.head(network.module)
    name = next(name for name, one in network.module.named_modules() if one is module)
    head = copy.deepcopy(module).cpu()
    described = {
        "network": network.name,
        "dim": network.feature_dim,
        "name": name,
        # A head of several layers is built with its network again.
        "linear": _described(head) if type(head) is nn.Linear else None,
    }
    Remembered(session.plan.remembered).keep(HEADS, _head_key(session), described)
    found = find_features(session, network.name, network.feature_dim)
    return Start(found or compute_features(session, network), head, name)


def _described(head: nn.Linear) -> dict[str, Any]:
    # A float32 is the same after it was written as a decimal number and read again.
    return {"weight": head.weight.tolist(), "bias": None if head.bias is None else head.bias.tolist()}


def _linear(described: dict[str, Any]) -> nn.Linear:
    weight = torch.tensor(described["weight"])
    head = nn.Linear(weight.shape[1], weight.shape[0], bias=described["bias"] is not None)
    with torch.no_grad():
        head.weight.copy_(weight)
        if described["bias"] is not None:
            head.bias.copy_(torch.tensor(described["bias"]))
    return head


def _head_key(session: Session) -> dict[str, Any]:
    plan = session.plan
    return {
        "network": [plan.network.name, plan.network.drop_rate, session.material.preprocessing.size],
        "classes": len(session.classes),
        "seed": plan.seed,
        "weights": weights_key(session),
        "torch": torch.__version__,
    }
