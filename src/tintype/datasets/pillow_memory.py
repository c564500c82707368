"""Pillow's memory, kept between pictures while many are decoded.

Pillow gives the memory of every image back to the system at once, and the page faults of getting it again are an eighth
of the time a photograph takes. Its block cache is off by default; here it is on for as long as somebody needs it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from PIL import Image

_lock = threading.Lock()
_users: list[int] = []         # what each running user asked for; the first entry is what was set before them


@contextlib.contextmanager
def kept_blocks(count: int) -> Iterator[None]:
    """Let Pillow keep up to `count` blocks of memory (16 MB at most each) within the block; then as it was before."""
    with _lock:
        if not _users:
            _users.append(Image.core.get_blocks_max())
        _users.append(count)
        Image.core.set_blocks_max(max(_users))
    try:
        yield
    finally:
        with _lock:
            _users.remove(count)
            Image.core.set_blocks_max(max(_users))
            if len(_users) == 1:
                _users.clear()
                Image.core.clear_cache(0)
