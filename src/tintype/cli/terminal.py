"""Where people read: a console on which the names of strangers' files are text, and nothing that a terminal obeys."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from tintype.cli.plain_text import plain

PIPE_COLUMNS = 200


class PlainConsole(Console):
    """A console that draws what rich asks for and obeys nothing that is in the text itself."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it, every piece of text made plain."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))

    def on_broken_pipe(self) -> None:
        """What to do when nobody reads any more is for the command line to say; rich would end the process."""
        raise BrokenPipeError


def console(*, stderr: bool) -> Console:
    """What people read. In a file or a pipe nothing has an edge, so that names and reasons are whole there."""
    made = PlainConsole(stderr=stderr, soft_wrap=True)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PIPE_COLUMNS
    return made
