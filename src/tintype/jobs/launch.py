"""From a job's record to a process that can be started, and from an ended process to its archives.

`prepare` makes one host's folder as SageMaker's platform and training toolkit would, and says what to run; `conclude`
packs what the job left. Both may be called again for another attempt at the same job. Neither starts the script.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.errors import InvalidRequest, NotFound
from tintype.jobs import distribution, environment, hyperparameters
from tintype.jobs.channels import check_channel, fetch_copies, is_elsewhere, place_channel, remove_unfinished
from tintype.jobs.configuration_files import here, write_configuration
from tintype.jobs.directory import JobDirectory, host_name
from tintype.jobs.instances import Machine, share
from tintype.jobs.job import Job
from tintype.jobs.packing import Packed, pack, publish
from tintype.jobs.provided import base_constraints
from tintype.jobs.requirements import python_for
from tintype.jobs.shared_inputs import folder_of
from tintype.jobs.source import EntryKind, Program, check_source, place_source
from tintype.jobs.specification import JobSpec
from tintype.storage import storage_errors, write_bytes

SCRIPT, MODULE = "script", "module"
HOSTS = Path("/etc/hosts")

Report = Callable[[str], None]


@final
@dataclass(frozen=True)
class Surroundings:
    """Where and with what a job is prepared: what the process that looks after it knows, and the job does not."""

    machine: Machine
    inherited: Mapping[str, str]            # the environment that the script inherits
    environments: Path                      # where those of requirements.txt are kept, for all jobs
    report: Report                          # lines for the job's log
    home: Path | None = None                # below which the trials of a tuning job share what they fetch


@final
@dataclass(frozen=True)
class Launch:
    """What to start for one host of a job."""

    arguments: tuple[str, ...]              # of the process, the program first
    environment: Mapping[str, str]          # all of it
    working_directory: Path
    forkable: bool                          # `arguments` are our own interpreter's; a fork may stand in for it
    opt_ml: Path                            # what the process should see as /opt/ml, see opt_ml.enter ...
    hosts_file: Path                        # ... and as /etc/hosts, where algo-1, algo-2, ... are this machine


@final
@dataclass(frozen=True)
class Conclusion:
    """What became of a job's output."""

    model: Packed | None                    # None: `model/` was empty, or packed already
    output: Packed | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be packed, for the log."""
        return tuple(note for packed in (self.model, self.output) if packed for note in packed.notes)


def check(spec: JobSpec, machine: Machine) -> None:
    """All that can be known to be wrong before a job is accepted.

    Raises `InvalidRequest`, `NotFound`, `BadData`, `Unsupported`, naming the field.
    """
    if spec.source.kind not in (SCRIPT, MODULE):
        raise InvalidRequest(f"a job's source is a script or a module, not {spec.source.kind!r}")
    share(spec.resources, machine)
    hyperparameters.check(spec.hyperparameters)
    for channel in spec.channels:
        check_channel(channel)
    if len({channel.name for channel in spec.channels}) < len(spec.channels):
        raise InvalidRequest("two channels have the same name; give each its own")
    if spec.source.kind == SCRIPT:
        check_source(spec.source.entry_point, spec.source.source_dir)


def prepare(
    job: Job,
    directory: JobDirectory,
    around: Surroundings,
    host_index: int = 0,
    gpus: tuple[int, ...] | None = None,
) -> Launch:
    """Make everything that the script of one host finds, and return what to start. The first host goes first.

    `gpus` are the numbers of the GPUs that are this host's. Raises what `check` raises, `BadArchive`, and
    `StorageFailed`; the message is the job's failure reason.
    """
    spec = _spec_of(job)
    granted = share(spec.resources, around.machine)
    host = environment.Host(host_index, directory.host(host_index), granted, gpus)
    directory.lay_out(spec.resources.instance_count)
    program = _program(spec, directory)
    if host_index == 0:
        for note in (*spec.notes, *granted.notes, *distribution.notes(spec.hyperparameters)):
            around.report(note)
        _place_inputs(job.parent, spec, directory, around)
    _forget_last_attempt(spec, host.directory)
    write_configuration(spec, host.directory, host_index)
    entry_point = program.entry_point if program else spec.source.entry_point
    variables = environment.complete(job.name, spec, host, entry_point, _inherited(spec, around))
    for_pip = {**around.inherited, **spec.environment, "PYTHONPATH": variables["PYTHONPATH"]}
    python = _python(program, directory, around, for_pip)
    arguments = _arguments(spec, program, host.directory.code, python)
    return Launch(
        arguments=_distributed(arguments, spec, program, host_index, variables),
        environment={**variables, "PATH": f"{python.parent}:{variables.get('PATH', os.defpath)}"},
        working_directory=host.directory.code,
        forkable=python == Path(sys.executable) and (program is None or program.kind is not EntryKind.COMMAND),
        opt_ml=host.directory.root,
        hosts_file=_write_hosts(spec, host.directory),
    )


def conclude(job: Job, directory: JobDirectory) -> Conclusion:
    """Pack the model and the output data of all hosts, and copy them to the job's output URL where it has one.

    Our own trainer has made its model.tar.gz itself, sealed; that one stays. Raises `StorageFailed`.
    """
    spec = _spec_of(job)
    hosts = [directory.host(index) for index in range(spec.resources.instance_count)]
    is_made = spec.source.kind == MODULE and directory.archive.is_file()
    concluded = Conclusion(
        None if is_made else pack([host.model for host in hosts], directory.archive),
        pack([host.data for host in hosts], directory.output_archive),
    )
    if spec.output:
        publish(_artifacts(job.name, directory, spec.published), spec.output)
    return concluded


def checkpoint_folder(spec: JobSpec, directory: JobDirectory) -> Path:
    """Where the script keeps its checkpoints."""
    return Path(here(spec.checkpoint.local_path, directory))


def let_go_of_inputs(job: Job, directory: JobDirectory) -> None:
    """Remove a trial's copies of what was fetched, when it has ended for good: those of many would fill the disk."""
    for channel in _spec_of(job).channels if job.parent else ():
        if is_elsewhere(channel):
            shutil.rmtree(directory.channels / channel.name, ignore_errors=True)


def _spec_of(job: Job) -> JobSpec:
    if job.spec is None:
        raise InvalidRequest(f"job {job.name!r} has no specification; it was made by an earlier version")
    return job.spec


def _place_inputs(parent: str, spec: JobSpec, directory: JobDirectory, around: Surroundings) -> None:
    shared = folder_of(around.home, parent) if around.home is not None and parent else None
    remove_unfinished(directory.channels)
    for channel in spec.channels:
        place_channel(channel, directory.channels, around.report, shared)
    _fetch_checkpoints(spec, directory, around.report)


def _fetch_checkpoints(spec: JobSpec, directory: JobDirectory, report: Report) -> None:
    """What an earlier job, or this one on another machine, has left at the checkpoint URL."""
    local = checkpoint_folder(spec, directory)
    with storage_errors(local):
        local.mkdir(parents=True, exist_ok=True)
        empty = not any(local.iterdir())
    if not spec.checkpoint.url or not empty:
        return
    try:
        with storage_errors(local):
            local.rmdir()
        fetch_copies(spec.checkpoint.url, local, report)
    except NotFound:
        report(f"there are no checkpoints at {spec.checkpoint.url} yet")
        local.mkdir(exist_ok=True)


def _forget_last_attempt(spec: JobSpec, host: JobDirectory) -> None:
    """A restarted script finds its checkpoints and nothing else, as on a new instance."""
    with storage_errors(host.root):
        host.failure.unlink(missing_ok=True)
        host.result.unlink(missing_ok=True)
        if spec.source.kind == SCRIPT:
            for entry in (*host.model.iterdir(), *host.data.iterdir()):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _program(spec: JobSpec, directory: JobDirectory) -> Program | None:
    if spec.source.kind != SCRIPT:
        return None
    return place_source(spec.source.entry_point, spec.source.source_dir, directory.code)


def _python(
    program: Program | None, directory: JobDirectory, around: Surroundings, for_pip: Mapping[str, str]
) -> Path:
    if program is None or program.kind is EntryKind.COMMAND:
        return Path(sys.executable)     # as in the container, a command installs what it needs itself
    return python_for(
        directory.code, around.environments, around.report, for_pip,
        is_package=program.kind is EntryKind.PACKAGE,
    )  # fmt: skip


def _inherited(spec: JobSpec, around: Surroundings) -> dict[str, str]:
    guard = {"PIP_CONSTRAINT": str(base_constraints(around.environments))} if spec.source.kind == SCRIPT else {}
    return {**guard, **around.inherited}


def _arguments(spec: JobSpec, program: Program | None, code: Path, python: Path) -> tuple[str, ...]:
    given, own = hyperparameters.arguments(spec.hyperparameters), spec.source.arguments
    if program is None:
        # Our trainer takes its plan first; what looks like an option's value must not be taken for it.
        return (str(python), "-m", spec.source.entry_point, *own, *given)
    match program.kind:
        case EntryKind.SCRIPT:
            return (str(python), program.entry_point, *given, *own)
        case EntryKind.PACKAGE:
            return (str(python), "-m", program.module, *given, *own)
        case EntryKind.COMMAND:
            path = code / program.entry_point
            path.chmod(path.stat().st_mode | 0o111)
            with path.open("rb") as stream:
                shell = () if stream.read(2) in (b"#!", b"\x7fE") else ("/bin/sh",)
            return (*shell, f"./{program.entry_point}", *given, *own)


def _distributed(
    arguments: tuple[str, ...], spec: JobSpec, program: Program | None, host_index: int, variables: Mapping[str, str]
) -> tuple[str, ...]:
    """With torchrun between Python and its script, where the job asks for that."""
    is_python = program is not None and program.kind is not EntryKind.COMMAND
    if not is_python or not distribution.is_by_torchrun(spec.hyperparameters):
        return arguments
    processes = max(1, int(variables["SM_NUM_GPUS"]))
    launcher = distribution.torchrun(spec.resources.instance_count, host_index, processes, variables)
    return (arguments[0], *launcher, *arguments[1:])


def _write_hosts(spec: JobSpec, host: JobDirectory) -> Path:
    path = host.config.parent / "hosts"
    known = HOSTS.read_bytes() if HOSTS.is_file() else b"127.0.0.1 localhost\n"
    names = " ".join(host_name(index) for index in range(spec.resources.instance_count))
    write_bytes(path, known.rstrip(b"\n") + f"\n127.0.0.1 {names}\n".encode(), durable=False)
    return path


def _artifacts(name: str, directory: JobDirectory, parts: Sequence[str]) -> list[tuple[Path, str]]:
    """What goes to the output URL, and the keys that SageMaker would give it."""
    archives = (directory.archive, directory.output_archive) if "output" in parts else ()
    found = [(path, f"{name}/output/{path.name}") for path in archives if path.is_file()]
    for folder in (directory.debug_output, directory.profiler_output, directory.rule_output):
        if folder.name in parts:
            found += [(path, f"{name}/{path.relative_to(directory.root).as_posix()}") for path in _files(folder)]
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
