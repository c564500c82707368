"""Small questions that need torch, asked by processes that do not load it: `python -m tintype.training.errands`.

    {"errand": "find-weights", "network": "resnet18", "settings": {...}}   ->   {"pretrained": true, "source": "..."}
    {"errand": "know-network", "network": "resnet18.a1_in1k"}              ->   {}

One JSON object on the standard input, one on the standard output: {"answer": {...}}, or {"error": ..., "reason": ...}
with the name of a class in `tintype.errors`. Whatever else is printed goes to the standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tintype.errors import TintypeError, not_found
from tintype.models import networks, weights
from tintype.settings import Settings
from tintype.training.__main__ import private_output

Answer = dict[str, Any]


def find_weights(request: Mapping[str, Any]) -> Answer:
    """Whether pretrained weights of a network can be had. `NotFound` lists every path that was tried."""
    settings = Settings.model_validate(request["settings"])
    found = weights.resolve(request["network"], None, settings=settings)
    return {"pretrained": found.path is not None, "source": found.source}


def know_network(request: Mapping[str, Any]) -> Answer:
    """Nothing. `NotFound`, with the names that are near, when there is no such network."""
    networks.refuse_unknown(request["network"])
    return {}


def run_errand(request: Mapping[str, Any]) -> Answer:
    """Do what is asked and return the answer. `NotFound` for an errand that nobody knows."""
    name = request["errand"]
    if name not in ERRANDS:
        raise not_found("errand", str(name), ERRANDS)
    return ERRANDS[name](request)


ERRANDS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "find-weights": find_weights,
    "know-network": know_network,
}


def main() -> None:
    """Answer the question on the standard input."""
    output = private_output()
    try:
        document: Answer = {"answer": run_errand(json.load(sys.stdin))}
    except TintypeError as error:
        document = {"error": type(error).__name__, "reason": str(error)}
    output.write(json.dumps(document))
    output.flush()


if __name__ == "__main__":
    main()
