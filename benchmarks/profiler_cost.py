"""What profiling costs: the sampler, the spans of a step, and the reports of an hour and of a day.

    python benchmarks/profiler_cost.py [--day]

Figures are processor time of one process, so that a busy machine changes them little.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tintype.profiler.phases import Phase, StepMode
from tintype.profiler.span_files import StepSpan
from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_spans import StepSpans
from tintype.profiler.system_metrics import CPU_UTILIZATION, IO_WAIT, MEMORY_USED, PROCESS_MEMORY, Kind, Series
from tintype.profiler.system_writer import SystemMetricsWriter

START = 1_795_260_600.0
SAMPLING_SECONDS = 20
PHASES = (Phase.DATA_WAIT, Phase.HOST_TO_DEVICE, Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.OPTIMIZER)


def sampler_cost(root: Path) -> tuple[float, float]:
    """(per cent of a core, MB) of the sampler at 500 ms, without its start."""
    watched = subprocess.Popen(["sleep", "600"])
    command = [sys.executable, "-m", "tintype.profiler", "--directory", str(root), "--pid", str(watched.pid)]
    sampler = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(4)
        before = _ticks(sampler.pid)
        time.sleep(SAMPLING_SECONDS)
        used = (_ticks(sampler.pid) - before) / os.sysconf("SC_CLK_TCK")
        status = Path(f"/proc/{sampler.pid}/status").read_text()
    finally:
        watched.kill()
        watched.wait()
        sampler.wait()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return 100 * used / SAMPLING_SECONDS, int(resident.split()[1]) / 1024


def step_cost(root: Path, steps: int = 20_000) -> tuple[float, float]:
    """Microseconds for each step with six phases: (in the training's thread, in all, the writer's thread too)."""
    writer = SpanWriter(root, "0-algo-1", time.time, time.perf_counter_ns)
    spans = StepSpans(writer)
    begun, all_begun = time.thread_time(), time.process_time()
    for number in range(steps):
        for phase in PHASES:
            with spans.phase(phase):
                pass
        spans.finish()
        if number % 1000 == 999:
            time.sleep(0.2)                 # as a training does something in between
    own = time.thread_time() - begun
    writer.close()
    return 1e6 * own / steps, 1e6 * (time.process_time() - all_begun) / steps


def capture_cost(steps: int = 3000) -> float:
    """Microseconds that capture without a change of the script adds to a step, in the thread that trains."""
    import torch
    from torch import nn

    from tintype.profiler.torch_spans import TorchSpans

    torch.set_num_threads(1)
    network, loss_of = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    data = torch.utils.data.TensorDataset(torch.randn(steps, 8), torch.zeros(steps, dtype=torch.long))

    def epoch() -> float:
        begun = time.thread_time()
        for images, labels in torch.utils.data.DataLoader(data, batch_size=1):
            loss_of(network(images), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
        return time.thread_time() - begun

    epoch()
    plain = min(epoch() for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        writer = SpanWriter(Path(folder), "0-algo-1", time.time, time.perf_counter_ns)
        watch = TorchSpans(StepSpans(writer), threading.get_ident)
        watched = min(epoch() for _ in range(3))
        watch.remove()
        writer.close()
    return 1e6 * (watched - plain) / steps


def write_job(root: Path, samples: int, steps: int) -> None:
    """A profile of so many samples of 20 numbers and steps of six phases."""
    writer = SystemMetricsWriter(root)
    dimensions = (CPU_UTILIZATION, IO_WAIT)
    series = [Series(Kind.CPU, f"cpu{core}", what, "algo-1") for core in range(8) for what in dimensions]
    series += [Series(Kind.MEMORY, MEMORY_USED, "", "algo-1"), Series(Kind.MEMORY, "job", PROCESS_MEMORY, "algo-1"),
               Series(Kind.IO, "IOPS", "", "algo-1"), Series(Kind.GPU, "gpu0", "GPUUtilization", "algo-1")]  # fmt: skip
    for n in range(samples):
        writer.write(START + n / 2, {one: (n * 7 + place * 13) % 100 + 0.25 for place, one in enumerate(series)})
    writer.end()
    now = 0
    spans = SpanWriter(root, "0-algo-1", lambda: START, lambda: now, threaded=False)
    length = int(samples / 2 / max(1, steps) * 1e9)
    for number in range(steps):
        now = number * length
        part = length // 8
        phases = tuple((phase, now + place * part, part) for place, phase in enumerate(PHASES))
        spans.add(StepSpan(StepMode.TRAIN, number, now, now + length - part, phases))
        if number % 10_000 == 9_999:
            spans.flush()
            spans._rotate()                 # as a minute would have passed
    spans.end()


def report_cost(root: Path) -> tuple[float, float, float]:
    """(seconds of processor, GB at its peak, MB of the page) for judging a profile and writing its report."""
    command = [sys.executable, "-m", "tintype.reports.profiling", "--profile", str(root), "--output", str(root / "out")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    page = root / "out" / "profiler-output" / "profiler-report.html"
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_maxrss / 1e6, page.stat().st_size / 1e6


def _ticks(process_id: int) -> int:
    words = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--day", action="store_true", help="also the report of a day: 170,000 samples, 500,000 steps")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        core, memory = sampler_cost(root / "sampler")
        print(f"sampler at 500 ms: {core:.2f} % of a core, {memory:.0f} MB")
        own, whole = step_cost(root / "steps")
        print(f"a step with six phases: {own:.1f} us in the training's thread, {whole:.1f} us with the writer's")
        sizes = {"an hour": (7200, 20_000)} | ({"a day": (170_000, 500_000)} if given.day else {})
        for name, (samples, steps) in sizes.items():
            job = root / name.replace(" ", "-")
            write_job(job, samples, steps)
            seconds, gigabytes, megabytes = report_cost(job)
            print(f"report of {name}: {seconds:.1f} s, {gigabytes:.2f} GB, page of {megabytes:.2f} MB")
        # The last, as a process that was forked from one with torch loaded counts as large as that.
        print(f"capture without a change of the script: {capture_cost():.0f} us a step")


if __name__ == "__main__":
    main()
