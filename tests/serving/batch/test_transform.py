"""Batch transform: a file for each input, whatever happens in between."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest

from tintype.errors import BadData, InvalidRequest, StorageFailed, Unauthorised
from tintype.serving.batch.transform import Input, output_path, transform


def inputs(folder: Path, *keys: str) -> list[Input]:
    made = []
    for key in keys:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key)
        made.append(Input(key, path))
    return made


def test_each_input_has_its_output(tmp_path: Path) -> None:
    asked: list[tuple[bytes, str, str]] = []

    def invoke(content: bytes, content_type: str, accept: str) -> bytes:
        asked.append((content, content_type, accept))
        return b"<" + content + b">"

    given = inputs(tmp_path / "in", "a.jpg", "deep/b.jpg")
    out = tmp_path / "out"
    told: list[tuple[int, int]] = []
    found = transform(
        invoke, given, out, content_type="image/jpeg", accept="text/csv", progress=lambda *one: told.append(one)
    )
    assert (found.done, found.passed_over, found.problems) == (2, 0, ())
    assert (out / "a.jpg.out").read_bytes() == b"<a.jpg>"
    assert (out / "deep" / "b.jpg.out").read_bytes() == b"<deep/b.jpg>"
    assert asked[0] == (b"a.jpg", "image/jpeg", "text/csv")
    assert told == [(0, 2), (1, 2), (2, 2)]
    (out / "a.jpg.out").unlink()
    again = transform(invoke, given, out)
    assert (again.done, again.passed_over) == (1, 1)
    assert len(asked) == 3


def test_a_bad_file_is_a_problem_and_the_others_go_on(tmp_path: Path) -> None:
    def invoke(content: bytes, *_: str) -> bytes:
        if content == b"b":
            raise InvalidRequest("no picture")
        return content

    given = [*inputs(tmp_path / "in", "a", "b", "c"), Input("gone", tmp_path / "gone")]
    found = transform(invoke, given, tmp_path / "out", concurrent=2)
    assert found.done == 2
    assert dict(found.problems) == {"b": "no picture", "gone": "cannot be read: No such file or directory"}
    assert not (tmp_path / "out" / "b.out").exists()


def test_a_disk_that_fills_up_ends_it_and_the_next_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked, has_room = tempfile.mkstemp, [], threading.Event()

    def on_a_full_disk(dir: Path, **names: str) -> tuple[int, str]:
        descriptor, path = real(dir=dir, **names)
        if len(asked) > 3 and not has_room.is_set():
            os.close(descriptor)
            descriptor = os.open("/dev/full", os.O_WRONLY)      # the kernel says that there is no space left
        return descriptor, path

    def invoke(content: bytes, *_: str) -> bytes:
        asked.append(content)
        return b"<" + content + b">"

    monkeypatch.setattr(tempfile, "mkstemp", on_a_full_disk)
    given, out = inputs(tmp_path / "in", *(f"{number:02d}" for number in range(50))), tmp_path / "out"
    with pytest.raises(StorageFailed, match=r"the disk is full while writing .*03\.out; free some space"):
        transform(invoke, given, out)
    assert sorted(path.name for path in out.iterdir()) == ["00.out", "01.out", "02.out"]    # whole ones, and no parts
    assert len(asked) < 50
    has_room.set()
    asked.clear()
    found = transform(invoke, given, out)
    assert (found.done, found.passed_over, found.problems) == (47, 3, ())
    assert {path.read_bytes() for path in out.iterdir()} == {b"<%02d>" % number for number in range(50)}
    assert len(asked) == 47


def test_what_is_no_fault_of_a_file_ends_it_all(tmp_path: Path) -> None:
    def invoke(*_: object) -> bytes:
        raise Unauthorised("wrong token")

    with pytest.raises(Unauthorised):
        transform(invoke, inputs(tmp_path / "in", *(f"{number}" for number in range(50))), tmp_path / "out")


def test_so_many_at_a_time_and_no_more(tmp_path: Path) -> None:
    lock, inside, most = threading.Lock(), [0], [0]
    together = threading.Barrier(3, timeout=60)

    def invoke(content: bytes, *_: str) -> bytes:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        together.wait()
        with lock:
            inside[0] -= 1
        return content

    transform(invoke, inputs(tmp_path / "in", *(f"{number}" for number in range(30))), tmp_path / "out", concurrent=3)
    assert most[0] == 3


@pytest.mark.parametrize("key", ["", "../up", "a/../../b", "/abs", "a//b", "nul\0"])
def test_keys_do_not_lead_out(tmp_path: Path, key: str) -> None:
    with pytest.raises(BadData, match="name that no file"):
        output_path(tmp_path, key)
