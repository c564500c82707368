"""Photographs in, JSON out: our server beside LitServe, Ray Serve and BentoML, and beside the bare network.

    python -m benchmarks serving [--networks resnet18 resnet50] [--runs 3] [--seconds 8] [--clients 8]
        [--parts throughput latency start soak overload update]
        [--sides int8 fp32 litserve litserve-batch litserve-tuned ray bentoml]
        [--soak-minutes 1] [--server-options "--workers=2"]

All on the cores of this machine, which wrk shares. Networks have random weights: what is measured is time, and in which
numbers a network may run is then for us to say (`--runtime int8`). Photographs are hymenoptera's.

- throughput: `--clients` connections that each send the next request when an answer is there. Sides take turns; each
  figure is the median over the runs. "CPU" is the processor time of a side's whole process tree per answer: on a
  machine that is not quiet, the fairer figure. The bare rate is one process with a thread per core, each of which
  decodes a photograph, runs the network on it with one thread, and does the next: the network in floats, in integers
  from normalised floats, as ONNX Runtime's quantiser makes them, and in integers as our archive has them, from pixels.
- latency, all in turn and again, `--runs` times, so that a restless minute is one of several: the bare network, one
  client, and 70 % of the rate measured before at even moments, as generators of a constant rate send it, to the server
  and to the bare network, which tells how restless the machine is. Times are medians of the runs, ratios too: of each
  run's p99 to the same run's p50 of one client. Then once the same load at random moments, and beside it what those
  would cost a server that takes one after another at that rate, and nothing for itself.
- start: from the start of the process to the first 200 of its health check, and to the first answer.
- soak: so many minutes of load; memory and open files of the tree.
- overload: ten times the rate; how those that are served and those that are refused fare, what a refusal costs the
  server, and how soon after it all is as before.
- update: `tintype endpoints update` to another model under full load; requests that failed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arrivals import Answered, arrive, even_moments, moments, one_after_another, percentile
from benchmarks.bare_network import Rate, bare, bare_at, bare_latency, bare_rate, make_model, photographs
from benchmarks.load import Bodies, absence, fire, write_bodies
from benchmarks.measuring import MIB, TINTYPE, measure, ratio, table
from benchmarks.servers import Model, Running, Side, running, sides
from tintype.models import archive
from tintype.models.archive import TrainingRecord

WARM_SECONDS = 2
LOADED = 0.7                    # of the throughput, for latency under load
OVERLOAD, OVERLOAD_CONNECTIONS = 10, 256
PROBE_SECONDS = 0.02            # between two questions of a caller that is refused
SOAK_PIECE_SECONDS = 10
UPDATE_SECONDS = 30             # of load, around an update
PARTS = ("throughput", "latency", "start", "soak", "overload", "update")


def served_rate(server: Running, bodies: Bodies, clients: int, seconds: float) -> Rate:
    """A server under full load. Raises `RuntimeError` when an answer is not good."""
    fire(server.url, bodies, connections=clients, seconds=WARM_SECONDS)
    server.rest()
    spent = server.cpu_seconds()
    load = fire(server.url, bodies, connections=clients, seconds=seconds)
    if load.failures or not load.requests:
        raise RuntimeError(f"{server.side.title}: {load}")
    return Rate(load.rate, 1e3 * (server.cpu_seconds() - spent) / load.requests)


@dataclass(frozen=True)
class LatencyRun:
    """One round of the latency part; milliseconds."""

    bare: dict[str, float]      # the median of the bare network in each form
    alone: dict[str, float]     # percentiles of one client
    even: Answered              # the server at even moments
    bare_even: list[float]      # the bare network at the same ones, sorted

    @property
    def times_alone(self) -> float:
        """The p99 under load in times of what most requests take alone."""
        return self.even.percentile(99) / self.alone["50"]

    def __str__(self) -> str:
        p99, bare_p99 = self.even.percentile(99), percentile(self.bare_even, 99)
        return f"alone {self.alone['50']:.1f}, p99 under load {p99:.1f} ({self.times_alone:.2f}x); bare {bare_p99:.1f}"


class Bench:
    """One network, and everything that is measured with it."""

    def __init__(self, model: Model, folder: Path, pictures: Sequence[bytes], options: argparse.Namespace) -> None:
        self.model, self.pictures, self.options = model, pictures, options
        self.sides = sides(model, folder / "bentoml", options.sides, options.server_options.split())
        self._folder = folder

    def bodies(self, side: Side) -> Bodies:
        """The photographs as `side` wants them."""
        folder = self._folder / "bodies" / side.form
        return Bodies.at(folder, side.form) if folder.exists() else write_bodies(side.form, self.pictures, folder)

    def throughput(self) -> None:
        """All sides in turn, and the bare network in both kinds of numbers."""
        found: dict[str, list[Rate]] = {}
        for _ in range(self.options.runs):
            for name, network in bare(self.model).items():
                rate = bare_rate(network, self.pictures, self.options.seconds)
                found.setdefault(f"bare {name}", []).append(rate)
            for side in self.sides:
                with running(side) as server:
                    rate = served_rate(server, self.bodies(side), self.options.clients, self.options.seconds)
                found.setdefault(side.title, []).append(rate)
                print(f"  {side.title}: {rate.per_second:.1f}/s, {rate.cpu_milliseconds:.1f} ms", file=sys.stderr)
        rates = {name: [one.per_second for one in runs] for name, runs in found.items()}
        costs = {name: [one.cpu_milliseconds for one in runs] for name, runs in found.items()}
        first = self.sides[0].title
        rows = [
            (
                name,
                f"{statistics.median(rates[name]):.1f}/s",
                f"{statistics.median(costs[name]):.1f} ms",
                ratio(rates[first], rates[name]),
                ratio(costs[name], costs[first]),
            )
            for name in found
        ]
        title = f"{self.model.network}, {self.options.clients} clients"
        table(title, ("", "answers", "CPU", f"{first}: rate", f"{first}: answers per CPU second"), rows)

    def latency(self) -> None:
        """One client, and 70 % load, of our sides; beside the bare network."""
        alone_rows, loaded_rows = [], []
        for side in self._ours():
            numbers = "int8" if "int8" in side.title else "fp32"
            networks = {name: one for name, one in bare(self.model).items() if numbers in name}
            first = next(iter(networks.values()))
            seconds = self.options.seconds
            with running(side) as server:
                bodies = self.bodies(side)
                most = served_rate(server, bodies, self.options.clients, seconds).per_second
                evenly = even_moments(LOADED * most, seconds)
                runs: list[LatencyRun] = []
                for _ in range(self.options.runs):
                    runs.append(
                        LatencyRun(
                            {name: bare_latency(one, self.pictures, seconds / 2) for name, one in networks.items()},
                            fire(server.url, bodies, connections=1, seconds=seconds / 2).milliseconds,
                            arrive(server.url, bodies, evenly),
                            bare_at(first, self.pictures, evenly),
                        )
                    )
                    print(f"  {side.title}: {runs[-1]}", file=sys.stderr)
                due = moments(LOADED * most, 3 * seconds)
                loaded = arrive(server.url, bodies, due)
            p50 = statistics.median(one.alone["50"] for one in runs)
            alone_rows.append(
                (
                    side.title,
                    ", ".join(f"{statistics.median(one.bare[name] for one in runs):.1f} {name}" for name in networks),
                    f"{p50:.1f}",
                    ", ".join(middle([one.alone["50"] - one.bare[name] for one in runs], "+.2f") for name in networks),
                    f"{statistics.median(one.alone['99'] for one in runs):.1f}",
                )
            )
            loaded_rows.append(
                (
                    side.title,
                    f"{LOADED * most:.0f}/s of {most:.0f}/s",
                    f"{statistics.median(one.even.percentile(50) for one in runs):.1f}",
                    middle([one.even.percentile(99) for one in runs], ".1f"),
                    middle([one.times_alone for one in runs], ".2f"),
                    middle([percentile(one.bare_even, 99) / percentile(one.bare_even, 50) for one in runs], ".2f"),
                    f"{loaded.percentile(50):.1f}, {loaded.percentile(99):.1f}",
                    f"{percentile(one_after_another(due, 1 / most), 99):.1f}",
                )
            )
        header = ("ms", "bare", "p50", "above bare", "p99")
        table(f"{self.model.network}: one client", header, alone_rows)
        header = ("ms", "load", "evenly: p50", "p99", "of p50 alone", "bare: p99 of its p50", "at random: p50, p99",
                  "one by one: p99")  # fmt: skip
        table(f"{self.model.network}: {LOADED:.0%} load", header, loaded_rows)

    def start(self) -> None:
        """Start each side a few times."""
        rows = []
        for side in self.sides:
            ready, first, cpu = [], [], []
            for _ in range(self.options.runs):
                began = time.perf_counter()
                with running(side) as server:
                    ready.append(server.ready_seconds)
                    cpu.append(server.cpu_seconds())
                    ask(server.url, self.bodies(side))
                    first.append(time.perf_counter() - began)
            rows.append((side.title, *(f"{statistics.median(one):.2f} s" for one in (ready, first, cpu))))
        title = f"{self.model.network}: from start to ready, and to the first answer"
        table(title, ("", "ready", "answer", "CPU until ready"), rows)

    def soak(self) -> None:
        """Full load for minutes: the tree's memory and files after the first piece, in the middle and at the end."""
        side = self._ours()[0]
        with running(side) as server:
            seen: list[tuple[float, int, int]] = []
            failures, began = 0, time.perf_counter()
            while time.perf_counter() - began < 60 * self.options.soak_minutes:
                load = fire(
                    server.url, self.bodies(side), connections=self.options.clients, seconds=SOAK_PIECE_SECONDS
                )
                failures += load.failures
                seen.append((load.rate, server.anonymous_bytes(), server.open_files()))
        rows = [
            (name, f"{rate:.1f}/s", f"{memory / MIB:.1f} MiB", files)
            for name, (rate, memory, files) in (
                ("after 10 s", seen[0]),
                ("in the middle", seen[len(seen) // 2]),
                ("at the end", seen[-1]),
            )
        ]
        title = f"{self.model.network}: {self.options.soak_minutes:g} minutes of load, {failures} failures"
        table(title, ("", "answers", "memory", "open files"), rows)

    def overload(self) -> None:
        """Ten times what it can do; a caller of our own asks all the while, and notes what becomes of it."""
        side = self._ours()[0]
        with running(side) as server:
            bodies = self.bodies(side)
            most = served_rate(server, bodies, self.options.clients, self.options.seconds).per_second
            alone = fire(server.url, bodies, connections=1, seconds=WARM_SECONDS).milliseconds["50"]
            spent = server.cpu_seconds()
            with Caller(server.url, bodies) as caller:
                load = fire(
                    server.url,
                    bodies,
                    connections=OVERLOAD_CONNECTIONS,
                    seconds=self.options.seconds,
                    rate=OVERLOAD * most,
                )
                ended, spent = time.perf_counter(), server.cpu_seconds() - spent
                time.sleep(2)
        served = sorted(one.milliseconds for one in caller.seen if one.status == 200 and one.at < ended)
        refused = sorted(one.milliseconds for one in caller.seen if one.status == 429)
        calm = next((one.at for one in caller.seen if one.at > ended and one.milliseconds < 2 * alone), None)
        rows = [
            ("answers a second, at most", f"{most:.1f}"),
            ("asked for a second", f"{OVERLOAD * most:.0f}, of which wrk sent {load.requests / load.seconds:.0f}"),
            ("answers a second under overload", f"{load.rate:.1f}"),
            ("statuses", json.dumps(load.statuses)),
            ("errors of the network", load.connect + load.read + load.write + load.timeout),
            ("CPU of the server", f"{spent:.1f} s in {load.seconds:.1f} s"),
            ("served, p50, p99 and worst", quantiles(served)),
            ("refused, p50, p99 and worst", quantiles(refused)),
            ("as before after", "never" if calm is None else f"{calm - ended:.2f} s"),
        ]
        table(f"{self.model.network}: {OVERLOAD} times the load", ("", ""), rows)

    def update(self) -> None:
        """An endpoint gets another model while all clients ask."""
        archives = [self._packed(name) for name in ("first", "second")]
        home = self._folder / "home"
        words = ["deploy", archives[0], "--endpoint", "bench", "--home", home, "--json"]
        url = json.loads(measure([*TINTYPE, *words]).output)["url"] + "/invocations"
        bodies = self.bodies(self._ours()[0])
        try:
            with ThreadPoolExecutor(1) as pool:
                asking = pool.submit(fire, url, bodies, connections=self.options.clients, seconds=UPDATE_SECONDS)
                time.sleep(WARM_SECONDS)
                words = ["endpoints", "update", "bench", archives[1], "--home", home]
                took = measure([*TINTYPE, *words]).seconds
                load = asking.result()
        finally:
            measure([*TINTYPE, "endpoints", "delete", "bench", "--home", home])
        rows = [(f"{took:.1f} s", load.requests, json.dumps(load.statuses), load.failures)]
        table(f"{self.model.network}: update under load", ("update", "requests", "statuses", "failed"), rows)

    def _packed(self, name: str) -> Path:
        path = self._folder / f"{name}.tar.gz"
        opened = archive.open_unpacked(self.model.archive)
        told = opened.description.model_copy(update={"training": TrainingRecord(job=name)})
        archive.write(path, told, {one: opened.directory / one for one in opened.description.files})
        return path

    def _ours(self) -> list[Side]:
        return [one for one in self.sides if one.route == "/invocations"]


@dataclass(frozen=True)
class Seen:
    """What became of one request."""

    at: float                   # `perf_counter` when it was over
    status: int
    milliseconds: float


class Caller(threading.Thread):
    """A client that asks, waits for what comes, and asks again at once, or soon when it is refused."""

    def __init__(self, url: str, bodies: Bodies) -> None:
        super().__init__(daemon=True)
        self._url, self._bodies = url, bodies
        self._over = threading.Event()
        self.seen: list[Seen] = []

    def __enter__(self) -> Caller:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Until it is over."""
        while not self._over.is_set():
            began = time.perf_counter()
            status = ask(self._url, self._bodies)
            ended = time.perf_counter()
            self.seen.append(Seen(ended, status, 1e3 * (ended - began)))
            if status != 200:
                self._over.wait(PROBE_SECONDS)


def ask(url: str, bodies: Bodies) -> int:
    """Send the first photograph; the status of the answer, 0 when there was none."""
    body = Path(bodies.listing.read_text().splitlines()[0]).read_bytes()
    request = urllib.request.Request(url, body, {"Content-Type": bodies.content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as found:
            found.read()
            return int(found.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def middle(numbers: Sequence[float], form: str) -> str:
    """The median, and in brackets from where to where they go."""
    return f"{statistics.median(numbers):{form}} ({min(numbers):{form}} to {max(numbers):{form}})"


def quantiles(milliseconds: Sequence[float]) -> str:
    """Median, 99th percentile, worst and number, of what is sorted."""
    if not milliseconds:
        return "none"
    told = (percentile(milliseconds, 50), percentile(milliseconds, 99), milliseconds[-1])
    return f"{told[0]:.1f}, {told[1]:.1f} and {told[2]:.1f} ms ({len(milliseconds)})"


def main(arguments: list[str]) -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--sides", nargs="+", default=["int8", "fp32", "litserve", "litserve-batch", "ray", "bentoml"])
    parser.add_argument("--soak-minutes", type=float, default=1)
    parser.add_argument("--server-options", default="", help="for our server, such as --workers=2")
    options = parser.parse_args(arguments)
    if (reason := absence()) is not None:
        print(f"serving: skipped, {reason}")
        return
    pictures = photographs()
    for network in options.networks:
        with tempfile.TemporaryDirectory(prefix="tintype-serving-") as scratch:
            bench = Bench(make_model(network, Path(scratch, "model"), pictures), Path(scratch), pictures, options)
            parts: dict[str, Callable[[], None]] = {
                "throughput": bench.throughput,
                "latency": bench.latency,
                "start": bench.start,
                "soak": bench.soak,
                "overload": bench.overload,
                "update": bench.update,
            }
            for part in options.parts:
                parts[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
