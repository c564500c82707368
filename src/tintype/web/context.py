"""What an operation works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import final

from tintype.web.account import Account
from tintype.web.invocation_metrics import InvocationMetrics
from tintype.web.keys import KeyPair
from tintype.web.s3.buckets import Buckets
from tintype.workspace import Workspace


@final
@dataclass(frozen=True)
class Context:
    """One per request, made of what the server holds. Operations run in threads: everything here may be shared by them.

    `account.region` is the region that the request was signed for; ARNs in the answer are of that region.
    """

    workspace: Workspace
    account: Account
    key: KeyPair                        # of the home; whoever asks has signed with it
    buckets: Buckets
    base_url: str                       # of this server, without a slash at the end
    now: Callable[[], datetime]         # aware, UTC
    invocations: InvocationMetrics = field(default_factory=InvocationMetrics)

    @property
    def region(self) -> str:
        """The region that the client signed for."""
        return self.account.region

    def arn(self, resource: str, service: str = "sagemaker") -> str:
        """The ARN of a resource such as `training-job/my-job`."""
        return self.account.arn(service, resource)
