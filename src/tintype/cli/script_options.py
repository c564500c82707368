"""The options that `train` and `tune` share when the training script is a person's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from tintype.errors import InvalidRequest
from tintype.jobs.job import Resources
from tintype.pipeline.script_jobs import ScriptRequest, hyperparameters_of

PANEL = "Your own training script"
SCRIPTS = (".py", ".sh")
CHANNEL_VARIABLE = re.compile(r"SM_CHANNEL_([A-Z0-9_-]+)")

EntryPointOption = Annotated[
    str | None,
    typer.Option("--entry-point", metavar="SCRIPT", help="Run this script, as SageMaker would.", rich_help_panel=PANEL),
]
SourceDirOption = Annotated[
    str, typer.Option(metavar="DIR", help="The folder, archive or URL that it is in.", rich_help_panel=PANEL)
]
ChannelOption = Annotated[
    list[str] | None,
    typer.Option("--channel", metavar="NAME=PATH", help="Input data, $SM_CHANNEL_NAME.", rich_help_panel=PANEL),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME=REGEX", help="A metric to read from the log.", rich_help_panel=PANEL),
]
InstanceTypeOption = Annotated[
    str, typer.Option(metavar="TYPE", help="SageMaker's name for what it needs.", rich_help_panel=PANEL)
]
InstanceCountOption = Annotated[int, typer.Option(min=1, help="Processes, as on so many hosts.", rich_help_panel=PANEL)]
MaxRuntimeOption = Annotated[float, typer.Option(min=1, help="Seconds until it is stopped.", rich_help_panel=PANEL)]
EnvOption = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="An environment variable.", rich_help_panel=PANEL),
]
OutputOption = Annotated[
    str, typer.Option("--output", metavar="URL", help="Copy the artifacts there.", rich_help_panel=PANEL)
]
RetriesOption = Annotated[
    int, typer.Option(min=0, help="Starts after an interruption, from its checkpoint.", rich_help_panel=PANEL)
]
WarmOption = Annotated[
    bool, typer.Option("--warm/--no-warm", help="Start with torch loaded already.", rich_help_panel=PANEL)
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it has ended.", rich_help_panel=PANEL)]


def data_or_script(data: str | None, entry_point: str | None) -> tuple[str | None, str | None]:
    """What was given of both. DATA that is a script is meant as one: no data set is called `hpo.py`.

    Raises `InvalidRequest` for both at once, with the channels that the script asks for.
    """
    if data is not None and entry_point is None and data.endswith(SCRIPTS):
        return None, data
    if data is not None and entry_point is not None:
        wanted = "".join(f"; {entry_point} reads --channel {name}=PATH" for name in channels_read(entry_point))
        raise InvalidRequest(
            f"DATA is for the built-in trainer; a script gets its data by --channel NAME=PATH{wanted}"
        )
    return data, entry_point


# What one of the two ways to train has no use for -> its value when it is not given.
OF_TRAINER = {"model": "auto", "weights": None, "freeze": None, "epochs": None, "image_size": None, "strict": False}
OF_SCRIPT = {
    "source_dir": "", "channel": None, "metric": None, "env": None, "output": "", "retries": 0,
    "instance_type": "", "instance_count": 1, "max_runtime": 86400,
}  # fmt: skip


def refuse_trainers(**given: object) -> None:
    """`InvalidRequest` for an option of the built-in trainer beside a script, which would never hear of it."""
    for name, value in given.items():
        if value != OF_TRAINER[name]:
            why = "is for the built-in trainer; a script gets what it needs by -p NAME=VALUE, such as -p epochs=3"
            raise InvalidRequest(f"{_option(name, value)} {why}")


def refuse_scripts(**given: object) -> None:
    """`InvalidRequest` for an option of scripts where the built-in trainer trains."""
    for name, value in given.items():
        if value != OF_SCRIPT[name]:
            raise InvalidRequest(f"{_option(name, value)} is for a script of your own, given by --entry-point")


def _option(name: str, value: object) -> str:
    return f"--{'no-' if value is False else ''}{name.replace('_', '-')}"


def channels_read(script: str) -> tuple[str, ...]:
    """The channels whose folders a script looks up by their variables; none when it cannot be read."""
    try:
        text = Path(script).read_text(errors="replace")
    except OSError:
        return ()
    return tuple(dict.fromkeys(name.lower() for name in CHANNEL_VARIABLE.findall(text)))


def script_request(
    entry_point: str,
    *,
    source_dir: str,
    channels: list[str] | None,
    parameters: list[str] | None,
    metrics: list[str] | None,
    instance_type: str,
    instance_count: int,
    max_runtime: float,
    environment: list[str] | None,
    output: str,
    retries: int,
    warm: bool,
) -> ScriptRequest:
    """The options as a request. Raises `InvalidRequest` for a hyperparameter that is none."""
    return ScriptRequest(
        entry_point=entry_point,
        source_dir=source_dir,
        channels=tuple(channels or ()),
        hyperparameters=hyperparameters_of(parameters or ()),
        metrics=tuple(metrics or ()),
        environment=tuple(environment or ()),
        resources=Resources(instance_type=instance_type, instance_count=instance_count),
        output=output,
        max_runtime_seconds=max_runtime,
        retries=retries,
        warm=warm,
    )
