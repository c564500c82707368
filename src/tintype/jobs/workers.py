"""Warm processes that run one job after another, so that a job pays for no imports.

A worker is a child that reads one JSON object per line on its standard input and prints one per line on its standard
output. To it:   a plan (any object), or {"stop": name}; end of file means exit.
From it:         {"event": "ready"}, then the events of the running job, the last of which is
                 {"event": "end", "job": name, "status": "Completed" | "Failed" | "Stopped", "reason": text}.
What it prints on its standard error belongs to the running job's log. A worker that dies fails only the job that it
was running, and is replaced at the next start. When this process dies, the workers see the end of file and exit.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, cast, final

from tintype.errors import Busy, InvalidRequest

Json = dict[str, Any]
Event = tuple[str, Json]        # (job name, event)

EXIT_SECONDS = 5.0
TAIL_LINES = 20
CHUNK_BYTES = 1 << 16


@final
class Lines:
    """The lines of a pipe, as far as they have arrived."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.ended = False
        self._rest = b""
        os.set_blocking(stream.fileno(), False)

    def read(self) -> Iterator[str]:
        """The whole lines that are there now; at the end of the pipe also what is left of one."""
        while not self.ended:
            try:
                chunk = os.read(self.stream.fileno(), CHUNK_BYTES)
            except BlockingIOError:
                return
            self.ended = not chunk
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            if self.ended and self._rest:
                whole.append(self._rest)
            yield from (line.decode(errors="replace").rstrip() for line in whole)


@final
class Worker:
    """One child process. `job` is what it runs now, "" when idle."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None, events: queue.Queue[Event]
    ) -> None:
        self.job = ""
        self._events = events
        self._ended = False
        self._assignment = threading.Lock()         # either the job is given to the worker, or its end was seen
        self._errors: deque[str] = deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            start_new_session=True,         # Ctrl-C in the terminal reaches us, and we stop the job in good order
        )
        self._stdin, stdout, stderr = (
            cast(IO[bytes], stream) for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._reader = threading.Thread(target=self._read, args=(Lines(stdout), Lines(stderr)), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """The child has not exited."""
        return self._process.poll() is None and not self._ended

    def assign(self, job: str, plan: Json) -> bool:
        """Give the child a job; False when it has died. From True on, an end event of the job is certain."""
        with self._assignment:
            if self._ended:
                return False
            self.job = job
        self.send(plan)
        return True

    def send(self, message: Json) -> None:
        """Write one line to the child. A dead child is noticed by its reader, not here."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()

    def close(self) -> None:
        """End of file, then SIGTERM, then SIGKILL."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        for step in (None, self._process.terminate, self._process.kill):
            if step is not None:
                step()
            try:
                self._process.wait(EXIT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        self._reader.join(EXIT_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, output: Lines, errors: Lines) -> None:
        with selectors.DefaultSelector() as selector:
            for lines in (output, errors):
                selector.register(lines.stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = {key.fileobj for key, _ in selector.select()}
                # What was written to the standard error before an event is read before it, so none of it is lost.
                events = list(output.read()) if output.stream in ready else []
                for line in errors.read():
                    self._log_error(line)
                for line in events:
                    self._take(line)
                for lines in (output, errors):
                    if lines.ended and lines.stream in selector.get_map():
                        selector.unregister(lines.stream)
        with self._assignment:
            self._ended = True
            job, self.job = self.job, ""
        if job:
            reason = exit_reason(self._process.wait(), self._errors)
            self._events.put((job, {"event": "end", "job": job, "status": "Failed", "reason": reason}))

    def _log_error(self, line: str) -> None:
        self._errors.append(line)
        if self.job:
            self._events.put((self.job, {"event": "log", "line": line}))

    def _take(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            event = {"event": "log", "line": line}
        job = self.job
        if event["event"] == "end":
            self.job = ""           # idle before anybody can see the event
        if job:
            self._events.put((job, event))


@final
class WorkerPool:
    """Up to `size` workers of one command. One thread uses it; close it when done (it is a context manager)."""

    def __init__(self, command: Sequence[str], size: int, environment: Mapping[str, str] | None = None) -> None:
        if size < 1:
            raise InvalidRequest(f"a pool needs at least one worker, got {size}")
        self.size = size
        self._command = tuple(command)
        self._environment = environment
        self._events: queue.Queue[Event] = queue.Queue()
        self._workers: list[Worker] = []

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def warm(self, count: int | None = None) -> None:
        """Start workers now, so that they load while we do something else."""
        self._bury_the_dead()
        while len(self._workers) < (self.size if count is None else min(count, self.size)):
            self._workers.append(Worker(self._command, self._environment, self._events))

    def start(self, job: str, plan: Json) -> None:
        """Give a job to an idle worker, started if need be. `Busy` when all are at work."""
        while not self._idle().assign(job, plan):
            pass

    def stop(self, job: str) -> None:
        """Ask the worker that runs `job` to end it at the next opportunity."""
        for worker in self._workers:
            if worker.job == job:
                worker.send({"stop": job})

    def events(self, timeout_seconds: float) -> Iterator[Event]:
        """What happened since the last call; waits up to `timeout_seconds` for the first of it."""
        try:
            yield self._events.get(timeout=timeout_seconds)
            while True:
                yield self._events.get_nowait()
        except queue.Empty:
            return

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that are alive."""
        return tuple(worker.pid for worker in self._workers if worker.is_alive)

    def close(self) -> None:
        """End all workers; a job that still runs is cut off without an event."""
        for worker in self._workers:
            worker.job = ""
        for worker in self._workers:
            worker.close()
        self._workers = []

    def _bury_the_dead(self) -> None:
        for worker in self._workers:
            if not worker.is_alive:
                worker.close()
        self._workers = [worker for worker in self._workers if worker.is_alive]

    def _idle(self) -> Worker:
        self._bury_the_dead()
        for worker in self._workers:
            if not worker.job:
                return worker
        if len(self._workers) >= self.size:
            raise Busy(f"all {self.size} workers are at work; wait for one to end")
        self.warm(len(self._workers) + 1)
        return self._workers[-1]


def exit_reason(code: int, errors: Sequence[str]) -> str:
    """One line that says how a process ended, from its exit code and the last lines of its standard error."""
    last = next((line for line in reversed(list(errors)) if line.strip()), "")
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; perhaps the machine ran out of memory" if name == "SIGKILL" else ""
        return f"the training process was killed by {name}{hint}" + (f": {last}" if last else "")
    return f"the training process exited with code {code}" + (f": {last}" if last else "")
