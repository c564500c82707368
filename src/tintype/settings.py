"""What the machine and its owner decide, read once from the environment and frozen.

Nothing else in Tintype reads `os.environ`, except process entry points that read it to make a `Settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tintype.errors import InvalidRequest

GIB = 1024**3
RECORDS_FILE = "tintype.db"         # of a home, unless its records are in a database elsewhere
TRUE = {"1", "true", "yes", "on"}

# environment variable -> field of Settings
VARIABLES = {
    "TINTYPE_HOME": "home",
    "TINTYPE_DATABASE_URL": "database_url",
    "TINTYPE_WEIGHTS": "weights_dir",
    "TINTYPE_OFFLINE": "offline",
    "TINTYPE_CACHE_BYTES": "cache_limit_bytes",
    "TINTYPE_MAX_PIXELS": "max_image_pixels",
}


class Settings(BaseModel):
    """Where things are and what the limits are.

    Everything Tintype writes is below `home`, unless `database_url` or `weights_dir` say otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Path("~/.tintype")
    database_url: str | None = None                             # None: SQLite in `home`
    weights_dir: Path | None = None                             # None: `home`/weights
    offline: bool = False                                       # True: no network, not even a freshness check
    cache_limit_bytes: int = Field(default=20 * GIB, ge=0)      # decoded images and features together
    max_image_pixels: int = Field(default=100_000_000, ge=1)    # larger images are refused before decoding

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], home: Path | None = None) -> Settings:
        """Settings from `environ`; an explicit `home` (the `--home` option) wins over `TINTYPE_HOME`."""
        given = {field: environ[name] for name, field in VARIABLES.items() if environ.get(name)}
        if any(environ.get(name, "").lower() in TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
            given.setdefault("offline", "1")
        if home is not None:
            given["home"] = str(home)
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0])
            variable = next(name for name, one in VARIABLES.items() if one == field)
            raise InvalidRequest(f"{variable}={first['input']!r}: {first['msg']}; unset it or correct it") from error
        return settings.model_copy(
            update={
                "home": _absolute(settings.home),
                "weights_dir": _absolute(settings.weights_dir) if settings.weights_dir else None,
            }
        )

    @property
    def weights(self) -> Path:
        """The local weights folder."""
        return self.weights_dir or self.home / "weights"

    @property
    def records_url(self) -> str:
        """The record store."""
        return self.database_url or f"sqlite:///{self.home / RECORDS_FILE}"

    @property
    def caches(self) -> Path:
        """Decoded images and backbone features; safe to delete at any time."""
        return self.home / "caches"


def _absolute(path: Path) -> Path:
    if any(letter == "?" or "\udc80" <= letter <= "\udcff" for letter in str(path)):
        why = "has a question mark or is not UTF-8, which the address of the store cannot have"
        raise InvalidRequest(f"the name of {path} {why}; choose another folder")
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        hint = "give --home (or TINTYPE_HOME, TINTYPE_WEIGHTS) a path from the root on"
        raise InvalidRequest(f"there is no home folder of a user for {path}; set HOME, or {hint}") from error
