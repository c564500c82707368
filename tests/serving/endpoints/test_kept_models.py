"""Archives that an endpoint keeps: one copy of each state of a file, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving.stand_in import config
from tintype.errors import NotFound
from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ShadowVariant
from tintype.serving.endpoints.kept_models import KeptModels

LARGE = 40 * 1024**3            # of nothing: it takes no room, and longer to be copied than anybody waits


def keep(models: KeptModels, wanted: EndpointConfig) -> EndpointConfig:
    return asyncio.run(models.keep(wanted))


def archives_of(kept: EndpointConfig) -> list[str]:
    return [one.model.archive for one in (*kept.variants, *kept.shadows)]


def test_a_file_that_has_not_changed_has_one_copy(tmp_path: Path) -> None:
    models = KeptModels(tmp_path / "models")
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"first")
    shadow = ShadowVariant(name="s", model=ModelSource(archive=str(path), code=str(path)))
    wanted = config(str(path), str(tmp_path), "not there", "", shadows=(shadow,))
    first = keep(models, wanted)
    copy, folder, missing, none, shadowed = archives_of(first)
    assert (folder, missing, none, shadowed) == (str(tmp_path), "not there", "", copy)
    assert first.shadows[0].model.code == copy
    assert Path(copy).read_bytes() == b"first"
    assert keep(models, wanted) == keep(models, first) == first

    path.write_bytes(b"second")
    second = keep(models, wanted)
    assert Path(archives_of(second)[0]).read_bytes() == b"second"
    assert Path(copy).read_bytes() == b"first"
    models.forget(second, None)
    assert not Path(copy).exists()
    path.unlink()
    assert keep(models, second) == second
    models.forget()
    assert not list(models.root.iterdir())


def test_whoever_is_cancelled_leaves_no_half_copy(tmp_path: Path) -> None:
    models = KeptModels(tmp_path / "models")
    path = tmp_path / "large.tar.gz"
    path.touch()
    os.truncate(path, LARGE)

    async def story() -> None:
        keeping = asyncio.create_task(models.keep(config(str(path))))
        while not list(models.root.glob("*/.*.part")):
            await asyncio.sleep(0.01)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping

    asyncio.run(story())                # its end waits for the thread
    assert not [one for one in models.root.rglob("*") if one.is_file()]


def test_what_a_killed_front_left_of_a_copy_is_removed(tmp_path: Path) -> None:
    models = KeptModels(tmp_path / "models")
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"first")
    (copy,) = map(Path, archives_of(keep(models, config(str(path)))))
    copy.rename(copy.with_name(".model.tar.gz.abc.part"))
    keep(models, config(str(path)))
    assert list(copy.parent.iterdir()) == [copy]


@contextmanager
def written_to_all_the_time(path: Path) -> Iterator[None]:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            os.utime(path, ns=(number, number))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_an_archive_that_changes_all_the_time_is_not_kept(tmp_path: Path) -> None:
    models = KeptModels(tmp_path / "models")
    path = tmp_path / "model.tar.gz"
    path.write_bytes(bytes(8 * 1024**2))
    with written_to_all_the_time(path), pytest.raises(NotFound, match="changes all the time"):
        keep(models, config(str(path)))
    assert not [one for one in models.root.rglob("*") if one.is_file()]
