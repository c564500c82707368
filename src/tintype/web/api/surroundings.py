"""What a job that is asked for over the API is given besides its request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

Locate = Callable[[str], str]


@final
@dataclass(frozen=True)
class Surroundings:
    """Where the job will be, and how it finds this server."""

    home: Path
    directory: Path                             # of the job; of a tuning job's trials: none that exists
    locate: Locate                              # an s3:// URI of our own as a path, any other location as it is
    environment: Mapping[str, str]              # AWS_*: boto3 in a script speaks to this server

    @property
    def generated(self) -> Path:
        """A folder for what is made of requests: commands, links to the files that a manifest lists."""
        return self.home / "sagemaker"
