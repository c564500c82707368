"""Where the files of a job are: SageMaker's `/opt/ml`, below the job's own directory.

    <directory>/
      code/                     the user's script, in script mode
      input/config/             hyperparameters.json, resourceconfig.json, inputdataconfig.json, plan.json, ...
      input/data/<channel>/
      model/                    what becomes model.tar.gz
      output/data/              what becomes output.tar.gz: measurements, evaluations, predictions
      output/failure            the reason, when it failed
      output/result.json        what the trainer said at its end
      output/{tensors, profiler}    links to debug-output and profiler-output, which is where smdebug looks
      checkpoints/
      debug-output/  profiler-output/  rule-output/     what the debugger, the profiler and the rules wrote
      logs/training.log         all that it said, one timestamped line each; algo-2.log for the second host
      hosts/algo-2/             the second host's own input/config, model, output, ...; code and data are links
      model.tar.gz  output.tar.gz

On S3 these are `<output>/<job>/output/{model,output}.tar.gz`, and the three -output folders `<output>/<job>/...`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tintype.storage import storage_errors, write_json


def host_name(index: int) -> str:
    """SageMaker's name of a job's host: `algo-1` is the first (index 0)."""
    return f"algo-{index + 1}"


@final
@dataclass(frozen=True)
class JobDirectory:
    """The paths of one job, or of one of its hosts. Nothing is made before `prepare` or `lay_out`."""

    root: Path

    @property
    def code(self) -> Path:
        """The user's script and what came with it: the working directory of script mode."""
        return self.root / "code"

    @property
    def config(self) -> Path:
        """The files that say what the job is."""
        return self.root / "input" / "config"

    @property
    def plan(self) -> Path:
        """What the command is told."""
        return self.config / "plan.json"

    @property
    def hyperparameters(self) -> Path:
        """SageMaker's flat {name: string} file."""
        return self.config / "hyperparameters.json"

    @property
    def channels(self) -> Path:
        """A folder for each input channel."""
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        """What the script leaves here is the model."""
        return self.root / "model"

    @property
    def archive(self) -> Path:
        """The packed model."""
        return self.root / "model.tar.gz"

    @property
    def output(self) -> Path:
        """SageMaker's output directory."""
        return self.root / "output"

    @property
    def data(self) -> Path:
        """Measurements, evaluations and predictions."""
        return self.output / "data"

    @property
    def output_archive(self) -> Path:
        """The packed output data."""
        return self.root / "output.tar.gz"

    @property
    def failure(self) -> Path:
        """The reason of a failure, as the command wrote it."""
        return self.output / "failure"

    @property
    def result(self) -> Path:
        """What the trainer said at its end, as JSON."""
        return self.output / "result.json"

    @property
    def checkpoints(self) -> Path:
        """What a restarted attempt goes on from."""
        return self.root / "checkpoints"

    @property
    def debug_output(self) -> Path:
        """The tensors that the debugger's hook saved."""
        return self.root / "debug-output"

    @property
    def tensors_end(self) -> Path:
        """Empty, and there when no more tensors will come; smdebug's readers wait for it."""
        return self.debug_output / "training_job_end.ts"

    @property
    def profiler_output(self) -> Path:
        """System metrics and framework spans."""
        return self.root / "profiler-output"

    @property
    def rule_output(self) -> Path:
        """What each rule found."""
        return self.root / "rule-output"

    @property
    def log(self) -> Path:
        """All lines that the job said, with their times."""
        return self.log_of(0)

    def log_of(self, host_index: int) -> Path:
        """The log of one host."""
        return self.root / "logs" / ("training.log" if host_index == 0 else f"{host_name(host_index)}.log")

    def host(self, index: int) -> JobDirectory:
        """The directory that one host of the job sees as its `/opt/ml`; the first host's is the job's own."""
        return self if index == 0 else JobDirectory(self.root / "hosts" / host_name(index))

    def prepare(self, plan: Mapping[str, Any], hyperparameters: Mapping[str, Any]) -> None:
        """Make the directories and write the two input files. Raises `StorageFailed`."""
        with storage_errors(self.root):
            for directory in (self.config, self.data, self.log.parent):
                directory.mkdir(parents=True, exist_ok=True)
        # Not durable: after a power cut the record is what counts, and it holds the plan too.
        write_json(self.plan, plan, durable=False)
        write_json(self.hyperparameters, {name: str(value) for name, value in hyperparameters.items()}, durable=False)

    def lay_out(self, hosts: int = 1) -> None:
        """Make the whole layout for as many hosts; what is there stays. Raises `StorageFailed`."""
        with storage_errors(self.root):
            for name in ("logs", *_SHARED_FOLDERS):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            for index in range(hosts):
                host = self.host(index)
                for name in _OWN_FOLDERS:
                    (host.root / name).mkdir(parents=True, exist_ok=True)
                # Links within the folder that the host sees are relative, as it may see it as /opt/ml.
                _link(host.output / "tensors", "../debug-output")
                _link(host.output / "profiler", "../profiler-output")
                for name in _SHARED_FOLDERS if index > 0 else ():
                    _link(host.root / name, str(self.root / name))

    @property
    def events(self) -> Path:
        """What the built-in trainer tells programs, one JSON object a line."""
        return self.root / "logs" / "events.jsonl"

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines of the log, oldest first; nothing when there is none."""
        try:
            with self.log.open(errors="replace") as stream:
                return tuple(line.rstrip("\n") for line in deque(stream, maxlen=lines))
        except FileNotFoundError:
            return ()


_OWN_FOLDERS = (
    "input/config", "model", "output/data", "output/intermediate", "debug-output", "profiler-output", "rule-output",
)  # fmt: skip
_SHARED_FOLDERS = ("code", "input/data", "checkpoints")


def _link(path: Path, target: str) -> None:
    if not path.is_symlink() and not path.exists():
        path.symlink_to(target)
