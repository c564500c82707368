"""SageMaker's Python SDK in an environment of its own, as it wants other versions of some packages than Tintype has.

It is made once, in `.venv-sagemaker` beside the repository's `.venv` (half a minute, 300 MB), and used again. What it
does not bring itself (NumPy, pandas, Pillow, torchvision) it finds in ours, through a .pth file at the end of its path.

The SDK's third version brings so much (mlflow, pyarrow) that its environment takes minutes. It is made when asked for:

    python -m tests.examples.sdk_environment
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tintype.storage import exclusive_lock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-sagemaker"
FOLDER_V3 = ROOT / ".venv-sagemaker3"
REQUIREMENTS = ("sagemaker>=2.257,<3", "boto3", "awscli", "nbclient", "ipykernel", "matplotlib")
REQUIREMENTS_V3 = ("sagemaker>=3.27,<4", "boto3")
BUILD_SECONDS = 600


class Unavailable(Exception):
    """The environment could not be made; the message says why."""


def environment(folder: Path = FOLDER, requirements: tuple[str, ...] = REQUIREMENTS) -> Path:
    """The folder of the environment, made when it is not there yet. Raises `Unavailable`."""
    with exclusive_lock(folder.parent / f"{folder.name}.lock"):
        if not is_made(folder, requirements):
            _build(folder, requirements)
            (folder / f"complete-{_key(requirements)}").touch()
    return folder


def is_made(folder: Path, requirements: tuple[str, ...]) -> bool:
    """True when `environment` would have nothing to do."""
    return (folder / f"complete-{_key(requirements)}").exists()


def _key(requirements: tuple[str, ...]) -> str:
    parts = [sys.version, sysconfig.get_path("purelib"), *requirements]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _build(folder: Path, requirements: tuple[str, ...]) -> None:
    _call([sys.executable, "-m", "venv", "--clear", str(folder)])
    packages = next((folder / "lib").glob("python*/site-packages"))
    (packages / "tintype_packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-compile", "--retries", "1"]
    _call([*install, "--timeout", "20", *requirements])


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the SDK's environment was not made within {BUILD_SECONDS} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"the SDK cannot be installed here: {last}")


def activated(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a shell in which the environment is active, and `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    path = f"{folder / 'bin'}{os.pathsep}{kept['PATH']}"
    return {**kept, "VIRTUAL_ENV": str(folder), "PATH": path, "SAGEMAKER_SUPPRESS_V2_WARNING": "1", **more}


if __name__ == "__main__":
    print(environment(FOLDER_V3, REQUIREMENTS_V3))
