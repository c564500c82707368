"""`python -m tests.serving.fuzz --count 100000`: mutated pictures against a real server.

Every answer must be 200 or an error of the caller's, and must come in time; no worker may be lost. Decoders that died
are counted and shown; so is the seed, with which the same run can be had again. Exit code 1 when something was wrong.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.serving.mutations import Body, bodies
from tests.serving.running_server import RunningServer, launch
from tests.serving.tiny_archive import write_tiny_archive

ALLOWED = {200, 400, 413, 415}
PATIENCE_SECONDS = 60.0
PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "hymenoptera" / "val"


@dataclass
class Outcome:
    """What came of a run."""

    statuses: Counter[int | str] = field(default_factory=Counter)
    wrong: list[tuple[int | str, Body]] = field(default_factory=list)
    slowest: float = 0.0                # seconds of one answer
    decoder_deaths: dict[str, int] = field(default_factory=dict)
    worker_deaths: int = 0

    @property
    def is_good(self) -> bool:
        """Nothing but allowed answers, and no worker lost."""
        return not self.wrong and not self.worker_deaths


def fuzz(running: RunningServer, wanted: Iterator[Body], callers: int = 4) -> Outcome:
    """Send them all, from several callers at once."""
    outcome, lock = Outcome(), threading.Lock()

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_SECONDS)
        while True:
            with lock:
                body = next(wanted, None)
            if body is None:
                break
            started = time.monotonic()
            status = ask(connection, body)
            with lock:
                outcome.slowest = max(outcome.slowest, time.monotonic() - started)
                outcome.statuses[status] += 1
                if status not in ALLOWED:
                    outcome.wrong.append((status, body))
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for family in text_string_to_metric_families(running.http.get("/metrics").text):
        for sample in family.samples:
            if sample.name == "tintype_process_deaths_total" and sample.labels["kind"] == "decoders":
                outcome.decoder_deaths[sample.labels["why"]] = int(sample.value)
            elif sample.name == "tintype_process_deaths_total":
                outcome.worker_deaths += int(sample.value)
    return outcome


def ask(connection: http.client.HTTPConnection, body: Body) -> int | str:
    """The status of the answer, or what went wrong instead of one."""
    headers = {"Content-Type": body.content_type}
    if body.encoding:
        headers["Content-Encoding"] = body.encoding
    try:
        connection.request("POST", "/invocations", body.content, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (http.client.HTTPException, OSError) as error:
        connection.close()
        return type(error).__name__


def main() -> int:
    """Run, show, keep what was answered wrongly."""
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=int(time.time()))
    options.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = write_tiny_archive(Path(folder, "archive", "model.tar.gz"))
        running = launch(archive, Path(folder), "--max-pixels=4000000")
        try:
            started = time.monotonic()
            found = fuzz(running, counted(bodies(given.count, given.seed, PHOTOGRAPHS)))
            seconds = time.monotonic() - started
        finally:
            running.close()
            log = running.log.read_text()
    print(f"\nseed {given.seed}: {given.count:,} bodies in {seconds:.0f} s; answers {dict(found.statuses)}")
    deaths = f"decoders {found.decoder_deaths}, workers {found.worker_deaths}"
    print(f"slowest answer {found.slowest:.2f} s; processes that died: {deaths}")
    for number, (status, body) in enumerate(found.wrong[:100]):
        given.keep.mkdir(exist_ok=True)
        (given.keep / f"{given.seed}-{number}-{status}").write_bytes(body.content)
    if not found.is_good:
        print(log[-5000:], f"\n{len(found.wrong)} wrong answers; bodies are in {given.keep}", file=sys.stderr)
    return 0 if found.is_good else 1


def counted(wanted: Iterator[Body]) -> Iterator[Body]:
    """The same, showing how far it is."""
    for number, body in zip(itertools.count(1), wanted, strict=False):
        if number % 5000 == 0:
            print(f"{number:,} ", end="", flush=True)
        yield body


if __name__ == "__main__":
    sys.exit(main())
