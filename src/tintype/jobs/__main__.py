"""`python -m tintype.jobs HOME PACE PRELOAD WARM`: become the agent of a home, unless there is one.

Returns as soon as clients can connect; the agent goes on in a child. Little is imported here, so that the fork server,
which has seconds of imports before it, begins with its own at once.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from tintype.jobs import processes
from tintype.jobs.event_loop import EventLoop
from tintype.jobs.pace import Pace
from tintype.jobs.rendezvous import Rendezvous
from tintype.jobs.starting import Starting
from tintype.storage import lock_if_free

TITLE = "tintype-agent"


def main() -> None:
    """Take the home's lock, or leave it to who has it."""
    home, pace, preload, warm = sys.argv[1:]
    meeting = Rendezvous(Path(home))
    with lock_if_free(meeting.lock) as is_free:
        if is_free:
            with meeting.listen() as listening:
                if os.fork() != 0:
                    os._exit(0)             # the child has the lock and the socket too
                be_agent(meeting, Pace.from_text(pace), preload, listening, warm=bool(warm))


def be_agent(meeting: Rendezvous, pace: Pace, preload: str, listening: socket.socket, *, warm: bool) -> None:
    """Serve until there is nothing to do."""
    processes.show_as(TITLE)
    processes.adopt_orphans()
    loop = EventLoop(time.monotonic)
    starting = Starting(meeting.home, preload, loop, pace.lease)
    if warm:
        starting.warm_up()
    # Only now, as it takes a third of a second.
    from tintype.jobs.agent import serve

    serve(meeting, pace, starting, loop, listening)
    meeting.leave()
    starting.close()


if __name__ == "__main__":
    main()
