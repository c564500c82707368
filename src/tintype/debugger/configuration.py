"""What a hook is told to save, from the JSON that SageMaker puts beside a job or from Python.

    {"LocalPath": "/opt/ml/output/tensors", "S3OutputPath": "s3://…",
     "HookParameters": {"save_interval": "100", "train.save_interval": "10", "reductions": "mean,abs_max", …},
     "CollectionConfigurations": [{"CollectionName": "losses", "CollectionParameters": {"save_interval": "1"}}]}

Every value may be a string, as SageMaker makes them, or what it stands for. Of two that say the same thing, the one
for a mode (`train.`, `eval.`, `predict.`, `global.`) beats the one without, and the collection's beats the hook's —
but for one case: SageMaker adds a collection with `save_interval` 500 for each of its rules, which silently undoes the
interval that the user gave for the whole hook. Here an interval of a collection that is the default anyway does not
undo one that somebody chose; `literal=True` reads the file as smdebug does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tintype.debugger.collection import BUILT_IN, BY_NAME, Collection
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import DEFAULT_INTERVAL, SaveConfig, SaveWindow
from tintype.errors import InvalidRequest, NotFound

DEFAULT_LOCATION = "/opt/ml/output/tensors"

TOP_KEYS = ("LocalPath", "S3OutputPath", "S3Path", "HookParameters", "CollectionConfigurations")
WINDOW_KEYS = ("save_interval", "save_steps", "start_step", "end_step")
FOR_RULE = "for_rule"       # ours: a rule asked for the collection, and no person
COLLECTION_KEYS = ("include_regex", "reductions", "save_raw_tensor", "save_shape", "save_histogram", FOR_RULE)
HOOK_KEYS = (
    "save_all", "include_regex", "include_workers", "reductions", "save_raw_tensor", "save_shape",
    "export_tensorboard", "tensorboard_dir",
)  # fmt: skip
PREFIXES = {"train.": Mode.TRAIN, "eval.": Mode.EVAL, "predict.": Mode.PREDICT, "global.": Mode.GLOBAL}
TRUE, FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}

EVERYWHERE = SaveConfig()

Given = dict[str, Any]      # the window keys that somebody gave
COMMA = re.compile(r",(?![^{\[(]*[}\])])")      # one that is not inside the brackets of an expression


@dataclass(frozen=True)
class HookConfiguration:
    """What to save, where, and of which workers.

    `collections` are the ones asked for, each with its own windows and reductions or with None for the hook's;
    `losses` is always among them. `chosen` names the modes whose windows somebody gave for the whole hook.
    """

    location: str = DEFAULT_LOCATION
    save_all: bool = False
    include_regex: tuple[str, ...] = ()
    all_workers: bool = False
    reductions: Reductions | None = None        # None: whole tensors
    save_config: SaveConfig = EVERYWHERE
    collections: tuple[Collection, ...] = (BUILT_IN["losses"],)
    chosen: frozenset[Mode] = field(default=frozenset())
    tensorboard_directory: str | None = None

    @staticmethod
    def read(path: str | Path, *, literal: bool = False) -> HookConfiguration:
        """The configuration in a JSON file. Raises `NotFound` without a file and `InvalidRequest` for bad content."""
        try:
            document = json.loads(Path(path).read_bytes())
        except FileNotFoundError as error:
            raise NotFound(f"there is no hook configuration {path}") from error
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"the hook configuration {path} is not JSON: {error}") from error
        try:
            return HookConfiguration.from_json(document, literal=literal)
        except InvalidRequest as error:
            raise InvalidRequest(f"the hook configuration {path}: {error}") from error

    @staticmethod
    def from_json(document: Any, *, literal: bool = False) -> HookConfiguration:
        """The configuration that a JSON document of SageMaker stands for; `InvalidRequest` names what is wrong."""
        _allow(_mapping(document, "the document"), TOP_KEYS, "")
        hook = _mapping(document.get("HookParameters") or {}, "HookParameters")
        _allow(hook, (*HOOK_KEYS, *WINDOW_KEYS), "HookParameters")
        windows = _given_by_mode(hook, "HookParameters")
        entries = _list(document.get("CollectionConfigurations") or [], "CollectionConfigurations")
        collections = [_collection(entry, index, windows, literal) for index, entry in enumerate(entries)]
        if not any(one.name == "losses" for one in collections):
            collections.append(BUILT_IN["losses"])
        workers = str(hook.get("include_workers", "one"))
        if workers not in ("one", "all"):
            raise InvalidRequest(f"HookParameters: include_workers must be 'one' or 'all', got {workers!r}")
        tensorboard = hook.get("tensorboard_dir") if _flag(hook, "export_tensorboard", False) else None
        return HookConfiguration(
            location=str(document.get("LocalPath") or DEFAULT_LOCATION),
            save_all=_flag(hook, "save_all", False),
            include_regex=_expressions(hook),
            all_workers=workers == "all",
            reductions=_reductions(hook, "HookParameters"),
            save_config=_save_config(windows),
            collections=tuple(collections),
            chosen=frozenset(mode for mode, given in windows.items() if given),
            tensorboard_directory=None if tensorboard is None else str(tensorboard),
        )

    def attach(self, wanted: Collection) -> HookConfiguration:
        """This configuration, saving for a rule what `wanted` holds, without overriding what the user chose.

        A collection that the user listed keeps its windows, and its reductions if it has any: they gain those that
        the rule wants. A new one is saved at the hook's windows in the modes for which the user gave them, and at its
        own in the others.
        """
        mine = {one.name: one for one in self.collections}
        if wanted.name not in mine or (wanted.name == "losses" and mine["losses"] is BUILT_IN["losses"]):
            base = wanted.save_config or self.save_config
            windows = {m: (self.save_config if m in self.chosen else base).window(m) for m in Mode}
            return self._with(replace(wanted, save_config=SaveConfig.of(windows), for_rule=True))
        user = mine[wanted.name]
        reductions = user.reductions if user.reductions is not None else self.reductions
        if reductions is not None:
            reductions = reductions | (wanted.reductions or Reductions(keep_raw=True))
        expressions = tuple(dict.fromkeys((*user.include_regex, *wanted.include_regex)))
        names = user.tensor_names | wanted.tensor_names
        return self._with(replace(user, include_regex=expressions, tensor_names=names, reductions=reductions))

    def _with(self, collection: Collection) -> HookConfiguration:
        others = tuple(one for one in self.collections if one.name != collection.name)
        return replace(self, collections=(*others, collection))


def _collection(entry: Any, index: int, hook: Mapping[Mode, Given], literal: bool) -> Collection:
    where = f"CollectionConfigurations[{index}]"
    _allow(_mapping(entry, where), ("CollectionName", "CollectionParameters"), where)
    if not (name := str(entry.get("CollectionName") or "")):
        raise InvalidRequest(f"{where}: CollectionName is missing")
    where = f"{where} ({name})"
    parameters = _mapping(entry.get("CollectionParameters") or {}, where)
    _allow(parameters, (*COLLECTION_KEYS, *WINDOW_KEYS), where)
    own = _given_by_mode(parameters, where)
    merged = {mode: _merge(hook[mode], own[mode], literal) for mode in Mode}
    built_in = BUILT_IN.get(name, Collection(name))
    given = _expressions(parameters) or (() if literal else BY_NAME.get(name, ()))
    return Collection(
        name,
        include_regex=(*built_in.include_regex, *given),
        reductions=_reductions(parameters, where),
        save_config=_save_config(merged) if any(own.values()) else None,
        save_histogram=_flag(parameters, "save_histogram", True),
        for_rule=_flag(parameters, FOR_RULE, False),
    )


def _merge(hook: Given, own: Given, literal: bool) -> Given:
    undone = not literal and own.get("save_interval") == DEFAULT_INTERVAL and "save_interval" in hook
    return {**hook, **{key: value for key, value in own.items() if not (undone and key == "save_interval")}}


def _given_by_mode(parameters: Mapping[str, Any], where: str) -> dict[Mode, Given]:
    everywhere = {key: _window_value(parameters[key], key, where) for key in WINDOW_KEYS if key in parameters}
    given = {mode: dict(everywhere) for mode in Mode}
    for prefix, mode in PREFIXES.items():
        for key in WINDOW_KEYS:
            if prefix + key in parameters:
                given[mode][key] = _window_value(parameters[prefix + key], prefix + key, where)
    return given


def _window_value(value: Any, key: str, where: str) -> Any:
    try:
        if key.endswith("save_steps"):
            listed = str(value).split(",") if isinstance(value, str | int) else value
            return tuple(int(step) for step in listed if str(step).strip())
        return None if value is None else int(value)
    except (TypeError, ValueError):
        kind = "a list of whole numbers with commas between" if key.endswith("save_steps") else "a whole number"
        raise InvalidRequest(f"{where}: {key} must be {kind}, got {value!r}") from None


def _save_config(given: Mapping[Mode, Given]) -> SaveConfig:
    return SaveConfig.of(
        {
            mode: SaveWindow(
                interval=DEFAULT_INTERVAL if values.get("save_interval") is None else values["save_interval"],
                start=values.get("start_step") or 0,
                end=values.get("end_step"),
                steps=values.get("save_steps") or (),
            )
            for mode, values in given.items()
        }
    )


def _reductions(parameters: Mapping[str, Any], where: str) -> Reductions | None:
    if "reductions" not in parameters:
        return None
    try:
        return Reductions.parse(
            parameters["reductions"] or "",
            keep_raw=_flag(parameters, "save_raw_tensor", False),
            keep_shape=_flag(parameters, "save_shape", False),
        )
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from error


def _expressions(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    given = parameters.get("include_regex") or ()
    return tuple(one.strip() for one in (COMMA.split(given) if isinstance(given, str) else given) if one.strip())


def _flag(parameters: Mapping[str, Any], key: str, default: bool) -> bool:
    spelt = str(parameters.get(key, default)).strip().lower()
    if spelt not in TRUE | FALSE:
        raise InvalidRequest(f"{key} must be true or false, got {parameters[key]!r}")
    return spelt in TRUE


def _allow(parameters: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    windows = {prefix + key for prefix in PREFIXES for key in WINDOW_KEYS} if "save_interval" in allowed else set()
    for key in parameters:
        if key not in allowed and key not in windows:
            place = f"{where}: " if where else ""
            more = " (these four also with train., eval., predict. or global. before them)" if windows else ""
            raise InvalidRequest(f"{place}there is no key {key!r}; there are {', '.join(allowed)}{more}")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{where} must be a JSON object, got {value!r}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidRequest(f"{where} must be a list, got {value!r}")
    return value
