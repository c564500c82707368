"""Names of jobs, tuning jobs, models and endpoints, by SageMaker's rules."""

from __future__ import annotations

import re
import time

from tintype.errors import InvalidRequest

PATTERN = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
JOB_LENGTH = 63
TUNING_LENGTH = 32          # a trial's name is its tuning job's name with 13 characters more


def checked(kind: str, name: str, longest: int = JOB_LENGTH) -> str:
    """`name` when it may be used; `InvalidRequest` says what is wrong with it."""
    if len(name) > longest:
        raise InvalidRequest(f"{kind} names have at most {longest} characters; {name!r} has {len(name)}")
    if not PATTERN.fullmatch(name):
        rule = "letters, digits and hyphens, with a letter or digit at both ends"
        raise InvalidRequest(f"{kind} name {name!r}: a name is made of {rule}")
    return name


def stem_of(text: str, longest: int) -> str:
    """The nearest legal name to any text, e.g. a folder's name; "images" when nothing of it can be kept."""
    return re.sub(r"[^a-zA-Z0-9]+", "-", text)[:longest].strip("-") or "images"


def stamped(stem: str, at: float, longest: int = JOB_LENGTH) -> str:
    """`<stem>-YYMMDD-HHMM-SSmmm` in UTC, short enough; the milliseconds keep two starts apart."""
    moment = time.gmtime(at)
    stamp = time.strftime("%y%m%d-%H%M-%S", moment) + f"{int(at * 1000) % 1000:03d}"
    return f"{stem_of(stem, longest - len(stamp) - 1)}-{stamp}"
