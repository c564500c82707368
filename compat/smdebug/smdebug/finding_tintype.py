"""Makes `import tintype` work in an interpreter that Tintype is not installed for, such as a notebook's.

`tintype env` puts this package on `PYTHONPATH` and says in `TINTYPE_PACKAGES` where Tintype and what it needs lie. They
go to the end of the path: whatever the notebook's own environment has is found first. Reading what a job saved needs
NumPy, fsspec and google-crc32c, and boto3 for a bucket; no torch.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve()
# where the package tintype lies, seen from here: in a checkout beside compat/, in an installation around it
BESIDE = (HERE.parents[3] / "src", HERE.parents[4])


def find_tintype() -> None:
    """Append to `sys.path` what is missing. Where nothing can be found the import of Tintype says so."""
    found = find_spec("tintype")
    if found is None or found.origin is None:           # nothing, or a folder of that name without Tintype in it
        told = [Path(one) for one in os.environ.get("TINTYPE_PACKAGES", "").split(os.pathsep) if one]
        beside = [one for one in BESIDE if (one / "tintype" / "__init__.py").is_file()]
        sys.path.extend(str(one) for one in dict.fromkeys([*told, *beside]) if is_ours(one))


def is_ours(folder: Path) -> bool:
    """False for the packages of another Python: what is compiled in there cannot be loaded."""
    versions = [part.removeprefix("python") for part in folder.parts if part.startswith("python3.")]
    return not versions or versions[-1] == f"{sys.version_info.major}.{sys.version_info.minor}"
