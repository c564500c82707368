"""The table of operations: (service as botocore names it, operation) → function. What is not here is refused by name."""

from __future__ import annotations

from tintype.web.api import identity, registry
from tintype.web.api.operation import Operation

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("sts", "GetCallerIdentity"): identity.get_caller_identity,
    ("sts", "AssumeRole"): identity.assume_role,
    ("sts", "GetSessionToken"): identity.get_session_token,
    ("iam", "GetRole"): identity.get_role,
    ("iam", "SimulatePrincipalPolicy"): identity.simulate_principal_policy,
    ("iam", "ListAttachedRolePolicies"): identity.list_attached_role_policies,
    ("ecr", "DescribeRepositories"): registry.describe_repositories,
    ("ecr", "DescribeImages"): registry.describe_images,
}
