"""Real smdebug, in an environment of its own: it needs a NumPy, a protobuf and a setuptools older than ours.

The environment is built once, in the user's cache; torch is ours, found through a .pth file at the end of its path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tintype.storage import exclusive_lock

REQUIREMENTS = (
    "smdebug==1.0.34", "numpy<2", "protobuf==3.20.3", "pandas<3", "psutil", "requests", "setuptools<80", "boto3",
)  # fmt: skip
BUILD_SECONDS = 240
SCRIPTS = Path(__file__).parent / "smdebug_scripts"


class Unavailable(Exception):
    """The environment could not be built; the message says why."""


def environment() -> Path:
    """The folder of the environment, built when it is not there yet. Raises `Unavailable`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tintype-tests"
    folder = cache / f"smdebug-1.0.34-python{sys.version_info.major}.{sys.version_info.minor}"
    with exclusive_lock(cache / "smdebug.lock"):
        if not (folder / "complete").exists():
            _build(folder)
    return folder


def _build(folder: Path) -> None:
    install = [str(folder / "bin/pip"), "install", "--quiet", "--retries", "1", "--timeout", "20", *REQUIREMENTS]
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], install):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"smdebug's environment was not built within {BUILD_SECONDS} s") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Unavailable(f"smdebug's packages cannot be installed here: {last}")
    packages = next((folder / "lib").glob("python*/site-packages"))
    (packages / "with_our_torch.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "complete").touch()


def run(script: str, *arguments: str | Path) -> str:
    """What a script of `smdebug_scripts` prints when it runs beside real smdebug; its error is ours."""
    command = [str(environment() / "bin/python"), str(SCRIPTS / script), *map(str, arguments)]
    quiet = {"SMDEBUG_LOG_LEVEL": "error", "SMDEBUG_TRAINING_END_DELAY_REFRESH": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env={**os.environ, **quiet})
    assert not done.returncode, done.stderr[-3000:]
    return done.stdout
