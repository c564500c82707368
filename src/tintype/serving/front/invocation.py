"""One request to a model and its answer: what HTTP, routing, capture and the model's replicas say to one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, final


@final
@dataclass(frozen=True)
class Invocation:
    """A request whose body has arrived whole and within the limits."""

    request_id: str
    body: bytes
    content_type: str | None = None
    accept: str | None = None
    deadline: float = float("inf")          # time.monotonic() by which the answer must be there
    custom_attributes: str = ""             # X-Amzn-SageMaker-Custom-Attributes, handed on to the model and back
    target_variant: str | None = None       # X-Amzn-SageMaker-Target-Variant; None: whichever the weights say


@final
@dataclass(frozen=True)
class Arrival:
    """A request of which the head has arrived."""

    seconds: float                          # that are left until its deadline
    target_variant: str | None = None
    coming: int = 0                         # others like it, whose bodies are on their way


@final
@dataclass(frozen=True)
class Classified:
    """What a model of our own said of one picture; unknown for a user's script."""

    index: int
    label: str
    probability: float


@final
@dataclass(frozen=True)
class Answer:
    """What the model answered. `phases` are seconds by name: "queue", "decode", "inference", "encode"."""

    status: int
    content: bytes
    content_type: str
    phases: Mapping[str, float] = field(default_factory=dict)
    classify: Callable[[], tuple[Classified, ...]] = tuple      # what was said, for those who note it later
    brightness: tuple[float, ...] = ()      # mean of each picture that the network was fed, 0 to 1, for drift
    custom_attributes: str = ""
    variant: str = ""                       # who answered, for x-Amzn-Invoked-Production-Variant

    @cached_property
    def classified(self) -> tuple[Classified, ...]:
        """What the model said of each picture. It is not in the caller's way: nobody asks before his answer is out."""
        return self.classify()


class Model(Protocol):
    """Something that answers invocations: the replicas of one variant, or an endpoint."""

    def check_room(self, arrival: Arrival) -> None:
        """`Busy` for a request that would only be refused later: known before its body is read."""
        ...

    @property
    def is_alive(self) -> bool:
        """There is a process that could answer. False while all of them have died and none has come up again."""
        ...

    async def invoke(self, invocation: Invocation) -> Answer:
        """The answer. Raises `TintypeError`: `Busy` when the queue is full, `InvalidRequest` for a bad body, ..."""
        ...
