"""How to ask the model: lines to paste, with an image that exists."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import PurePath

from tintype.reports.run_report import Missing, RunReport

CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
NO_ADDRESS = "http://127.0.0.1:PORT"                        # when nothing is deployed yet


@dataclass(frozen=True)
class Example:
    """A piece of code to copy."""

    title: str
    code: str


def examples(report: RunReport) -> tuple[Example, ...]:
    """For the shell, for Python, and our own command. Without an endpoint, how to make one comes first."""
    endpoint = report.endpoint
    missing = isinstance(endpoint, Missing)
    name, address = (report.name, NO_ADDRESS) if missing else (endpoint.name, endpoint.url)
    suffix = PurePath(report.sample_file).suffix.lower()
    photo = report.sample_file if suffix in CONTENT_TYPES else "photo.jpg"
    kind, url = CONTENT_TYPES.get(suffix, "image/jpeg"), f"{address.rstrip('/')}/invocations"
    asked = (
        Example("From a shell", _shell(photo, kind, url)),
        Example("From Python", _python(photo, kind, url)),
        Example("With Tintype", f"tintype predict {shlex.quote(name)} {shlex.quote(photo)}"),
    )
    return (Example("Deploy it first", f"tintype deploy {shlex.quote(name)}"), *asked) if missing else asked


def _shell(photo: str, kind: str, url: str) -> str:
    return f"curl --data-binary @{shlex.quote(photo)} -H 'Content-Type: {kind}' {shlex.quote(url)}"


def _python(photo: str, kind: str, url: str) -> str:
    return (
        "import httpx\n\n"
        f"image = open({photo!r}, 'rb').read()\n"
        f"answer = httpx.post({url!r}, content=image, headers={{'Content-Type': {kind!r}}})\n"
        "print(answer.json())"
    )
