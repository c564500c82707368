"""Logs that are cut, changed, mixed with other things: what is whole stays readable, the rest is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.debugger.collection import BUILT_IN
from tintype.debugger.journal import read_names
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import TensorLog, open_log
from tintype.errors import NotFound, StorageFailed

STEPS = 6


def value(step: int) -> np.ndarray:
    return np.arange(40, dtype=np.float32) * (step + 1)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of six steps: a loss, a tensor, a reduction of each."""
    root = tmp_path_factory.mktemp("original")
    writer = TensorLogWriter(root, clock=lambda: 0.0)
    for step in range(STEPS):
        with writer.step(step, Mode.TRAIN, step) as record:
            record.add("loss", np.float32(step))
            record.add("weight", value(step))
            record.add_reduction("weight", "mean", step)
    writer.write_collections(BUILT_IN.values())
    writer.end()
    return root


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "log"
    shutil.copytree(original, root)
    yield root
    shutil.rmtree(root)


def without_journal(root: Path) -> Path:
    shutil.rmtree(root / "tintype")
    return root


def readable(log: TensorLog) -> set[int]:
    """The steps at which the tensor can be read; each must be what was written."""
    steps = set()
    for step, found in log.values("weight").items() if "weight" in log.names() else ():
        np.testing.assert_array_equal(found, value(step))
        steps.add(step)
    for step, found in log.values("loss").items() if "loss" in log.names() else ():
        assert found == step
    return steps


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)


def test_a_damaged_name_costs_nothing_but_time(original: Path, tmp_path: Path) -> None:
    names = original / "tintype" / "worker_0.names"
    for at in range(len(names.read_bytes())):
        root = tmp_path / f"{at}"
        shutil.copytree(original, root)
        content = bytearray(names.read_bytes())
        content[at] ^= 1
        (root / "tintype" / "worker_0.names").write_bytes(content)
        assert readable(open_log(root)) == set(range(STEPS))


def test_names_of_older_journals_have_no_checksum(copy: Path) -> None:
    names = copy / "tintype" / "worker_0.names"
    found = read_names(names.read_bytes())
    names.write_text("".join(f"{json.dumps(one)}\n" for one in found))
    assert read_names(names.read_bytes()) == found
    assert readable(open_log(copy)) == set(range(STEPS))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_file_may_be_cut_or_changed_anywhere(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    root = tmp_path / "log"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(original, root)
    if data.draw(st.booleans(), "without journal"):
        without_journal(root)
    victim = data.draw(st.sampled_from(files_of(root)), "victim")
    content = bytearray(victim.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1), "at")
    if data.draw(st.booleans(), "cut"):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255), "by")
    victim.write_bytes(content)
    log = open_log(root)
    found = readable(log)
    harmed = {int(victim.name.split("_")[0])} if victim.name[:6].isdigit() else set()
    assert found >= set(range(STEPS)) - harmed - index_harm(root, victim, log)
    assert found == set(range(STEPS)) or log.problems or "index" in victim.parts
    for one in log.problems:
        assert not one.startswith("/")


def index_harm(root: Path, victim: Path, log: TensorLog) -> set[int]:
    """An index that still parses but says something else, such as another step: at most that step is lost."""
    return {int(victim.name.split("_")[0])} if victim.parent.parent.name == "index" else set()


def test_a_truncated_event_file_costs_what_was_cut(copy: Path) -> None:
    path = copy / "events/000000000003/000000000003_worker_0.tfevents"
    path.write_bytes(path.read_bytes()[:150])
    log = open_log(copy)
    assert readable(log) == {0, 1, 2, 4, 5}
    assert log.value("loss", 3) == 3        # it came before the cut
    with pytest.raises(StorageFailed, match=r"000000000003_worker_0.tfevents is damaged: it ends after"):
        log.value("weight", 3)
    assert list(log.problems) == ["events/000000000003/000000000003_worker_0.tfevents"]


def test_a_missing_event_file(copy: Path) -> None:
    (copy / "events/000000000002/000000000002_worker_0.tfevents").unlink()
    log = open_log(copy)
    assert readable(log) == {0, 1, 3, 4, 5}
    with pytest.raises(NotFound):
        log.value("weight", 2)
    assert list(log.problems.values()) == ["the event file is missing"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"meta": {}}', b'{"meta": {"mode": "X"}}', None])
def test_a_bad_or_missing_index_is_replaced_by_the_events_themselves(copy: Path, content: bytes | None) -> None:
    path = without_journal(copy) / "index/000000000/000000000004_worker_0.json"
    path.unlink() if content is None else path.write_bytes(content)
    log = open_log(copy)
    assert readable(log) == set(range(STEPS))
    assert log.mode_step(4) == (Mode.TRAIN, 4)
    assert log.reduction("weight", 4, "mean") == 4
    assert list(log.problems) == ["index/000000000/000000000004_worker_0.json"]


def test_all_of_the_index_may_be_missing(copy: Path) -> None:
    shutil.rmtree(without_journal(copy) / "index")
    log = open_log(copy)
    assert readable(log) == set(range(STEPS))
    assert len(log.problems) == STEPS


def test_while_it_runs_the_newest_step_may_have_no_index_yet(copy: Path) -> None:
    (copy / "training_job_end.ts").unlink()
    newest = without_journal(copy) / "index/000000000/000000000005_worker_0.json"
    content = newest.read_bytes()
    newest.unlink()
    log = open_log(copy)
    assert log.steps() == [0, 1, 2, 3, 4]
    assert log.problems == {}
    newest.write_bytes(content)
    assert log.refresh()
    assert readable(log) == set(range(STEPS))


@pytest.mark.parametrize("at", [0, 8, 47, 55])
def test_a_damaged_journal_is_only_a_slower_log(copy: Path, at: int) -> None:
    path = copy / "tintype/worker_0.rows"
    content = bytearray(path.read_bytes())
    content[2 * 3 * 56 + at] ^= 0xFF        # the first row of the third step
    path.write_bytes(content)
    log = open_log(copy)
    assert readable(log) == set(range(STEPS))
    assert list(log.problems) == ["tintype/worker_0.rows"]
    assert not log.refresh()


def test_a_journal_that_lags_is_filled_up_from_the_index(copy: Path) -> None:
    path = copy / "tintype/worker_0.rows"
    path.write_bytes(path.read_bytes()[: 3 * 56 * 4 + 20])
    log = open_log(copy)
    assert readable(log) == set(range(STEPS))
    assert log.problems == {}


def test_a_journal_is_continued_after_it_was_cut(copy: Path) -> None:
    path = copy / "tintype/worker_0.rows"
    path.write_bytes(path.read_bytes()[: 3 * 56 * 4 + 20])
    names = copy / "tintype/worker_0.names"
    names.write_bytes(names.read_bytes()[:-4])
    writer = TensorLogWriter(copy, resume=True)
    with writer.step(STEPS, Mode.TRAIN, STEPS) as record:
        record.add("loss", np.float32(STEPS))
        record.add("weight", value(STEPS))
        record.add_reduction("weight", "mean", STEPS)
    writer.end()
    log = open_log(copy)
    assert readable(log) == set(range(STEPS + 1))
    assert log.reductions("weight")["mean", False][6] == 6


def test_foreign_files_are_not_looked_at(copy: Path) -> None:
    for path in (
        "index/notes.txt", "index/000000000/readme.md", "index/000000000/.x.json.1.tmp", "events/x/y.tfevents",
        "collections/000000000/other.txt", "tintype/strange", "index/000000000/000000000009_worker_0.json.tmp",
    ):  # fmt: skip
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(b"\x00something")
    log = open_log(copy)
    assert readable(log) == set(range(STEPS))
    assert log.problems == {}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"collections": []}', b'{"collections": {"a": {}}}'])
def test_bad_collections_are_named(copy: Path, content: bytes) -> None:
    (copy / "collections/000000000/worker_0_collections.json").write_bytes(content)
    log = open_log(copy)
    assert readable(log) == set(range(STEPS))
    assert list(log.problems) == ["collections/000000000/worker_0_collections.json"]


@pytest.mark.parametrize("path", ["/etc/passwd", "events/../../secret", "../events/x"])
def test_an_index_cannot_point_outside_of_the_log(copy: Path, path: str) -> None:
    index = without_journal(copy) / "index/000000000/000000000001_worker_0.json"
    document = json.loads(index.read_bytes())
    document["meta"]["event_file_name"] = path
    index.write_text(json.dumps(document))
    log = open_log(copy)
    assert readable(log) == set(range(STEPS))       # it is read from where it belongs
    assert "is no place for an event file" in log.problems["index/000000000/000000000001_worker_0.json"]


@pytest.mark.parametrize(("start", "length"), [(0, 1 << 50), (1 << 50, 100), (3, 200), (0, 0)])
def test_an_index_that_lies_about_places(copy: Path, start: int, length: int) -> None:
    index = without_journal(copy) / "index/000000000/000000000001_worker_0.json"
    document = json.loads(index.read_bytes())
    document["tensor_payload"][1].update(start_idx=start, length=length)
    index.write_text(json.dumps(document))
    log = open_log(copy)
    assert readable(log) == {0, 2, 3, 4, 5}
    with pytest.raises(StorageFailed):
        log.value("weight", 1)


def test_a_log_of_smdebug_and_one_of_ours_in_one_place(copy: Path) -> None:
    """Another worker without a journal, as real smdebug writes it: constant footers, no seal."""
    events = copy / "events/000000000000"
    content = (events / "000000000000_worker_0.tfevents").read_bytes()
    (events / "000000000000_worker_1.tfevents").write_bytes(content)
    index = json.loads((copy / "index/000000000/000000000000_worker_0.json").read_bytes())
    index["meta"]["event_file_name"] = "events/000000000000/000000000000_worker_1.tfevents"
    del index["shape_payload"]
    (copy / "index/000000000/000000000000_worker_1.json").write_text(json.dumps(index))
    log = open_log(copy)
    assert log.workers == ("worker_0", "worker_1")
    assert log.workers_of("weight", 0) == ["worker_0", "worker_1"]
    np.testing.assert_array_equal(log.value("weight", 0, worker="worker_1"), value(0))
