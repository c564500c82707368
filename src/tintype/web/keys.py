"""The key pair of a home: made on first use, readable by its owner alone. Who has it may do everything."""

from __future__ import annotations

import json
import os
import secrets
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from tintype.errors import StorageFailed
from tintype.storage import exclusive_lock, read_json, storage_errors

ID_LETTERS = string.ascii_uppercase + "234567"
SECRET_LETTERS = string.ascii_letters + string.digits       # no '/' or '+': people paste it into shells and URLs


@final
@dataclass(frozen=True)
class KeyPair:
    """An access key as AWS's are: an id of 20 letters that is no secret, and a secret of 40."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


def key_file(home: Path) -> Path:
    """Where the key of a home is."""
    return home / "server" / "key.json"


def home_key(home: Path) -> KeyPair:
    """The key of a home, made when there is none. Raises `StorageFailed`."""
    path = key_file(home)
    with exclusive_lock(path.with_suffix(".lock")):
        if not path.exists():
            _write(path, KeyPair(f"AKIA{_random(ID_LETTERS, 16)}", _random(SECRET_LETTERS, 40)))
        found = read_json(path)
    try:
        return KeyPair(str(found["access_key_id"]), str(found["secret_access_key"]))
    except (KeyError, TypeError) as error:
        raise StorageFailed(f"{path} is damaged; remove it, and the next start makes a new key") from error


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))


def _write(path: Path, key: KeyPair) -> None:
    """Nobody else may read it, not even before it has its name."""
    document = {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
    temporary = path.with_suffix(".part")
    with storage_errors(path):
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(document, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
