"""STS and IAM: the holder of the home's key is always the same assumed role, and every role exists.

Roles grant nothing here: jobs run as the user of the server. So a role's ARN in a request is kept and given back, and
a role that is asked for by name is described, whatever its name.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tintype.web.api.operation import Members
from tintype.web.context import Context

SESSION = "tintype"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)        # when the role is said to have been made
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def get_caller_identity(context: Context, request: Members) -> Members:
    """An assumed role, which is what the SDK's `get_execution_role` can make a role of."""
    return {
        "UserId": f"{_unique_id(context.account.role)}:{SESSION}",
        "Account": context.account.id,
        "Arn": _session_arn(context, context.account.role, SESSION),
    }


def assume_role(context: Context, request: Members) -> Members:
    """The caller's own key again: there is one key for a home, and no rights to tell apart."""
    role = request["RoleArn"].rsplit("/", 1)[-1]
    session = request["RoleSessionName"]
    return {
        "Credentials": _credentials(context, request),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{_unique_id(role)}:{session}",
            "Arn": _session_arn(context, role, session),
        },
    }


def get_session_token(context: Context, request: Members) -> Members:
    """As `assume_role`, of the caller."""
    return {"Credentials": _credentials(context, request)}


def get_role(context: Context, request: Members) -> Members:
    """The role of that name."""
    name = request["RoleName"]
    return {
        "Role": {
            "Path": "/",
            "RoleName": name,
            "RoleId": _unique_id(name),
            "Arn": f"arn:aws:iam::{context.account.id}:role/{name}",
            "CreateDate": SINCE,
            "AssumeRolePolicyDocument": quote(json.dumps(TRUST)),
            "Description": "Any role name is accepted; jobs run as the user of the server.",
            "MaxSessionDuration": 3600,
        }
    }


def simulate_principal_policy(context: Context, request: Members) -> Members:
    """Everything is allowed to the holder of the key."""
    resources = request.get("ResourceArns") or ["*"]
    return {
        "EvaluationResults": [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": "allowed"}
            for action in request["ActionNames"]
            for resource in resources
        ],
        "IsTruncated": False,
    }


def list_attached_role_policies(context: Context, request: Members) -> Members:
    """The one policy that says what is so: full access."""
    policy = {
        "PolicyName": "AmazonSageMakerFullAccess",
        "PolicyArn": "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess",
    }
    return {"AttachedPolicies": [policy], "IsTruncated": False}


def _credentials(context: Context, request: Members) -> Members:
    seconds = request.get("DurationSeconds") or 3600
    return {
        "AccessKeyId": context.key.access_key_id,
        "SecretAccessKey": context.key.secret_access_key,
        "SessionToken": SESSION,
        "Expiration": context.now() + timedelta(seconds=seconds),
    }


def _session_arn(context: Context, role: str, session: str) -> str:
    return f"arn:aws:sts::{context.account.id}:assumed-role/{role}/{session}"


def _unique_id(name: str) -> str:
    letters = "".join(letter for letter in name.upper() if letter.isascii() and letter.isalnum())
    return f"AROA{letters:X<17.17}"
