"""Hyperparameters between the wire, Python, and a script's command line.

On the wire (and in `hyperparameters.json`) every value is a string, and the SageMaker SDK makes it with `json.dumps`:
32 is `32`, the text 32 is `"32"` with its quotes, True is `true`. The container decodes each as JSON where it can and
keeps the string where it cannot, then writes `--name value` for the script. A categorical `"32"` thus arrives as 32.
Source: sagemaker-training 5.1 (`environment.read_hyperparameters`, `mapping.to_cmd_args`, `mapping.to_env_vars`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tintype.errors import InvalidRequest

# What the platform tells the container by way of hyperparameters: never given to the script as arguments.
FRAMEWORK_PREFIX = "sagemaker_"
FRAMEWORK_NAMES = frozenset({"_tuning_objective_metric", "default_user_module_name"})

# Those of them that the container itself uses up; the others are listed in SM_FRAMEWORK_PARAMS.
PLATFORM_NAMES = frozenset({
    "sagemaker_program", "sagemaker_submit_directory", "sagemaker_enable_cloudwatch_metrics", "sagemaker_region",
    "sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_s3_output",
}) | FRAMEWORK_NAMES  # fmt: skip


def encode(value: Any) -> str:
    """A Python value as its wire string, as the SageMaker SDK makes it: texts get quotes, None is `null`."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"a hyperparameter must be a number, a text, a list or a dict; got {value!r}") from error


def decode(wire: str) -> Any:
    """The Python value of a wire string; a string that is no JSON is itself."""
    try:
        return json.loads(wire)
    except (ValueError, RecursionError):        # as lr=1e-3x, and as a line of ten thousand brackets
        return wire


def is_framework(name: str) -> bool:
    """The script is not told of this one."""
    return name.startswith(FRAMEWORK_PREFIX) or name in FRAMEWORK_NAMES


def script_values(wire: Mapping[str, str]) -> dict[str, Any]:
    """What the script is given, decoded: `SM_HPS`."""
    return {name: decode(value) for name, value in wire.items() if not is_framework(name)}


def framework_values(wire: Mapping[str, str]) -> dict[str, Any]:
    """What is held back from the script and is not the container's own: `SM_FRAMEWORK_PARAMS`."""
    return {name: decode(wire[name]) for name in wire if is_framework(name) and name not in PLATFORM_NAMES}


def arguments(wire: Mapping[str, str]) -> tuple[str, ...]:
    """The command line: `--name value` in the order of the names, `-n value` for names of one letter.

    Raises `InvalidRequest` for what no process can be given: a NUL, half of a surrogate pair, an empty name.
    """
    values = script_values(wire)
    found: list[str] = []
    for name in sorted(values):
        found += [f"--{name}" if len(name) > 1 else f"-{name}", _as_argument(values[name])]
    check(wire)
    return tuple(found)


def environment(wire: Mapping[str, str]) -> dict[str, str]:
    """`SM_HP_<NAME>` of each: the name in capitals, hyphens kept."""
    check(wire)
    return {f"SM_HP_{name.upper()}": as_variable(value) for name, value in script_values(wire).items()}


def as_variable(value: Any) -> str:
    """A value as the toolkit puts it into the environment: texts as they are, anything else as compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def check(wire: Mapping[str, str]) -> None:
    """`InvalidRequest` naming the first hyperparameter that cannot reach a process at all."""
    for name, value in wire.items():
        if not name or "=" in name:
            raise InvalidRequest(f"a hyperparameter has no name, or one with '=': {name!r}; rename it")
        if not isinstance(value, str):
            raise InvalidRequest(f"the hyperparameter {name!r} must be a string on the wire, got {value!r}")
        shown = _as_argument(decode(value)) if not is_framework(name) else value
        for text in (name, shown):
            if "\0" in text:
                raise InvalidRequest(f"the hyperparameter {name!r} holds a NUL character, which no command line can")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequest(f"the hyperparameter {name!r} is no valid Unicode text: {text!r}") from error


def _as_argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{name}={value[name]}" for name in sorted(value))
    return str(value)
