from __future__ import annotations

from tintype.training.shelf import Shelf


def test_a_thing_is_made_once() -> None:
    shelf, made = Shelf(), list[int]()
    for _ in range(3):
        shelf.take("a", lambda: made.append(1))
    assert made == [1]


def test_the_thing_used_longest_ago_makes_room() -> None:
    shelf = Shelf(places=2)
    for key in "abac":
        shelf.take(key, lambda: key)            # noqa: B023
    made: list[str] = []
    for key in "ab":
        shelf.take(key, lambda: made.append(key))       # noqa: B023
    assert made == ["b"]
