"""S3 and the API over loopback: large objects up and down, lists, a describe call among 10,000 jobs, 200 clients at
once.

    python -m benchmarks s3 [--gigabytes 1] [--jobs 10000]

boto3 and the server share the machine. So rates are given beside the CPU seconds that the server spent on a gigabyte,
which is what it would need on a machine of its own; `bare` is a client that signs but neither hashes nor looks at the
bytes.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hmac
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from benchmarks.measuring import TINTYPE
from benchmarks.records import fill
from tintype.jobs.job import Job, Status
from tintype.jobs.specification import JobSpec, Source
from tintype.settings import Settings
from tintype.web.keys import KeyPair, home_key
from tintype.web.message import Request
from tintype.web.signature import ALGORITHM, UNSIGNED, Claim, signing_key, string_to_sign
from tintype.workspace import open_workspace

GB = 10**9
BUCKET = "bench-bucket"
JOB = "described"
SMALL_OBJECTS = 2000
CLIENTS = 200
CALLS = 10                      # of each client
BLOCK_BYTES = 1 << 20


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A server of a home: its URL and its process."""
    command = [*TINTYPE, "server", "--home", home, "--port", "0", "--json"]
    words = [str(one) for one in command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        try:
            yield json.loads(text)["url"], psutil.Process(process.pid)
        finally:
            process.terminate()


def client(service: str, url: str, key: KeyPair, **options: Any) -> Any:
    """A boto3 client of the server."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        config=Config(max_pool_connections=CLIENTS, retries={"max_attempts": 0}, **options),
    )


def timed(what: str, server: psutil.Process, size: int, action: Callable[[], object]) -> None:
    """Print the rate of moving `size` bytes, and what it cost the server."""
    before = sum(server.cpu_times()[:2])
    began = time.perf_counter()
    action()
    seconds = time.perf_counter() - began
    cpu = sum(server.cpu_times()[:2]) - before
    memory = server.memory_info().rss / 1e6
    rate, cost = size / 1e6 / seconds, cpu / size * GB
    print(f"{what:28} {rate:7.0f} MB/s   server {cost:5.2f} CPU s/GB, {memory:4.0f} MB resident")


def bare(method: str, url: str, key: KeyPair, name: str, body: Path | None) -> None:
    """A request whose payload is not signed, its body sent from a file or its answer thrown away."""
    address, moment = url.removeprefix("http://"), datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": address, "x-amz-content-sha256": UNSIGNED, "x-amz-date": moment}
    claim = Claim(key.access_key_id, moment, "us-east-1", "s3", tuple(signed), "", None)
    text = string_to_sign(claim, Request(method, f"/{BUCKET}/{name}", "", signed), UNSIGNED)
    signature = hmac.digest(signing_key(key.secret_access_key, claim), text.encode(), "sha256").hex()
    credential = f"{claim.key_id}/{claim.scope}"
    authorization = f"{ALGORITHM} Credential={credential}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    headers = {**signed, "authorization": authorization}
    connection = http.client.HTTPConnection(url.removeprefix("http://"), blocksize=BLOCK_BYTES)
    if body is None:
        connection.request(method, f"/{BUCKET}/{name}", headers=headers)
    else:
        headers["Content-Length"] = str(body.stat().st_size)
        with body.open("rb") as stream:
            connection.request(method, f"/{BUCKET}/{name}", body=stream, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    while answer.read(BLOCK_BYTES):
        pass
    connection.close()


def large_objects(url: str, key: KeyPair, server: psutil.Process, folder: Path, size: int) -> None:
    """One large object up and down in several ways."""
    s3 = client("s3", url, key)
    source, target = folder / "source", folder / "target"
    with source.open("wb") as stream:
        for _ in range(size >> 20):
            stream.write(os.urandom(1 << 20))
    moved = source.stat().st_size

    def put() -> None:
        with source.open("rb") as stream:
            s3.put_object(Bucket=BUCKET, Key="put", Body=stream)

    def get() -> None:
        for _ in s3.get_object(Bucket=BUCKET, Key="put")["Body"].iter_chunks(BLOCK_BYTES):
            pass

    timed("up, bare", server, moved, lambda: bare("PUT", url, key, "bare", source))
    timed("down, bare", server, moved, lambda: bare("GET", url, key, "bare", None))
    timed("up, put_object", server, moved, put)
    timed("down, get_object", server, moved, get)
    timed("up, upload_file", server, moved, lambda: s3.upload_file(str(source), BUCKET, "parts"))
    timed("down, download_file", server, moved, lambda: s3.download_file(BUCKET, "parts", str(target)))
    timed("copy", server, moved, lambda: s3.copy({"Bucket": BUCKET, "Key": "parts"}, BUCKET, "copy"))


def median_ms(action: Callable[[], object], repeats: int = 30) -> float:
    """The median of the time on the wall."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def lists(url: str, key: KeyPair, home: Path) -> None:
    """Pages of a folder of 2,000 small objects that came through S3, and of 20,000 that were put there by hand."""
    s3 = client("s3", url, key)
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        put = [pool.submit(s3.put_object, Bucket=BUCKET, Key=f"small/{n:05d}", Body=b"x") for n in range(SMALL_OBJECTS)]
    assert all(one.result() for one in put)
    print(f"put {SMALL_OBJECTS} small objects: {SMALL_OBJECTS / (time.perf_counter() - began):.0f} a second")
    by_hand = home / "s3" / BUCKET / "many"
    for number in range(20_000):
        path = by_hand / f"class-{number % 100}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    page = median_ms(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix="small/"))
    print(f"a page of 1,000 of {SMALL_OBJECTS}: {page:.0f} ms, of which boto3 spends about half")
    pages = s3.get_paginator("list_objects_v2")
    began = time.perf_counter()
    found = sum(len(one["Contents"]) for one in pages.paginate(Bucket=BUCKET, Prefix="many/"))
    print(f"{found} objects in {time.perf_counter() - began:.2f} s")


def one_job(home: Path, jobs: int) -> None:
    """A job that has ended, among others of which nothing is asked."""
    spec = JobSpec(Source("module", "tintype.training"), hyperparameters={"lr": "0.01", "batch-size": '"32"'})
    with open_workspace(Settings(home=home)) as workspace:
        workspace.jobs.submit(Job(JOB, str(workspace.job_directory(JOB)), spec=spec))
        workspace.jobs.move(JOB, Status.COMPLETED)
    fill(f"sqlite:///{home / 'tintype.db'}", jobs)


def calls(url: str, key: KeyPair, jobs: int, server: psutil.Process) -> None:
    """Small calls: one after another, and of many clients at once."""
    sagemaker, sts = client("sagemaker", url, key), client("sts", url, key)
    for what, call in (
        ("get_caller_identity", sts.get_caller_identity),
        (f"describe_training_job among {jobs}", lambda: sagemaker.describe_training_job(TrainingJobName=JOB)),
    ):
        before = sum(server.cpu_times()[:2])
        middle = median_ms(call, 200)
        cpu = (sum(server.cpu_times()[:2]) - before) / 200 * 1000
        print(f"{what}: {middle:.1f} ms, of which the server computes {cpu:.1f}")
    s3 = client("s3", url, key)
    failed: list[str] = []

    def many(number: int) -> None:
        try:
            for call in range(CALLS):
                s3.put_object(Bucket=BUCKET, Key=f"clients/{number}/{call}", Body=b"x" * 10_000)
                assert len(s3.get_object(Bucket=BUCKET, Key=f"clients/{number}/{call}")["Body"].read()) == 10_000
        except Exception as error:
            failed.append(repr(error))

    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(many, range(CLIENTS)))
    seconds = time.perf_counter() - began
    rate = 2 * CLIENTS * CALLS / seconds
    print(f"{CLIENTS} clients at once: {rate:.0f} requests a second, {len(failed)} errors", *failed[:3])


def main(arguments: list[str]) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        key = home_key(home)
        one_job(home, options.jobs)
        with serving(home) as (url, server):
            client("s3", url, key).create_bucket(Bucket=BUCKET)
            large_objects(url, key, server, Path(folder), int(options.gigabytes * GB))
            lists(url, key, home)
            calls(url, key, options.jobs, server)


if __name__ == "__main__":
    main(sys.argv[1:])
