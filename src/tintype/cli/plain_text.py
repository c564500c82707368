"""Text of strangers for a terminal: nothing in it is obeyed."""

from __future__ import annotations

import re

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")        # control characters but tabs and ends of lines


def plain(text: str) -> str:
    """The text with a mark for each character that would move the cursor, change colours or name the window."""
    return OBEYED.sub("�", text)
