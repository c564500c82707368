"""Load on an HTTP server, made by wrk: a compiled program, so that what is measured is the server.

A body is written to a file once, in the form that a server wants it; wrk sends the files in turn, see peers/post.lua.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import PEERS

SCRIPT = PEERS / "post.lua"
ANSWER_SECONDS = 60         # a request without an answer for so long is an error
BOUNDARY = "----tintype-benchmark"


def absence() -> str | None:
    """Why there can be no load; None when there can."""
    return None if shutil.which("wrk") else "wrk is not installed; apt-get install wrk"


@dataclass(frozen=True)
class Load:
    """What wrk saw. Times are milliseconds, of all answers whatever their status."""

    requests: int
    seconds: float
    milliseconds: dict[str, float]      # percentile -> latency
    worst: float
    mean: float
    statuses: dict[str, int]
    late: int                           # could not be sent at their time, as every connection was busy
    connect: int                        # errors of the network, by kind
    read: int
    write: int
    timeout: int

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.statuses.get("200", 0) / self.seconds

    @property
    def failures(self) -> int:
        """Requests that got no good answer."""
        refused = sum(count for status, count in self.statuses.items() if status != "200")
        return refused + self.connect + self.read + self.write + self.timeout


@dataclass(frozen=True)
class Bodies:
    """Requests that are ready to be sent."""

    content_type: str
    listing: Path                       # names the files with the bodies, one a line

    @classmethod
    def at(cls, folder: Path, form: str) -> Bodies:
        """Those that were written to `folder` before."""
        return cls(FORMS[form][0], folder / "listing")


def raw(photograph: bytes) -> bytes:
    """The file itself."""
    return photograph


def base64_json(photograph: bytes) -> bytes:
    """As LitServe's documentation sends it."""
    return json.dumps({"image_data": base64.b64encode(photograph).decode()}).encode()


def multipart(photograph: bytes) -> bytes:
    """As a form with one file called images."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + photograph + f"\r\n--{BOUNDARY}--\r\n".encode()


# how a server wants a photograph -> (content type, how the body is made)
FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "raw": ("image/jpeg", raw),
    "json": ("application/json", base64_json),
    "form": (f"multipart/form-data; boundary={BOUNDARY}", multipart),
}


def write_bodies(form: str, photographs: Sequence[bytes], folder: Path) -> Bodies:
    """Write the bodies below the new `folder`."""
    content_type, make = FORMS[form]
    folder.mkdir(parents=True)
    files = [folder / f"{number:03d}.body" for number in range(len(photographs))]
    for file, photograph in zip(files, photographs, strict=True):
        file.write_bytes(make(photograph))
    listing = folder / "listing"
    listing.write_text("".join(f"{file}\n" for file in files))
    return Bodies(content_type, listing)


def fire(url: str, bodies: Bodies, *, connections: int, seconds: float, rate: float = 0.0) -> Load:
    """Send requests for so long, over so many connections: one after another, or `rate` a second at random moments.

    Raises `RuntimeError` with wrk's last words when it fails.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "--timeout", f"{ANSWER_SECONDS}s"]
    command += ["-s", str(SCRIPT), url, "--", bodies.content_type, str(rate), str(bodies.listing)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 2 * ANSWER_SECONDS, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode or not last.startswith("{"):
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-500:]}")
    return Load(**json.loads(last))
