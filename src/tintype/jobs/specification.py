"""What a training job is asked to do: everything a person states, nothing that happens afterwards.

All of it is plain values that go to JSON and back, so a job can be shown, repeated and sent elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, final

Json = dict[str, Any]

DAY_SECONDS = 86_400.0
PARTS = ("output", "debug-output", "profiler-output", "rule-output")
CHECKPOINTS = "/opt/ml/checkpoints"


@final
@dataclass(frozen=True)
class Source:
    """The program: a script below `source_dir`, or an installed module (`python -m entry_point`)."""

    kind: str                                   # "script" or "module"
    entry_point: str
    source_dir: str = ""                        # a folder, a .tar.gz or an fsspec URL; "": where the script lies
    arguments: tuple[str, ...] = ()             # after the hyperparameters, to the letter


@final
@dataclass(frozen=True)
class Channel:
    """Input data under a name, e.g. "train"."""

    name: str
    location: str                               # a path, or any fsspec URL (file://, s3://, ...)
    mode: str = "File"                          # or "FastFile"
    content_type: str = ""


@final
@dataclass(frozen=True)
class Resources:
    """What one host of the job needs; `instance_count` hosts are run."""

    instance_type: str = ""                     # SageMaker's name, e.g. "ml.m5.large"; "": as the numbers say
    instance_count: int = 1
    cores: int = 0                              # 0: all of the machine
    memory_bytes: int = 0                       # 0: no claim
    gpus: int | None = None                     # None: as the instance type says, else all of the machine


@final
@dataclass(frozen=True)
class MetricDefinition:
    """A metric read from the log: the regex's group "value", else its first; the step from its group "step"."""

    name: str
    regex: str


@final
@dataclass(frozen=True)
class Checkpoint:
    """Where the program keeps its checkpoints, and the URL that they are copied to ("": nowhere)."""

    local_path: str = CHECKPOINTS
    url: str = ""


@final
@dataclass(frozen=True)
class Companion:
    """A process beside the training, e.g. the system sampler: started after it, given grace when it has ended."""

    name: str
    command: tuple[str, ...]
    grace_seconds: float = 60.0
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0                           # how often it is started again when it fails during the training


@final
@dataclass(frozen=True)
class JobSpec:
    """One training job as it was asked for."""

    source: Source
    hyperparameters: Mapping[str, str] = field(default_factory=dict)    # SageMaker's wire strings, to the letter
    channels: tuple[Channel, ...] = ()
    output: str = ""                            # an fsspec URL that the artifacts are copied to; "": nowhere
    published: tuple[str, ...] = PARTS          # which of them
    resources: Resources = Resources()
    environment: Mapping[str, str] = field(default_factory=dict)
    metric_definitions: tuple[MetricDefinition, ...] = ()
    max_runtime_seconds: float = DAY_SECONDS
    checkpoint: Checkpoint = Checkpoint()
    retries: int = 0                            # how often it may be started again after an interruption
    tags: Mapping[str, str] = field(default_factory=dict)
    debugger: Json | None = None                # what debughookconfig.json holds
    profiler: Json | None = None                # what profilerconfig.json holds
    rules: tuple[Json, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)      # further files of input/config, e.g. plan.json
    companions: tuple[Companion, ...] = ()
    warm: bool = True                           # forked from a process that has torch loaded, where possible
    notes: tuple[str, ...] = ()                 # lines that its log begins with: what of the request is done otherwise

    def to_json(self) -> Json:
        """The document of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> JobSpec:
        """The inverse of `to_json`."""
        given = dict(document)
        source, companions = given.pop("source"), given.pop("companions")
        parts = {
            "source": Source(**{**source, "arguments": tuple(source["arguments"])}),
            "channels": tuple(Channel(**one) for one in given.pop("channels")),
            "resources": Resources(**given.pop("resources")),
            "metric_definitions": tuple(MetricDefinition(**one) for one in given.pop("metric_definitions")),
            "checkpoint": Checkpoint(**given.pop("checkpoint")),
            "rules": tuple(given.pop("rules")),
            "published": tuple(given.pop("published", PARTS)),
            "notes": tuple(given.pop("notes", ())),
            "companions": tuple(Companion(**{**one, "command": tuple(one["command"])}) for one in companions),
        }
        return cls(**parts, **given)
