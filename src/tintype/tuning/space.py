"""The search space: some ranges, each for another hyperparameter, and the points in it.

A point is a dictionary from the names of all ranges, in their order, to values. Where no range is continuous the points
can be counted, and numbered from 0 in the order of nested loops over the ranges with the last one turning fastest.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias, final

from tintype.errors import InvalidRequest
from tintype.tuning.ranges import Categorical, Continuous, Integer, Range, Value, range_from_json, range_to_json

Point: TypeAlias = dict[str, Value]
Key: TypeAlias = tuple[Value, ...]


@final
@dataclass(frozen=True)
class Space:
    """What is searched. `InvalidRequest` when it is empty or names a hyperparameter twice."""

    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranges", tuple(self.ranges))
        if not self.ranges:
            raise InvalidRequest("there are no ranges, so there is nothing to tune; give one such as lr=0.001:0.1:log")
        for position, name in enumerate(self.names):
            if name in self.names[:position]:
                raise InvalidRequest(f"hyperparameter {name!r} has two ranges; give it one")

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters that are tuned."""
        return tuple(one.name for one in self.ranges)

    @property
    def size(self) -> int | None:
        """How many points there are; None when a range is continuous."""
        sizes = [one.size for one in self.ranges]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def __getitem__(self, name: str) -> Range:
        return self.ranges[self.names.index(name)]

    def pinned(self, name: str, value: Value) -> Space:
        """The same space with hyperparameter `name` held at `value`."""
        return Space(tuple(Categorical(name, (value,)) if one.name == name else one for one in self.ranges))

    def from_unit(self, units: Mapping[str, float]) -> Point:
        """The point at the given coordinates in [0, 1]."""
        return {one.name: one.from_unit(units[one.name]) for one in self.ranges}

    def numbered(self, number: int) -> Point:
        """Point `number`, from 0 to `size` - 1. Only for a space whose points can be counted."""
        point: Point = {}
        for one in reversed(self.ranges):
            number, digit = divmod(number, one.size or 1)
            point[one.name] = _nth(one, digit)
        return {name: point[name] for name in self.names}

    def key(self, point: Mapping[str, Value]) -> Key:
        """What tells points apart."""
        return tuple(point[name] for name in self.names)

    def draw(self, random: Random) -> Point:
        """A random point, even over each range's scale."""
        return self.from_unit({name: random.random() for name in self.names})

    def near(self, wanted: Point, seen: Collection[Key], random: Random) -> Point | None:
        """`wanted` when it is not among `seen`, otherwise one of the points fewest steps away that is not.

        A step takes an integer to its neighbour or a categorical one to any other value; ties are broken by `random`.
        None when all points of a space that can be counted were seen. With a continuous range `wanted` is returned
        as it is: two draws are equal there only by accident.
        """
        if self.size is None:
            return wanted
        queue, queued = deque([wanted]), {self.key(wanted)}
        while queue:
            point = queue.popleft()
            if self.key(point) not in seen:
                return point
            steps = [one for one in self._steps(point) if self.key(one) not in queued]
            random.shuffle(steps)
            queue.extend(steps)
            queued.update(map(self.key, steps))
        return None

    def _steps(self, point: Point) -> Iterator[Point]:
        for one in self.ranges:
            for value in _neighbours(one, point[one.name]):
                yield {**point, one.name: value}

    def to_json(self) -> list[dict[str, Any]]:
        """The ranges as JSON; `from_json` reads them back."""
        return [range_to_json(one) for one in self.ranges]

    @classmethod
    def from_json(cls, document: list[dict[str, Any]]) -> Space:
        """The space that `to_json` wrote. `InvalidRequest` for anything else."""
        return cls(tuple(range_from_json(one) for one in document))


def _nth(one: Range, digit: int) -> Value:
    match one:
        case Categorical():
            return one.values[digit]
        case Integer():
            return one.low + digit
        case Continuous():
            return one.low


def _neighbours(one: Range, value: Value) -> Iterator[Value]:
    match one:
        case Categorical():
            yield from (other for other in one.values if other != value)
        case Integer():
            yield from (other for other in (int(value) - 1, int(value) + 1) if one.contains(other))
        case Continuous():
            return
