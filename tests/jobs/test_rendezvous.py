"""The files of the agent: its log is bounded."""

from __future__ import annotations

import os
from pathlib import Path

from tintype.jobs.rendezvous import LOG_BYTES, Rendezvous


def test_a_large_log_is_put_aside_when_an_agent_begins(tmp_path: Path) -> None:
    meeting = Rendezvous(tmp_path)
    for text in (b"one\n", b"two\n"):
        with meeting.open_log() as log:
            log.write(text)
    assert meeting.log.read_bytes() == b"one\ntwo\n"
    for _ in range(2):
        os.truncate(meeting.log, LOG_BYTES + 1)
        with meeting.open_log() as log:
            log.write(b"new\n")
        assert meeting.log.read_bytes() == b"new\n"
        assert {one.name: one.stat().st_size for one in meeting.directory.iterdir()} == {
            "agent.log": 4, "agent.log.1": LOG_BYTES + 1,
        }  # fmt: skip
