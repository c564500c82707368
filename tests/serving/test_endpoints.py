"""Endpoints from start to end: real processes, real records, and everything that gets in the way."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from tintype.errors import BadArchive, Conflict, InvalidRequest, JobFailed, NotFound
from tintype.records import Records
from tintype.serving.deployment import Deployment
from tintype.serving.endpoint import Endpoint, Status
from tintype.serving.endpoints import KIND, Endpoints
from tintype.serving.process import ProcessIdentity
from tintype.serving.settings import ServerSettings

GONE = ProcessIdentity(2**22 + 1, 1e9)          # above the largest pid there can be, and long ago
QUICK = ServerSettings(inference_threads=1, decoders=1, drain_seconds=5)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    opened.close()


@pytest.fixture
def endpoints(records: Records) -> Iterator[Endpoints]:
    made = Endpoints(records)
    yield made
    for one in made.list():
        made.delete(one.name)


@pytest.fixture
def wanted(archive: Path, tmp_path: Path) -> Deployment:
    return Deployment("ants", archive, tmp_path / "endpoints" / "ants", server=QUICK)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def servers_below(directory: Path) -> list[psutil.Process]:
    """The running servers that were started for files below a directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(directory) in " ".join(process.info["cmdline"] or ()) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return [one for one in found if "tintype.serving" in one.info["cmdline"]]


def change(records: Records, name: str, **fields: object) -> Endpoint:
    """Make a record say something else, as a crash would leave it."""
    record = records.get(KIND, name)
    endpoint = replace(Endpoint.from_json(record.document), **fields)
    records.replace(record, endpoint.to_json(), status=endpoint.status)
    return endpoint


def test_a_life(endpoints: Endpoints, wanted: Deployment, tmp_path: Path, picture) -> None:
    started = endpoints.start(wanted)
    assert started.status is Status.IN_SERVICE
    assert started == endpoints.get("ants") == endpoints.list()[0]
    assert started.server
    assert started.server.is_alive
    assert os.getsid(started.server.pid) == started.server.pid
    answer = httpx.post(f"{started.url}/invocations", content=picture(), trust_env=False)
    assert answer.json()["predictions"][0]["label"] == "red"
    assert "serving ants on" in started.files.log.read_text()

    with pytest.raises(Conflict, match=r"already is an endpoint named 'ants'; delete it"):
        endpoints.start(wanted)
    assert endpoints.delete("ants")
    assert not started.server.is_alive
    assert not is_open(started.port)
    assert not (tmp_path / "endpoints" / "ants").exists()
    assert not servers_below(tmp_path)
    assert not endpoints.delete("ants")
    with pytest.raises(NotFound):
        endpoints.get("ants")


def test_it_outlives_whoever_started_it_and_dies_by_somebody_else(records, endpoints, wanted, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tintype.records import Records; "
        "from tintype.serving.endpoints import Endpoints; from tintype.serving.deployment import Deployment; "
        "r = Records.open(sys.argv[1]); "
        "print(Endpoints(r).start(Deployment('ants', Path(sys.argv[2]), Path(sys.argv[3]))).url); r.close()"
    )
    database = f"sqlite:///{tmp_path / 'records.db'}"
    arguments = [sys.executable, "-W", "error", "-c", code, database, str(wanted.archive), str(wanted.directory)]
    said = subprocess.run(arguments, check=True, capture_output=True, text=True)
    assert said.stderr == ""
    found = endpoints.get("ants")
    assert found.status is Status.IN_SERVICE
    assert said.stdout.strip() == found.url
    assert endpoints.delete("ants")
    assert not servers_below(tmp_path)
    assert not is_open(found.port)


def test_a_token_is_needed_beyond_loopback_and_then_asked_for(endpoints, wanted, tmp_path: Path, picture) -> None:
    with pytest.raises(InvalidRequest, match=r"0\.0\.0\.0 can be reached.*token"):
        endpoints.start(replace(wanted, host="0.0.0.0"))
    assert endpoints.list() == []
    started = endpoints.start(replace(wanted, host="0.0.0.0", token="s3cret"))
    assert started.token == "s3cret"
    assert stat.S_IMODE(started.files.token.stat().st_mode) == 0o600
    assert started.server
    assert "s3cret" not in " ".join(psutil.Process(started.server.pid).cmdline())
    url = f"{started.url}/invocations"
    assert httpx.post(url, content=picture(), trust_env=False).status_code == 401
    allowed = {"Authorization": "Bearer s3cret"}
    assert httpx.post(url, content=picture(), headers=allowed, trust_env=False).status_code == 200


def test_a_caller_s_mistake_leaves_nothing(endpoints: Endpoints, wanted: Deployment, tmp_path: Path) -> None:
    (tmp_path / "bad.tar.gz").write_bytes(b"no archive")
    with pytest.raises(BadArchive):
        endpoints.start(replace(wanted, archive=tmp_path / "bad.tar.gz"))
    with pytest.raises(NotFound):
        endpoints.start(replace(wanted, archive=tmp_path / "missing.tar.gz"))
    with pytest.raises(InvalidRequest, match="endpoint name"):
        endpoints.start(replace(wanted, name="no good/name"))
    assert endpoints.list() == []
    assert not (tmp_path / "endpoints" / "ants").exists()


def test_a_server_that_does_not_come_up_stays_as_failed_with_its_log(endpoints, wanted, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(JobFailed, match=f"did not start: cannot listen on .* port {port}: the port is taken"):
            endpoints.start(replace(wanted, port=port))
    failed = endpoints.get("ants")
    assert failed.status is Status.FAILED
    assert "the port is taken" in failed.failure_reason
    assert "the port is taken" in failed.files.log.read_text()
    assert failed.url is None
    assert not servers_below(tmp_path)
    assert endpoints.delete("ants")
    assert not (tmp_path / "endpoints" / "ants").exists()


def test_one_name_two_starters(records: Records, endpoints: Endpoints, wanted: Deployment, tmp_path: Path) -> None:
    def attempt(_: int) -> Endpoint | Conflict:
        try:
            return endpoints.start(wanted)
        except Conflict as error:
            return error

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(attempt, range(3)))
    winners = [one for one in outcomes if isinstance(one, Endpoint)]
    assert len(winners) == 1
    assert endpoints.get("ants") == winners[0]
    assert len(servers_below(tmp_path)) == 1


def test_a_killed_server_reads_as_failed_and_is_not_mistaken(records, endpoints, wanted, tmp_path: Path) -> None:
    started = endpoints.start(wanted)
    assert started.server
    os.kill(started.server.pid, signal.SIGKILL)
    while started.server.is_alive:
        time.sleep(0.01)
    found = endpoints.get("ants")
    assert found.status is Status.FAILED
    assert f"process {started.server.pid} is gone; it last said:" in found.failure_reason
    assert endpoints.list() == [found]
    # The pid has been taken over by somebody else: us.
    change(records, "ants", server=replace(ProcessIdentity.own(), started_at=1e9), status=Status.IN_SERVICE)
    assert "the machine was restarted" in endpoints.get("ants").failure_reason
    assert endpoints.delete("ants")         # and we are still here


def test_what_a_killed_starter_left_is_failed_and_can_be_deleted(records, endpoints, wanted, tmp_path: Path) -> None:
    started = endpoints.start(wanted)
    change(records, "ants", owner=GONE, server=None, port=0, status=Status.CREATING)
    found = endpoints.get("ants")
    assert found.status is Status.FAILED
    assert "starting it is gone" in found.failure_reason
    assert endpoints.delete("ants")
    assert started.server
    assert not started.server.is_alive      # found by the state file alone
    assert not servers_below(tmp_path)


def test_a_deletion_that_was_cut_off_can_be_begun_again(records, endpoints, wanted) -> None:
    started = endpoints.start(wanted)
    change(records, "ants", owner=GONE, status=Status.DELETING)
    found = endpoints.get("ants")
    assert found.status is Status.FAILED
    assert "deleting it is gone" in found.failure_reason
    change(records, "ants", owner=GONE, status=Status.DELETING)
    assert endpoints.delete("ants")
    assert started.server
    assert not started.server.is_alive
    assert endpoints.list() == []


def test_a_deletion_wins_over_a_start_under_way(endpoints: Endpoints, wanted: Deployment, tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        try:
            endpoints.start(wanted)
        except BaseException as error:
            errors.append(error)

    starter = threading.Thread(target=start)
    starter.start()
    while not servers_below(tmp_path):
        time.sleep(0.005)
    assert endpoints.delete("ants")
    starter.join(30)
    assert [type(error) for error in errors] == [Conflict]
    assert "deleted" in str(errors[0])
    assert endpoints.list() == []
    assert not servers_below(tmp_path)
    assert not (tmp_path / "endpoints" / "ants").exists()


def test_an_interrupted_start_leaves_nothing(endpoints, wanted, tmp_path: Path, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tintype.serving.endpoints.wait_until_ready", interrupt)
    with pytest.raises(KeyboardInterrupt):
        endpoints.start(wanted)
    assert endpoints.list() == []
    assert not servers_below(tmp_path)
    assert not (tmp_path / "endpoints" / "ants").exists()
