"""The options of `--on sagemaker`: who asks there, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, final

import typer

PANEL = "On Amazon SageMaker"


class Place(StrEnum):
    """Where a job runs."""

    HERE = "here"
    SAGEMAKER = "sagemaker"


OnOption = Annotated[
    Place, typer.Option("--on", help="This machine, or Amazon SageMaker with boto3.", rich_help_panel=PANEL)
]
RoleOption = Annotated[
    str, typer.Option("--role", metavar="ARN", help="The role that it runs as there.", rich_help_panel=PANEL)
]
BucketOption = Annotated[
    str, typer.Option("--bucket", metavar="NAME", help="For source, data and outputs there.", rich_help_panel=PANEL)
]


@final
@dataclass(frozen=True)
class AmazonOptions:
    """Where it runs, and as whom if it is there."""

    on: OnOption = Place.HERE
    role: RoleOption = ""
    bucket: BucketOption = ""
