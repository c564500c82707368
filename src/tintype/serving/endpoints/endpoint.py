"""An endpoint: a model that is asked for over HTTP, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, final

from tintype.errors import Conflict
from tintype.serving.endpoints.desired import Wishes
from tintype.serving.endpoints.process import ProcessIdentity
from tintype.serving.front.listening import url_of

Json = dict[str, Any]


class Status(StrEnum):
    """SageMaker's words for the state of an endpoint."""

    CREATING = "Creating"
    UPDATING = "Updating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    OUT_OF_SERVICE = "OutOfService"                     # it served, and should; it can be brought back
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"     # as that, after an update that was given up
    FAILED = "Failed"
    DELETING = "Deleting"


SERVING = frozenset({Status.IN_SERVICE, Status.UPDATING, Status.ROLLING_BACK})
DOWN = frozenset({Status.OUT_OF_SERVICE, Status.UPDATE_ROLLBACK_FAILED})

# A record is written by whoever looks, from what is: states that passed while nobody looked are not in it.
NEXT: Mapping[Status, frozenset[Status]] = {
    Status.CREATING: SERVING | DOWN | {Status.FAILED, Status.DELETING},
    **{one: (SERVING | DOWN | {Status.DELETING}) - {one} for one in SERVING | DOWN},
    Status.FAILED: frozenset({Status.DELETING}),
    # A deletion that was cut off is shown as Failed, and can be begun again; so can one that is under way.
    Status.DELETING: frozenset({Status.FAILED, Status.DELETING}),
}


@final
@dataclass(frozen=True)
class Variant:
    """One model behind an endpoint, with its share of the traffic."""

    name: str
    archive: str                # where the model came from
    weight: float = 1.0
    instances: int = 1          # worker processes, as they are wanted
    shadow: bool = False        # it is asked as well, and nobody gets its answers


@final
@dataclass(frozen=True)
class Update:
    """How far an update has come."""

    stage: str                  # Starting, Shifting, Baking, RollingBack
    share: float                # of the traffic, that the new replicas have, 0 to 1


@final
@dataclass(frozen=True)
class ServerDirectory:
    """The files of one endpoint's server. Two endpoints of one name, one after the other, never share any."""

    root: Path

    @property
    def log(self) -> Path:
        """What the server said, as far as it is not in `server.log.1`: see `server_log`."""
        return self.root / "server.log"

    @property
    def state(self) -> Path:
        """What the server tells of itself: `process.State`."""
        return self.root / "state.json"

    @property
    def command(self) -> Path:
        """How the server was started, for when it has to be again: a JSON list."""
        return self.root / "command.json"

    @property
    def models(self) -> Path:
        """The archives of its variants, kept so that nothing that is done to the originals harms it."""
        return self.root / "models"

    @property
    def wishes(self) -> Wishes:
        """What is wanted of it, and what is."""
        return Wishes(self.root)

    @property
    def token(self) -> Path:
        """The token that callers must send, readable by the owner alone; not there when none is needed."""
        return self.root / "token"


@final
@dataclass(frozen=True)
class Endpoint:
    """One endpoint as its record holds it. Times are seconds since the epoch, UTC; 0 means not yet."""

    name: str
    directory: str                              # of its server, see `ServerDirectory`
    variants: tuple[Variant, ...]
    owner: ProcessIdentity                      # the process that creates or deletes it
    host: str
    port: int = 0                               # 0: not listening yet
    drain_seconds: float = 20.0                 # what requests that are being answered get at the end
    status: Status = Status.CREATING
    failure_reason: str = ""
    server: ProcessIdentity | None = None
    created_at: float = 0.0
    changed_at: float = 0.0
    update: Update | None = None                # the one that is under way
    before: tuple[Variant, ...] = ()            # the variants that it goes back to when that is given up

    @property
    def url(self) -> str | None:
        """Where to ask, e.g. "http://127.0.0.1:8080"; None unless it answers."""
        return url_of(self.host, self.port) if self.status in SERVING else None

    @property
    def files(self) -> ServerDirectory:
        """The files of its server."""
        return ServerDirectory(Path(self.directory))

    @property
    def token(self) -> str | None:
        """The token that callers must send, or None."""
        return self.files.token.read_text() if self.files.token.is_file() else None

    def moved(self, status: Status, *, at: float, reason: str = "") -> Endpoint:
        """The endpoint after a legal move. `Conflict` names it and both states when it is not one."""
        if status not in NEXT[self.status]:
            raise Conflict(f"endpoint {self.name!r} is {self.status}; it cannot become {status}")
        return replace(self, status=status, failure_reason=reason, changed_at=at)

    def to_json(self) -> Json:
        """The document that the record keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Endpoint:
        """The inverse of `to_json`."""
        server, update = document["server"], document.get("update")
        return cls(
            **{
                **document,
                "variants": tuple(Variant(**one) for one in document["variants"]),
                "before": tuple(Variant(**one) for one in document.get("before", ())),
                "owner": ProcessIdentity(**document["owner"]),
                "server": None if server is None else ProcessIdentity(**server),
                "status": Status(document["status"]),
                "update": None if update is None else Update(**update),
            }
        )

    def describe(self) -> Json:
        """What `tintype endpoints show --json` prints."""
        return {
            "name": self.name,
            "status": self.status,
            "failure_reason": self.failure_reason,
            "url": self.url,
            "variants": [asdict(one) for one in self.variants],
            "update": asdict(self.update) if self.update else None,
            "directory": self.directory,
            "log": str(self.files.log),
            "pid": self.server.pid if self.server else None,
            "created_at": self.created_at,
        }
