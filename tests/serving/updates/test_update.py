"""Why an update was given up, in words."""

from __future__ import annotations

import pytest

from tintype.errors import JobFailed
from tintype.serving.updates.update import told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such file"), "no such file"),
        (ValueError(), "ValueError"),
        (JobFailed("it ended", ("a", "ImportError: nope")), "it ended; ImportError: nope"),
        (JobFailed("it failed: ImportError: nope", ("a", "ImportError: nope")), "it failed: ImportError: nope"),
    ],
)
def test_it_is_said_once_and_in_one_line(error: Exception, words: str) -> None:
    assert told(error) == words
