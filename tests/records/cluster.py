"""A PostgreSQL server for the tests: found, started on a Unix socket in a folder of its own, stopped, removed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
NEEDED = ("initdb", "postgres", "pg_ctl", "psql")
USERS = ("postgres", "nobody")              # PostgreSQL refuses to run as root
FAST = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=16MB"


class NoPostgres(Exception):
    """Says what is missing."""


def binaries() -> Path:
    """The folder of PostgreSQL's programs, the newest first."""
    found = shutil.which("initdb")
    debian = sorted(DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    for folder in [*debian, *([Path(found).resolve().parent] if found else [])]:
        if all((folder / name).exists() for name in NEEDED):
            return folder
    raise NoPostgres("there is no PostgreSQL on this machine (Debian: apt-get install postgresql)")


def server_user() -> str | None:
    """Who the server runs as; None for ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in USERS:
        if name in known:
            return name
    raise NoPostgres(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}")


class Cluster:
    """One running server."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs = programs
        self._folder = folder
        self._user = user
        self._schemas = 0

    def call(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        log = self._folder / "server.log"
        with log.open("a") as stream:           # not a pipe: the server would hold it open
            done = subprocess.run(
                command, cwd=self._folder, env=environment, user=self._user, stdout=stream, stderr=stream, timeout=60
            )
        if done.returncode:
            raise NoPostgres(f"{program} failed: {log.read_text()[-500:]}")

    def start(self) -> None:
        self.call("initdb", "-D", "data", "-U", "tintype", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-k {self._folder} -c listen_addresses='' {FAST}"
        self.call("pg_ctl", "-D", "data", "-w", "-l", "postgres.log", "-o", options, "start")

    def stop(self) -> None:
        self.call("pg_ctl", "-D", "data", "-m", "immediate", "stop")

    def restart(self) -> None:
        self.call("pg_ctl", "-D", "data", "-m", "fast", "-w", "-l", "postgres.log", "restart")

    def new_database(self) -> str:
        """The URL of an empty schema, which is as good as a database and made a hundred times as fast."""
        self._schemas += 1
        name = f"tintype_{self._schemas}"
        self.call("psql", "-h", str(self._folder), "-U", "tintype", "-d", "postgres", "-c", f"CREATE SCHEMA {name}")
        return f"postgresql://tintype@/postgres?host={self._folder}&options=-csearch_path%3D{name}"


@contextmanager
def running() -> Iterator[Cluster]:
    """A server, for as long as the block. `NoPostgres` when there can be none."""
    programs, user = binaries(), server_user()
    folder = Path(tempfile.mkdtemp(prefix="tintype-pg-"))       # not pytest's, whose parents are for us alone
    try:
        if user is not None:
            shutil.chown(folder, user)
        cluster = Cluster(programs, folder, user)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
