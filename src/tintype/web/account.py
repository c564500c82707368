"""Whose requests these are: the one account of a home, its region, and the names of things in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

ACCOUNT_ID = "000000000000"         # twelve digits, as in AWS; nobody's
REGION = "us-east-1"                # one that the SageMaker SDK knows images for
ROLE = "TintypeExecutionRole"


@final
@dataclass(frozen=True)
class Account:
    """The account. There is one for a home; the region is whichever the client signs for."""

    id: str = ACCOUNT_ID
    region: str = REGION
    role: str = ROLE

    def arn(self, service: str, resource: str) -> str:
        """`arn:aws:<service>:<region>:<account>:<resource>`; the resource is e.g. `training-job/my-job`."""
        return f"arn:aws:{service}:{self.region}:{self.id}:{resource}"

    @property
    def role_arn(self) -> str:
        """The role that jobs are said to run as. Roles grant nothing here: jobs run as the user of the server."""
        return f"arn:aws:iam::{self.id}:role/{self.role}"

    @property
    def default_bucket(self) -> str:
        """The SageMaker SDK's own name for its default bucket."""
        return f"sagemaker-{self.region}-{self.id}"

    def within(self, region: str) -> Self:
        """The account as seen from another region."""
        return replace(self, region=region)
