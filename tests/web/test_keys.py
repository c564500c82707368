"""The key of a home: one, whoever asks first, and its owner's alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tintype.errors import StorageFailed
from tintype.web.keys import home_key, key_file


def test_a_home_has_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: home_key(tmp_path), range(16)))
    assert len(found) == 1
    key = found.pop()
    assert (len(key.access_key_id), len(key.secret_access_key)) == (20, 40)
    assert key.secret_access_key not in repr(key)
    assert home_key(tmp_path / "other") != key


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    home_key(tmp_path)
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"access_key_id": 1'])
def test_a_damaged_file_is_said_to_be(tmp_path: Path, text: str) -> None:
    home_key(tmp_path)
    key_file(tmp_path).write_text(text)
    with pytest.raises(StorageFailed, match="damaged"):
        home_key(tmp_path)
