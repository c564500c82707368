"""A trial in a folder."""

from __future__ import annotations

import os
from typing import Any

from smdebug.trials.trial import Trial


class LocalTrial(Trial):
    """A trial at a path of this machine, or at a URL that is not S3's. `options` are those of `Trial`."""

    def __init__(self, name: str, dirname: str, **options: Any) -> None:
        super().__init__(name, os.path.expanduser(dirname), **options)
        self.trial_dir = self.path
