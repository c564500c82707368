"""What the job engine itself costs: work per trivial job, time to the script's first line, and keeping a loud log.

    python -m benchmarks engine [--jobs 50] [--megabytes 200]

Work is processor time of the agent, the fork server, the supervisors and the trainers (what the kernel counts for
processes that have ended, by way of their parents), less what the script itself uses. The loud script writes 50 MB/s;
its slowdown is against the same script with its output to a file.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.measuring import table
from tintype.jobs.client import Engine
from tintype.jobs.job import JobSpec, MetricDefinition, Resources, Source
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.settings import Settings

TRIVIAL = """
import time
print("at", time.time())
print("loss: 0.5")
print("cpu", time.process_time())
"""
LOUD = """
import sys, time
line = b"epoch 3 step %07d loss 0.123456 accuracy 0.98765 and so on, as scripts do, for a line of a usual length\\n"
chunk = b"".join(line % n for n in range(5_000))
count = int(float(sys.argv[1]) * 1e6 / len(chunk))
began = time.monotonic()
for number in range(count):
    ahead = began + number * len(chunk) / 50e6 - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
    sys.stdout.buffer.write(chunk)
sys.stdout.buffer.flush()
sys.stderr.write("seconds %f\\n" % (time.monotonic() - began))
"""
WAIT_SECONDS = 300.0


@contextmanager
def engine_in(home: Path) -> Iterator[tuple[Engine, JobStore]]:
    """A new engine that has torch loaded."""
    settings = Settings(home=home)
    records = Records.open(settings.records_url)
    try:
        store = JobStore(records)
        with Engine(settings, store) as engine:
            yield engine, store
    finally:
        records.close()


def run(engine: Engine, store: JobStore, name: str, script: Path, *arguments: str) -> dict[str, float]:
    """Run a script to its end; what it said, as name -> number, and "submitted": when."""
    source = Source("script", str(script), arguments=arguments)
    metrics = (MetricDefinition("loss", r"loss: ([0-9.]+)"),)
    submitted = time.time()
    engine.submit(JobSpec(source, metric_definitions=metrics, resources=Resources(cores=1)), name)
    job = engine.wait(name, timeout=WAIT_SECONDS)
    if job.exit_code != 0:
        raise RuntimeError(f"{name} failed: {job.failure_reason}")
    log = (Path(job.directory) / "logs" / "training.log").read_text().splitlines()
    said = [line.split()[1:] for line in (*log[:10], *log[-10:])]
    told = {words[0]: float(words[1]) for words in said if words[0] in ("at", "cpu", "seconds")}
    return {**told, "submitted": submitted}


def spent(home: Path) -> dict[str, float]:
    """Seconds of work so far, by part of the engine."""
    found: dict[str, float] = {}
    for process in psutil.process_iter(["name", "cmdline"]):
        if str(home) in (process.info["cmdline"] or ()) and process.info["name"] in ("tintype-agent", "tintype-zygote"):
            times = process.cpu_times()
            found[process.info["name"].removeprefix("tintype-")] = times.user + times.system
            if process.info["name"] == "tintype-zygote":
                found["supervisor and trainer"] = times.children_user + times.children_system
    return found


def trivial_jobs(home: Path, count: int) -> None:
    """Work and latency of jobs that do nothing."""
    script = home.parent / "trivial.py"
    script.write_text(TRIVIAL)
    with engine_in(home) as (engine, store):
        run(engine, store, "warm-up", script)
        time.sleep(0.5)
        before = spent(home)
        said = [run(engine, store, f"job-{number}", script) for number in range(count)]
        time.sleep(0.5)
        after = spent(home)
    parts = {name: 1000 * (after[name] - before[name]) / count for name in before}
    latencies = sorted(one["at"] - one["submitted"] for one in said)
    rows = [(name, f"{milliseconds:.1f} ms") for name, milliseconds in parts.items()]
    rows.append(("all, per job", f"{sum(parts.values()):.1f} ms"))
    rows.append(("from submit to the first line, median", f"{statistics.median(latencies):.3f} s"))
    rows.append(("from submit to the first line, slowest", f"{latencies[-1]:.3f} s"))
    table("Work of the engine", ("part", f"each of {count} trivial jobs"), rows)


def loud_job(home: Path, megabytes: float) -> None:
    """How much slower a script is that writes 50 MB/s when its log is kept, stamped and searched for a metric."""
    script = home.parent / "loud.py"
    script.write_text(LOUD)
    with (home.parent / "plain.log").open("wb") as output:
        alone = subprocess.run(
            [sys.executable, str(script), str(megabytes)], stdout=output, stderr=subprocess.PIPE, check=True
        )
    plain = float(alone.stderr.split()[-1])
    with engine_in(home) as (engine, store):
        kept = run(engine, store, "loud", script, str(megabytes))["seconds"]
    rows = [
        ("into a file", f"{plain:.2f} s", f"{megabytes / plain:.0f} MB/s"),
        ("into the job's log", f"{kept:.2f} s", f"{megabytes / kept:.0f} MB/s"),
        ("slower by", f"{kept / plain - 1:.1%}", ""),
    ]
    table(f"A log of {megabytes:g} MB", ("", "time", "rate"), rows)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--megabytes", type=float, default=200)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        trivial_jobs(Path(scratch) / "trivial", asked.jobs)
    with tempfile.TemporaryDirectory() as scratch:
        loud_job(Path(scratch) / "loud", asked.megabytes)
