"""What an operation is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tintype.web.context import Context
from tintype.web.message import Members as Members

Operation = Callable[[Context, Members], Members] | Callable[[Context, Members], Awaitable[Members]]
"""`def f(context, request) -> answer`: runs in a thread and may block for some milliseconds.

`async def f(...)`: runs on the event loop and must not block; for calls that wait for another server. The request has
passed botocore's constraints. The answer's members are those of the operation's output shape (None means absent).
Where the model says that a member streams (`Body`), the answer may have bytes or an async iterator of bytes there,
and for an event stream an async iterator of `{event name: members}`. To say no, raise `AwsFault`, or any
`TintypeError`, which `faults.CODES` translates.
"""
