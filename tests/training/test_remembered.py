from __future__ import annotations

from pathlib import Path

import pytest

from tintype.training.remembered import Remembered

KEY = {"images": "abc", "side": 64}


def test_a_fact_is_found_out_once(tmp_path: Path) -> None:
    found_out: list[int] = []

    def find_out() -> list[float]:
        found_out.append(1)
        return [0.1, 0.2]

    assert Remembered(tmp_path).find("colours", KEY) is None
    for _ in range(3):
        assert Remembered(tmp_path).take("colours", KEY, find_out) == [0.1, 0.2]
    assert len(found_out) == 1


def test_facts_of_another_kind_or_key_are_others(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path)
    remembered.keep("colours", KEY, 1)
    assert remembered.take("heads", KEY, lambda: 2) == 2
    assert remembered.take("colours", {**KEY, "side": 32}, lambda: 3) == 3
    assert remembered.find("colours", KEY) == 1


@pytest.mark.parametrize("damage", [b"", b"[0.1, 0.", b"\x00" * 40])
def test_a_damaged_fact_is_found_out_again(tmp_path: Path, damage: bytes) -> None:
    remembered = Remembered(tmp_path)
    remembered.keep("colours", KEY, [0.5])
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(damage)
    assert remembered.take("colours", KEY, lambda: [0.6]) == [0.6]
    assert remembered.find("colours", KEY) == [0.6]
