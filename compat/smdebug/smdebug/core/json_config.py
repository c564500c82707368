"""Where a hook's configuration lies."""

from __future__ import annotations

import os

from smdebug.core.config_constants import (
    CONFIG_FILE_PATH_ENV_STR,
    DEFAULT_CONFIG_FILE_PATH,
    DEFAULT_RESOURCE_CONFIG_FILE,
)

__all__ = ["CONFIG_FILE_PATH_ENV_STR", "DEFAULT_CONFIG_FILE_PATH", "DEFAULT_RESOURCE_CONFIG_FILE", "config_path"]


def config_path(json_config_path: str | None = None) -> str:
    """The path that is given, or that of the environment, or SageMaker's."""
    return json_config_path or os.environ.get(CONFIG_FILE_PATH_ENV_STR) or DEFAULT_CONFIG_FILE_PATH
