"""One attempt at a job, from taking it to recording how it ended, by a process that does nothing else.

Forked from the fork server (see zygote.py), or started as `python -m tintype.jobs.supervisor ASSIGNMENT`. It holds the
job's lease; when another has taken that, it ends what it started and goes without a word. Everything of the job is
below this process and ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, final

from tintype.errors import Conflict, NotFound, StorageFailed, TintypeError
from tintype.jobs import launch, memory, processes
from tintype.jobs.agent_log import murmur
from tintype.jobs.assignment import Assignment
from tintype.jobs.checkpoint_mirror import CheckpointMirror
from tintype.jobs.crew import Crew
from tintype.jobs.directory import JobDirectory
from tintype.jobs.event_loop import EventLoop
from tintype.jobs.failure import Ending, failure_reason, out_of_memory_kills, was_out_of_memory
from tintype.jobs.host_process import HostProcess
from tintype.jobs.instances import Machine
from tintype.jobs.job import Job, JobSpec, Phase, Status
from tintype.jobs.launch import Launch, Surroundings
from tintype.jobs.log import JobLog
from tintype.jobs.metric_scraper import MetricScraper
from tintype.jobs.store import JobStore
from tintype.jobs.tenure import Tenure
from tintype.jobs.trainer import Order
from tintype.jobs.verdict import Cause, Verdict, verdict
from tintype.records import Records
from tintype.settings import Settings
from tintype.storage import read_json, write_bytes

ENVIRONMENTS = "environments"       # below the home: those that requirements.txt asked for


@final
class Supervisor:
    """Looks after one job that it has taken; `run` returns when that is over."""

    def __init__(
        self,
        assignment: Assignment,
        tenure: Tenure,
        loop: EventLoop,
        hosts: Sequence[HostProcess],
        around: Surroundings,
    ) -> None:
        assert tenure.job.spec is not None  # noqa: S101 - only such jobs are submitted to the engine
        self._assignment = assignment
        self._tenure = tenure
        self._loop = loop
        self._spec: JobSpec = tenure.job.spec
        self._directory = JobDirectory(Path(tenure.job.directory))
        self._mark = processes.mark_of(Path(assignment.home), tenure.job.name, tenure.job.attempt)
        self._log = JobLog(self._directory.log)
        self._around = replace(around, report=self._say)
        self._scraper = MetricScraper(self._spec.metric_definitions)
        self._notes: list[str] = []
        self._crew = Crew(hosts, loop, self._notes.append)
        self._mirror = self._mirror_of_checkpoints()
        self._cause: Cause | None = None
        self._reason = ""                               # of a cause that is a failure
        self._kills_before = out_of_memory_kills()

    def run(self) -> None:
        """Prepare, train, pack, record. Raises `LeaseLost` when another has taken the job; nothing is left running."""
        processes.mark_self(self._mark)
        self._loop.on_signals({signal.SIGTERM: self._look, signal.SIGCHLD: self._crew.reap})
        self._loop.set_alarm("heartbeat", self._assignment.pace.heartbeat, self._beat)
        try:
            launches = self._slowly(self._prepare, given_up=lambda: self._cause is not None)
            if launches is not None:
                self._train(launches)
            decided = self._decide()
            if launches is not None and decided.status in (Status.COMPLETED, Status.STOPPED):
                self._tenure.enter(Phase.UPLOADING, time.time())
                self._slowly(self._conclude, given_up=lambda: False)
                decided = self._decide()
            elif launches is not None:
                self._slowly(self._save_checkpoints, given_up=lambda: False)
        finally:
            processes.kill_descendants()
        self._finish(decided)

    def _prepare(self) -> list[Launch]:
        hosts, gpus = len(self._crew.hosts), self._assignment.gpus
        return [
            launch.prepare(self._tenure.job, self._directory, self._around, index, gpus[index::hosts])
            for index in range(hosts)
        ]

    def _train(self, launches: Sequence[Launch]) -> None:
        for index, (host, one) in enumerate(zip(self._crew.hosts, launches, strict=True)):
            self._loop.watch(host.output, lambda host=host: self._hear(host))
            host.start(self._order(one), JobLog(self._directory.log_of(index)))
        self._tenure.enter(Phase.TRAINING, time.time())
        if self._mirror is not None:
            self._mirror.start()
        self._loop.set_alarm("max runtime", self._seconds_left(), lambda: self._end_early(Cause.MAX_RUNTIME))
        if self._spec.resources.memory_bytes:
            self._check_memory()
        for companion in self._spec.companions:
            log = self._directory.log.with_name(f"{companion.name}.log")
            environment = {**launches[0].environment, processes.MARK: self._mark}
            self._crew.start_companion(companion, environment, self._directory.root, log)
        self._loop.run_until(lambda: not self._crew.is_training)
        self._loop.cancel("max runtime")
        self._loop.cancel("memory")
        self._crew.end_leftovers()
        for host in self._crew.hosts:
            self._hear_out(host)
        if self._spec.debugger is not None and self._decide().status is Status.COMPLETED:
            self._end_tensors()                                 # before the rules are told: it has ended well
        self._crew.end_companions()

    def _conclude(self) -> None:
        self._notes += launch.conclude(self._tenure.job, self._directory).notes

        if self._mirror is not None:
            self._mirror.finish()

    def _save_checkpoints(self) -> None:
        """Of a job that has failed: for its reason it does not matter when that fails too."""
        try:
            if self._mirror is not None:
                self._mirror.finish()
        except StorageFailed as error:
            self._notes.append(str(error))

    def _mirror_of_checkpoints(self) -> CheckpointMirror | None:
        checkpoint, seconds = self._spec.checkpoint, self._assignment.pace.mirror
        if not checkpoint.url:
            return None
        folder = launch.checkpoint_folder(self._spec, self._directory)
        return CheckpointMirror(folder, self._directory.root, checkpoint.url, seconds, self._say)

    def _decide(self) -> Verdict:
        retry = self._tenure.job.attempt <= self._spec.retries and not self._is_out_of_memory()
        return verdict(self._crew.exit_codes, self._crew.first_failed, self._cause, may_restart=retry)

    def _finish(self, decided: Verdict) -> None:
        why, host = self._why(decided), self._crew.hosts[decided.failed_host or 0]
        if decided.status is not None:
            launch.let_go_of_inputs(self._tenure.job, self._directory)
            if self._spec.debugger is not None:
                self._end_tensors()
        ended = decided.status is Status.COMPLETED              # what failed has a better reason to tell
        warnings = (*(self._scraper.unseen if ended else ()), *self._notes)
        for text in (*(f"warning: {one}" for one in warnings), f"{decided.status or Phase.RESTARTING}: {why}"):
            self._say(text.removesuffix(": "))
        facts: dict[str, Any] = {
            "exit_code": host.exit_code if host.was_started else None,
            "warnings": warnings,
            "result": self._result(),
        }

        def end(job: Job) -> Job:
            now = time.time()
            if decided.status is None and job.status is Status.IN_PROGRESS:
                return job.entered(Phase.INTERRUPTED, at=now, message=why).entered(Phase.RESTARTING, at=now)
            status = decided.status or Status.STOPPED           # a stop came just before it was to be started again
            return replace(job, **facts).moved(status, at=now, reason=why, phase=decided.phase)

        self._tenure.finish(end)

    # what happens meanwhile

    def _beat(self) -> None:
        self._loop.set_alarm("heartbeat", self._assignment.pace.heartbeat, self._beat)
        self._look()

    def _look(self) -> None:
        self._tenure.beat()
        if self._tenure.job.status is Status.STOPPING:
            self._end_early(Cause.STOP)

    def _check_memory(self) -> None:
        self._loop.set_alarm("memory", memory.LOOK_SECONDS, self._check_memory)
        claimed = self._spec.resources.memory_bytes * len(self._crew.hosts)
        taken = memory.taken_by(self._crew.processes(), claimed)
        if reason := memory.reason_to_end(claimed, taken, *memory.memory_left()):
            self._end_early(Cause.MEMORY, reason)
            self._crew.kill()                                   # there is no time for a grace

    def _hear(self, host: HostProcess) -> None:
        now = time.time()
        try:
            self._tenure.measure(self._scraper.scrape(host.read(now), now))
        except StorageFailed as error:
            host.log = None                                     # its program must not wait for a reader
            self._end_early(Cause.ENGINE, str(error))
        if host.has_closed:
            self._loop.forget(host.output)

    def _hear_out(self, host: HostProcess) -> None:
        while not host.has_closed:
            self._hear(host)
        now = time.time()
        self._tenure.measure(self._scraper.scrape(host.close(now), now))

    def _end_tensors(self) -> None:
        """As SageMaker's platform does at the end of any job: whoever reads the tensors waits for it."""
        try:
            write_bytes(self._directory.tensors_end, b"", durable=False)
        except StorageFailed as error:
            self._notes.append(str(error))

    def _say(self, text: str) -> None:
        try:
            self._log.say(text, time.time())
        except StorageFailed as error:
            murmur(f"{self._tenure.job.name}: {error}")

    def _end_early(self, cause: Cause, reason: str = "") -> None:
        if self._cause is None or cause is Cause.ENGINE:
            self._cause, self._reason = cause, reason
            self._crew.terminate(self._assignment.pace.grace)

    def _slowly(self, work: Callable[[], Any], given_up: Callable[[], bool]) -> Any:
        """Do something that may take long, on a thread. None when it failed or was given up."""
        errand = self._loop.run_errand(work, given_up)
        if errand.error is not None:
            ours = isinstance(errand.error, TintypeError)
            reason = str(errand.error) if ours else f"the engine failed: {errand.error!r}; this is a bug of Tintype"
            if not ours:
                murmur("".join(traceback.format_exception(errand.error)))
            self._end_early(Cause.ENGINE, reason)
        return errand.result

    # facts

    def _order(self, one: Launch) -> Order:
        return Order(
            one.arguments,
            one.environment,
            str(one.working_directory),
            one.forkable and self._spec.warm,
            str(one.opt_ml),
            str(one.hosts_file),
            self._mark,
        )

    def _seconds_left(self) -> float:
        past = [one for one in self._tenure.job.transitions if one.phase is Phase.TRAINING]
        return max(0.0, self._spec.max_runtime_seconds - sum(max(0.0, one.ended_at - one.started_at) for one in past))

    def _is_out_of_memory(self) -> bool:
        failed = self._crew.first_failed
        code = 0 if failed is None else self._crew.exit_codes[failed]
        return was_out_of_memory(code, self._crew.was_killed, self._kills_before, out_of_memory_kills())

    def _why(self, decided: Verdict) -> str:
        if decided.failed_host is None:
            return self._reason
        host = self._crew.hosts[decided.failed_host]
        ending = Ending(host.exit_code or 0, tuple(host.tail), self._is_out_of_memory(), host.answer())
        return failure_reason(ending, self._directory.host(decided.failed_host).failure)

    def _result(self) -> dict[str, Any]:
        try:
            return read_json(self._directory.result)
        except NotFound:
            return {}
        except StorageFailed as error:
            self._say(f"warning: {error}")
            return {}


def supervise(assignment: Assignment, store: JobStore, environment: Mapping[str, str]) -> NoReturn:
    """Be the supervisor of a job: a process of its own, with one thread, that does nothing else ever after."""
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)       # not as the fork server has it
        processes.adopt_orphans()
        processes.show_as(assignment.name)
        # Forked before anything is opened or started here, as the programs begin in them.
        hosts = [HostProcess(os.getpid()) for _ in range(assignment.hosts)]
        loop = EventLoop(time.monotonic)
        around = Surroundings(
            machine=Machine.here(),
            inherited=environment,
            environments=Path(assignment.home) / ENVIRONMENTS,
            report=lambda _: None,
            home=Path(assignment.home),
        )
        tenure = Tenure.begin(store, assignment, loop, time.time())
        Supervisor(assignment, tenure, loop, hosts, around).run()
    except (Conflict, NotFound):
        pass                                                # another has it, or there is nothing to be done
    except BaseException:
        murmur(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def main() -> NoReturn:
    """The process of a job whose program is not to be forked, started by the agent."""
    assignment = Assignment.from_json(json.loads(sys.argv[1]))
    settings = Settings.from_environment(os.environ, Path(assignment.home))
    store = JobStore(Records.open(settings.records_url))
    store.disconnect()
    supervise(assignment, store, dict(os.environ))


if __name__ == "__main__":
    main()
