"""The environment that points AWS's clients at a server of ours, with no edit of a script or a notebook.

    AWS_ENDPOINT_URL and the key            every client of botocore (boto3, the SDK, the aws command line)
    AWS_DATA_PATH                           the SageMaker SDK gives its own STS client an address, which wins over
    AWS_ENDPOINT_URL;
                                            botocore asks a set of rules for the address last, and looks for them in
                                            this folder first
    SAGEMAKER_USER_CONFIG_OVERRIDE          the SDK's settings: the default bucket, and no telemetry PYTHONPATH,
    TINTYPE_PACKAGES            `import smdebug` finds the one that works, pip takes it for installed, and it finds
    Tintype
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tintype.debugger import compat_path
from tintype.storage import write_bytes, write_json
from tintype.web.account import Account
from tintype.web.keys import KeyPair

UNSET = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
"""What would send requests elsewhere, or sign them with another key."""

STS_VERSION = "2011-06-15"      # of the API; botocore's folder for it


@final
@dataclass(frozen=True)
class ClientEnvironment:
    """What is set and what is unset."""

    variables: Mapping[str, str]
    unset: tuple[str, ...] = UNSET


def client_environment(
    home: Path, url: str, key: KeyPair, account: Account, inherited: Mapping[str, str], packages: Sequence[Path]
) -> ClientEnvironment:
    """The environment, with the files it names written below `<home>/server/client`. Raises `StorageFailed`.

    `packages` are the folders that Tintype and what it needs are imported from.
    """
    folder = home / "server" / "client"
    rules = folder / "botocore" / "sts" / STS_VERSION / "endpoint-rule-set-1.json"
    write_json(rules, sts_rules(url), durable=False)
    write_bytes(folder / "sagemaker.yaml", sdk_settings(account.default_bucket).encode(), durable=False)
    variables = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DEFAULT_REGION": account.region,
        "AWS_REGION": account.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DATA_PATH": _first(str(folder / "botocore"), inherited.get("AWS_DATA_PATH", "")),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(folder / "sagemaker.yaml"),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        "PYTHONPATH": _first(str(compat_path()), inherited.get("PYTHONPATH", "")),
        "TINTYPE_PACKAGES": os.pathsep.join(map(str, packages)),
    }
    return ClientEnvironment(variables)


def _first(path: str, others: str) -> str:
    return os.pathsep.join(dict.fromkeys([path, *(one for one in others.split(os.pathsep) if one)]))


def sts_rules(url: str) -> dict[str, Any]:
    """botocore's endpoint rules for STS, of which there is one: here, whatever the client says."""
    text = {"type": "String", "required": False, "documentation": ""}
    flag = {"type": "Boolean", "required": False, "default": False, "documentation": ""}
    parameters = {
        "Region": {**text, "builtIn": "AWS::Region"},
        "Endpoint": {**text, "builtIn": "SDK::Endpoint"},
        "UseDualStack": {**flag, "builtIn": "AWS::UseDualStack"},
        "UseFIPS": {**flag, "builtIn": "AWS::UseFIPS"},
        "UseGlobalEndpoint": {**flag, "builtIn": "AWS::STS::UseGlobalEndpoint"},
    }
    rule = {"conditions": [], "endpoint": {"url": url, "properties": {}, "headers": {}}, "type": "endpoint"}
    return {"version": "1.0", "parameters": parameters, "rules": [rule]}


def sdk_settings(bucket: str) -> str:
    """The SageMaker SDK's configuration file."""
    return (
        "SchemaVersion: '1.0'\n"
        "SageMaker:\n"
        "  PythonSDK:\n"
        "    Modules:\n"
        "      TelemetryOptOut: true\n"
        "      Session:\n"
        f"        DefaultS3Bucket: {bucket}\n"
    )
