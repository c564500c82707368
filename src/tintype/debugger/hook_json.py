"""A hook's configuration as the JSON that SageMaker puts beside a job; `HookConfiguration.from_json` reads it."""

from __future__ import annotations

from typing import Any

from tintype.debugger.collection import BUILT_IN, Collection
from tintype.debugger.configuration import FOR_RULE, PREFIXES, HookConfiguration
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveConfig, SaveWindow
from tintype.errors import InvalidRequest

Json = dict[str, Any]


def hook_json(configuration: HookConfiguration) -> Json:
    """The document of debughookconfig.json, without a place to write to.

    Raises `InvalidRequest` for tensors that are named outright, which the format cannot say.
    """
    hook: Json = {"include_workers": "all" if configuration.all_workers else "one"}
    if configuration.save_all:
        hook["save_all"] = True
    if configuration.include_regex:
        hook["include_regex"] = list(configuration.include_regex)
    if configuration.tensorboard_directory is not None:
        hook |= {"export_tensorboard": True, "tensorboard_dir": configuration.tensorboard_directory}
    return {
        "HookParameters": hook
        | _reductions(configuration.reductions)
        | _windows(configuration.save_config, configuration.chosen),
        "CollectionConfigurations": [_collection(one) for one in configuration.collections],
    }


def _collection(collection: Collection) -> Json:
    if collection.tensor_names:
        raise InvalidRequest(f"collection {collection.name!r} names tensors outright; give an include_regex instead")
    built_in = BUILT_IN[collection.name].include_regex if collection.name in BUILT_IN else ()
    parameters: Json = _reductions(collection.reductions)
    if expressions := [one for one in collection.include_regex if one not in built_in]:
        parameters["include_regex"] = expressions
    if collection.save_config is not None:
        parameters |= _windows(collection.save_config, frozenset(Mode))
    if not collection.save_histogram:
        parameters["save_histogram"] = False
    if collection.for_rule:
        parameters[FOR_RULE] = True
    return {"CollectionName": collection.name, "CollectionParameters": parameters}


def _reductions(reductions: Reductions | None) -> Json:
    if reductions is None:
        return {}
    tokens = ",".join(filter(None, (reductions.tokens(ours=False), reductions.tokens(ours=True))))
    return {"reductions": tokens, "save_raw_tensor": reductions.keep_raw, "save_shape": reductions.keep_shape}


def _windows(config: SaveConfig, modes: frozenset[Mode]) -> Json:
    return {
        prefix + key: value
        for prefix, mode in PREFIXES.items()
        if mode in modes
        for key, value in _window(config.window(mode)).items()
    }


def _window(window: SaveWindow) -> Json:
    return {
        "save_interval": window.interval,
        "save_steps": list(window.steps),
        "start_step": window.start,
        "end_step": window.end,
    }
