"""The one error tree.

    TintypeError ─┬─ InvalidRequest     400  the caller can fix it        exit 2
                  │   ├─ BadData        400  a data set is unusable
                  │   ├─ BadImage       400  bytes that are not a usable image
                  │   ├─ BadArchive     400  a model or data archive that must not be trusted
                  │   ├─ Unsupported    415  a content type or format we do not read
                  │   ├─ NotAcceptable  406  none of the answer formats that the caller reads
                  │   └─ TooLarge       413  over a stated limit
                  ├─ Unauthorised       401  the token is missing or wrong           exit 2
                  ├─ NotFound           404  no such thing; lists near names  exit 2
                  ├─ Conflict           409  the name is taken, or somebody else changed it   exit 2
                  │   └─ LeaseLost      409  another process has taken over what this one looked after
                  ├─ Busy               429  the queue is full; come again later
                  ├─ TimedOut           504  not answered before its deadline
                  ├─ JobFailed          500  a job ended badly; carries its last log lines   exit 1
                  └─ StorageFailed      500  the disk is full, or refuses
                      └─ UnusableHome   500  not ours to write; another --home will do    exit 2

Every message says what happened, to what, and what to do. The two numbers are read by the
HTTP edge and by the command line, and by nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar

MOST_NEAR, MOST_LISTED = 3, 5       # names in a message
SHORTEST_BEGINNING = 3              # letters that say which names were meant that begin with them


class TintypeError(Exception):
    """Anything Tintype says on purpose. `str(error)` is one readable line."""

    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class InvalidRequest(TintypeError):
    """The caller asked for something that cannot be; the message names the field and what arrived."""

    http_status = 400
    exit_code = 2


class BadData(InvalidRequest):
    """A data set that cannot be used: nothing in it, one class, no permission, ..."""


class BadImage(InvalidRequest):
    """Bytes that are not an image we can decode safely."""


class BadArchive(InvalidRequest):
    """An archive with a member that must not be unpacked, or that is not what it says it is."""


class Unsupported(InvalidRequest):
    """A content type or format that is not read here; the message lists those that are."""

    http_status = 415


class NotAcceptable(InvalidRequest):
    """An answer was asked for in a format that is not written here; the message lists those that are."""

    http_status = 406


class TooLarge(InvalidRequest):
    """Over a stated limit; the message gives the limit and how to raise it."""

    http_status = 413


class Unauthorised(TintypeError):
    """The token is missing or wrong; the message never repeats what was sent."""

    http_status = 401
    exit_code = 2


class NotFound(TintypeError):
    """There is no such thing. Build it with `not_found` to list names that are near."""

    http_status = 404
    exit_code = 2


class Conflict(TintypeError):
    """The name is taken, or the record changed since it was read."""

    http_status = 409
    exit_code = 2


class LeaseLost(Conflict):
    """This process was taken for dead and replaced. It must stop writing; reading again does not help."""


class Busy(TintypeError):
    """The queue is full. `retry_after_seconds` is the server's guess."""

    http_status = 429

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TimedOut(TintypeError):
    """A request was not answered before its deadline."""

    http_status = 504


class JobFailed(TintypeError):
    """A job ended badly. `log_tail` holds its last log lines, oldest first."""

    def __init__(self, message: str, log_tail: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.log_tail = tuple(log_tail)


class StorageFailed(TintypeError):
    """The disk refused: it is full, or what is on it is damaged."""


class UnusableHome(StorageFailed):
    """The folder of --home, or something below it, is read-only, not ours, or no folder. Its owner can mend it."""

    exit_code = 2


def not_found(kind: str, name: str, known: Iterable[str], total: int = 0) -> NotFound:
    """A `NotFound` that asks whether a name was meant that is near `name`, or else says which there are.

    `total` is their number when not all of them are in `known`.
    """
    names = sorted(set(known))
    missing = f"there is no {kind} named {name!r}"
    if not names:
        return NotFound(f"{missing}; there are none yet")
    if near := _near(name, names):
        return NotFound(f"{missing}; did you mean {', '.join(map(repr, near))}?")
    count = max(total, len(names))
    there = "there is one" if count == 1 else f"there are {count:,}"
    more = ", ..." if count > MOST_LISTED else ""
    return NotFound(f"{missing}; {there}: {', '.join(map(repr, names[:MOST_LISTED]))}{more}")


def _near(name: str, names: Sequence[str]) -> list[str]:
    """Those that one may have meant: spelt alike but for capitals, or beginning with all that was typed."""
    plain = {one: one.casefold() for one in names}
    typed = name.casefold()
    alike = get_close_matches(typed, list(dict.fromkeys(plain.values())), n=MOST_NEAR)
    near = [one for word in alike for one in names if plain[one] == word]
    if len(typed) >= SHORTEST_BEGINNING:
        near += [one for one in names if plain[one].startswith(typed) and one not in near]
    return near[:MOST_NEAR]


def lines_of(error: BaseException) -> list[str]:
    """What an error of somebody else's says, without its blank lines; its kind when it says nothing."""
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
