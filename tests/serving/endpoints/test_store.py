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
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from tests.serving.tiny_archive import write_tiny_archive
from tintype.errors import BadArchive, Conflict, InvalidRequest, JobFailed, NotFound, StorageFailed
from tintype.records import Records
from tintype.serving.endpoints import store
from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ProductionVariant
from tintype.serving.endpoints.deployment import Deployment
from tintype.serving.endpoints.endpoint import Endpoint, Status
from tintype.serving.endpoints.process import ProcessIdentity
from tintype.serving.endpoints.store import KIND, Endpoints
from tintype.serving.settings import ServerSettings
from tintype.serving.updates.rollout import DeploymentPolicy

GONE = ProcessIdentity(2**22 + 1, 10**9)        # above the largest pid there can be, and long ago
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
    answer = httpx.post(f"{started.url}/invocations", content=picture(), trust_env=False, timeout=120)
    assert answer.json()["predictions"][0]["label"] == "red"
    while "serving ants on" not in started.files.log.read_text():
        time.sleep(0.01)

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
        "from tintype.serving.endpoints.store import Endpoints; "
        "from tintype.serving.endpoints.deployment import Deployment; "
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
    assert httpx.post(url, content=picture(), trust_env=False, timeout=120).status_code == 401
    allowed = {"Authorization": "Bearer s3cret"}
    assert httpx.post(url, content=picture(), headers=allowed, trust_env=False, timeout=120).status_code == 200


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


def test_a_server_that_does_not_come_up_stays_as_failed_with_its_log(
    endpoints, wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somebody takes the port after we have looked whether it is free.
    monkeypatch.setattr(store, "listen", lambda host, port: socket.create_server((host, 0)))
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


def test_a_killed_server_is_told_brought_back_and_not_mistaken(records, endpoints, wanted, picture) -> None:
    started = endpoints.start(wanted)
    while "serving ants" not in started.files.log.read_text():      # said just after it is ready
        time.sleep(0.01)
    kill(started)
    found = endpoints.get("ants")
    assert found.status is Status.OUT_OF_SERVICE
    assert f"process {started.server.pid} is gone; it last said:" in found.failure_reason
    assert found.url is None
    assert endpoints.list() == [found]
    # The pid has been taken over by somebody else: us. And the machine was restarted since.
    long_ago = replace(ProcessIdentity.own(), boot_id="the one before")
    found.files.state.unlink()
    change(records, "ants", server=long_ago)
    assert endpoints.get("ants").failure_reason == "the machine was restarted"
    (revived,) = endpoints.revive_all()
    assert revived.server != long_ago
    back = until_in_service(endpoints)
    assert back.port == started.port                # callers need not know
    answer = httpx.post(f"{back.url}/invocations", content=picture(), trust_env=False, timeout=120)
    assert answer.json()["predictions"][0]["label"] == "red"
    assert endpoints.revive("ants") == back         # it is up: nothing happens


def test_two_that_bring_it_back_at_once_start_one_server(endpoints, wanted, tmp_path: Path) -> None:
    kill(endpoints.start(wanted))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: endpoints.revive("ants"), range(4)))
    until_in_service(endpoints)
    assert len(servers_below(tmp_path)) == 1


def test_another_port_when_the_old_one_is_taken(endpoints, wanted) -> None:
    started = endpoints.start(wanted)
    kill(started)
    with socket.create_server(("127.0.0.1", started.port)):
        endpoints.revive("ants")
        assert until_in_service(endpoints).port != started.port


def test_what_a_killed_starter_left_goes_on_by_itself(records, endpoints, wanted, tmp_path: Path) -> None:
    started = endpoints.start(wanted)
    change(records, "ants", owner=GONE, server=None, port=0, status=Status.CREATING)
    found = endpoints.get("ants")                   # found by the state file alone
    assert (found.status, found.port, found.server) == (Status.IN_SERVICE, started.port, started.server)
    kill(found)
    found.files.state.unlink()
    change(records, "ants", owner=GONE, server=None, port=0, status=Status.CREATING)
    found = endpoints.get("ants")
    assert found.status is Status.FAILED
    assert "starting it is gone" in found.failure_reason
    assert endpoints.delete("ants")
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
    starter.join(120)
    assert [type(error) for error in errors] == [Conflict]
    assert "deleted" in str(errors[0])
    assert endpoints.list() == []
    assert not servers_below(tmp_path)
    assert not (tmp_path / "endpoints" / "ants").exists()


def test_an_interrupted_start_leaves_nothing(endpoints, wanted, tmp_path: Path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Endpoints, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        endpoints.start(wanted)
    assert endpoints.list() == []
    assert not servers_below(tmp_path)
    assert not (tmp_path / "endpoints" / "ants").exists()


def test_creation_returns_at_once_and_tells_what_became_of_it(endpoints, wanted, archive, tmp_path: Path) -> None:
    created = endpoints.create(wanted)
    assert created.status is Status.CREATING
    assert created.url is None
    assert endpoints.wait("ants", of=created).status is Status.IN_SERVICE
    with pytest.raises(Conflict, match="already is"):
        endpoints.create(wanted)
    hollow = tmp_path / "hollow"
    hollow.mkdir()
    (hollow / "description.json").write_text("{}")
    endpoints.create(replace(wanted, name="bad", archive=hollow, directory=tmp_path / "endpoints" / "bad"))
    with pytest.raises(JobFailed, match="format number"):
        endpoints.wait("bad")
    failed = endpoints.get("bad")
    assert failed.status is Status.FAILED
    assert not servers_below(tmp_path / "endpoints" / "bad")
    with pytest.raises(Conflict, match="'bad' is Failed"):
        endpoints.scale("bad", {"AllTraffic": 2})


def test_several_variants_their_weights_and_their_workers(endpoints, wanted, archive, tmp_path: Path, picture) -> None:
    other = write_tiny_archive(tmp_path / "other.tar.gz", classes=("rot", "grün", "blau"))
    variants = (
        ProductionVariant(name="english", model=ModelSource(archive=str(archive)), weight=3),
        ProductionVariant(name="german", model=ModelSource(archive=str(other)), weight=1),
    )
    started = endpoints.start(replace(wanted, archive=None, config=EndpointConfig(variants=variants)))
    assert [(one.name, one.weight, one.archive) for one in started.variants] == [
        ("english", 3, str(archive)), ("german", 1, str(other)),
    ]  # fmt: skip
    with httpx.Client(base_url=started.url, trust_env=False, timeout=120) as client:

        def asked(**headers: str) -> tuple[str, str]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = client.post("/invocations", content=picture(), headers=named).raise_for_status()
            return answer.headers["x-amzn-invoked-production-variant"], answer.json()["predictions"][0]["label"]

        said = Counter(asked() for _ in range(40))
        assert said.keys() == {("english", "red"), ("german", "rot")}
        assert abs(said["english", "red"] - 30) <= 2
        assert asked(X_Amzn_SageMaker_Target_Variant="german") == ("german", "rot")
        unknown = client.post("/invocations", content=picture(), headers={"X-Amzn-SageMaker-Target-Variant": "x"})
        assert unknown.status_code == 400
        assert "there are: english, german" in unknown.json()["error"]["message"]

        endpoints.set_weights("ants", {"english": 0})
        changed = endpoints.wait("ants")
        assert [(one.weight, one.archive) for one in changed.variants] == [(0, str(archive)), (1, str(other))]
        assert {asked() for _ in range(10)} == {("german", "rot")}
        endpoints.scale("ants", {"german": 2})
        endpoints.wait("ants")
        facts = client.get("/try/facts").json()
        assert [one["workers"] for one in facts["variants"]] == [1, 2]
    with pytest.raises(InvalidRequest, match="no variant 'french'"):
        endpoints.set_weights("ants", {"french": 1})
    assert endpoints.config("ants").variants[1].workers == 2


@contextmanager
def frozen_front(endpoint: Endpoint) -> Iterator[None]:
    """The process that makes real what is wanted does nothing in here."""
    assert endpoint.server
    children = psutil.Process(endpoint.server.pid).children()
    (front,) = (one for one in children if one.name() == "tintype-front")
    front.suspend()
    try:
        yield
    finally:
        front.resume()


def test_an_update_is_answered_before_its_archive_is_copied(endpoints, wanted, archive, tmp_path: Path) -> None:
    started = endpoints.start(wanted)
    (first,) = (one.name for one in started.files.models.iterdir())
    other = write_tiny_archive(tmp_path / "other.tar.gz", classes=("rot", "grün", "blau"))
    bee = EndpointConfig(
        variants=(ProductionVariant(model=ModelSource(archive=str(other))),), policy=DeploymentPolicy(bake_seconds=0)
    )
    with frozen_front(started):
        assert endpoints.update("ants", bee).status is Status.UPDATING
        assert [one.name for one in started.files.models.iterdir()] == [first]
    assert endpoints.wait("ants").variants[0].archive == str(other)
    assert len(list(started.files.models.iterdir())) == 2

    with frozen_front(started):             # an archive that goes before it was copied
        third = write_tiny_archive(tmp_path / "third.tar.gz")
        model = ModelSource(archive=str(third))
        endpoints.update("ants", bee.model_copy(update={"variants": (ProductionVariant(model=model),)}))
        third.unlink()
    back = endpoints.wait("ants")
    assert back.failure_reason == f"the last update was rolled back: there is no model archive {third}"
    assert back.variants[0].archive == str(other)


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": "x"}', "\0" * 40, ""])
def test_damaged_files_of_one_endpoint_hide_no_other(endpoints, wanted, tmp_path: Path, damage: str) -> None:
    started = endpoints.start(wanted)
    other = endpoints.start(replace(wanted, name="bees", directory=tmp_path / "endpoints" / "bees"))
    started.files.wishes.desired_file.write_text(damage)
    reasons = {one.name: one.failure_reason for one in endpoints.revive_all()}
    assert reasons.keys() == {"ants", "bees"}
    assert not reasons["bees"]
    assert reasons["ants"] == endpoints.get("ants").failure_reason
    assert reasons["ants"].endswith("desired.json is damaged; delete the endpoint and make it anew")
    assert endpoints.get("bees") == other
    with pytest.raises(StorageFailed, match="make it anew"):
        endpoints.scale("ants", {"AllTraffic": 2})
    assert endpoints.delete("ants")
    assert not servers_below(tmp_path / "endpoints" / "ants")


def test_paths_are_those_of_whoever_commands(endpoints, wanted, archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive.parent)
    started = endpoints.start(replace(wanted, archive=Path(archive.name)))
    assert started.status is Status.IN_SERVICE


def kill(endpoint: Endpoint) -> None:
    """SIGKILL to the server; whatever it had started goes with it."""
    assert endpoint.server
    os.kill(endpoint.server.pid, signal.SIGKILL)
    while endpoint.server.is_alive or is_open(endpoint.port):
        time.sleep(0.01)


def until_in_service(endpoints: Endpoints) -> Endpoint:
    deadline = time.monotonic() + 120
    while (found := endpoints.get("ants")).status is not Status.IN_SERVICE:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_a_port_that_is_taken_is_said_at_once_and_leaves_nothing(endpoints: Endpoints, wanted: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidRequest, match=f"port {port}: the port is taken"):
            endpoints.create(replace(wanted, port=port))
    assert endpoints.list() == []
    assert not wanted.directory.exists()
