"""The options that `train` and `tune` share when the training script is a person's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

import typer

from tintype.cli.output_file import output_place
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
    str,
    typer.Option(
        "--output", metavar="URL", help="Copy the artifacts there.", parser=output_place, rich_help_panel=PANEL
    ),
]
RetriesOption = Annotated[
    int, typer.Option(min=0, help="Starts after an interruption, from its checkpoint.", rich_help_panel=PANEL)
]
WarmOption = Annotated[
    bool, typer.Option("--warm/--no-warm", help="Start with torch loaded already.", rich_help_panel=PANEL)
]


@final
@dataclass(frozen=True)
class ScriptOptions:
    """A script of somebody's own, and what it is to be given."""

    entry_point: EntryPointOption = None
    source_dir: SourceDirOption = ""
    channel: ChannelOption = None
    metric: MetricOption = None
    instance_type: InstanceTypeOption = ""
    instance_count: InstanceCountOption = 1
    max_runtime: MaxRuntimeOption = 86400
    env: EnvOption = None
    output: OutputOption = ""
    retries: RetriesOption = 0
    warm: WarmOption = True

    @property
    def resources(self) -> Resources:
        """The machines that were asked for, by SageMaker's names."""
        return Resources(instance_type=self.instance_type, instance_count=self.instance_count)

    def request(self, parameters: Sequence[str]) -> ScriptRequest:
        """The script as it is asked for. Raises `InvalidRequest` for a hyperparameter that is none."""
        return ScriptRequest(
            entry_point=self.entry_point or "",
            source_dir=self.source_dir,
            channels=tuple(self.channel or ()),
            hyperparameters=hyperparameters_of(parameters),
            metrics=tuple(self.metric or ()),
            environment=tuple(self.env or ()),
            resources=self.resources,
            output=self.output,
            max_runtime_seconds=self.max_runtime,
            retries=self.retries,
            warm=self.warm,
        )


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


def channels_read(script: str) -> tuple[str, ...]:
    """The channels whose folders a script looks up by their variables; none when it cannot be read."""
    try:
        text = Path(script).read_text(errors="replace")
    except OSError:
        return ()
    return tuple(dict.fromkeys(name.lower() for name in CHANNEL_VARIABLE.findall(text)))
