"""What a worker does that is no job: small questions that need torch, asked by processes that do not load it.

    {"errand": "find-weights", "network": "resnet18", "settings": {...}}   ->   {"pretrained": true, "source": "..."}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tintype.errors import not_found
from tintype.models import weights
from tintype.settings import Settings

Answer = dict[str, Any]


def find_weights(request: Mapping[str, Any]) -> Answer:
    """Whether pretrained weights of a network can be had. `NotFound` lists every path that was tried."""
    settings = Settings.model_validate(request["settings"])
    found = weights.resolve(request["network"], None, settings=settings)
    return {"pretrained": found.path is not None, "source": found.source}


def run_errand(request: Mapping[str, Any]) -> Answer:
    """Do what is asked and return the answer. `NotFound` for an errand that nobody knows."""
    name = request["errand"]
    if name not in ERRANDS:
        raise not_found("errand", str(name), ERRANDS)
    return ERRANDS[name](request)


ERRANDS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {"find-weights": find_weights}
