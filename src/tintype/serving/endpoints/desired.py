"""An endpoint's two files: what is wanted of it, written by whoever commands, and what is, written by its front alone.

    <directory>/desired.json        `Desired`: a configuration and its number, which only grows
    <directory>/observed.json       `Observed`: which configuration serves, and what became of the newest one

Archives are named in the first as they were given, in the second as they are kept: see `kept_models`.

Whoever is killed between the two loses nothing: the front looks at both when it starts and goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pydantic import BaseModel, ConfigDict, ValidationError

from tintype.errors import Conflict, NotFound, StorageFailed
from tintype.serving.endpoints.config import EndpointConfig
from tintype.storage import exclusive_lock, read_json, write_json

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Desired(BaseModel):
    """What is wanted. A larger `version` is a newer wish."""

    model_config = _FROZEN

    version: int
    config: EndpointConfig


class Observed(BaseModel):
    """What is, as far as it must outlive the front."""

    model_config = _FROZEN

    version: int = 0                            # of the configuration that serves; 0: none yet
    config: EndpointConfig | None = None        # that one
    seen: int = 0                               # the newest wish that was taken up
    rejected: int = 0                           # the newest wish that was given up; what serves stayed
    reason: str = ""                            # why
    stage: str = ""                             # of an update under way: Starting, Shifting, Baking, RollingBack
    share: float = 0.0                          # of the traffic, that the new replicas have

    def settled(self, version: int) -> bool:
        """What was wanted by that version, or by a newer one, is, or has been given up."""
        return not self.stage and max(self.version, self.rejected) >= version


@final
@dataclass(frozen=True)
class Wishes:
    """The two files of one endpoint."""

    directory: Path

    @property
    def desired_file(self) -> Path:
        """What is wanted."""
        return self.directory / "desired.json"

    @property
    def observed_file(self) -> Path:
        """What is."""
        return self.directory / "observed.json"

    def desired(self) -> Desired:
        """What is wanted. `NotFound` when the endpoint is gone, `StorageFailed` when the file is damaged."""
        return _read(Desired, self.desired_file)

    def standing(self) -> Desired:
        """What the endpoint is to stay at: what serves, over models that are kept; the newest wish while that is being
        made real. As `desired`."""
        desired, observed = self.desired(), self.observed()
        is_over = max(observed.version, observed.rejected) >= desired.version
        return desired.model_copy(update={"config": observed.config}) if is_over and observed.config else desired

    def stamp(self) -> tuple[int, int] | None:
        """What tells one state of `desired_file` from another; None when there is none."""
        try:
            found = self.desired_file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def observed(self) -> Observed:
        """What is; an empty one before the front has first written it."""
        try:
            return _read(Observed, self.observed_file)
        except NotFound:
            return Observed()

    def wish(self, config: EndpointConfig, after: int | None = None) -> Desired:
        """Want this from now on. Durable when it returns.

        `Conflict` when the newest wish is not that of version `after`, which `config` was made from.
        """
        with exclusive_lock(self.directory / "desired.lock"):
            try:
                newest = self.desired().version
            except NotFound:
                newest = 0
            if after is not None and after != newest:
                raise Conflict("the endpoint's configuration was changed by somebody else just now; try again")
            wanted = Desired(version=newest + 1, config=config)
            write_json(self.desired_file, wanted.model_dump(mode="json"))
        return wanted

    def tell(self, observed: Observed) -> None:
        """Write what is. Only the front calls it."""
        write_json(self.observed_file, observed.model_dump(mode="json"))


def _read(kind: type[Any], path: Path) -> Any:
    try:
        return kind.model_validate(read_json(path))
    except (StorageFailed, ValidationError) as error:
        raise StorageFailed(f"{path} is damaged; delete the endpoint and make it anew") from error
