"""A container image's address: what would run in it on AWS, and what runs here instead. Pure.

No image is pulled. A framework's image stands for the Python and the libraries of this machine, whatever its version
is; the one built-in algorithm that is known here, image-classification, for Tintype's own trainer.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import final

ADDRESS = re.compile(r"(?:(?P<registry>[^/]+)/)?(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?")
BUILT_IN = ("image-classification", "image-classification-neo")
FRAMEWORK = re.compile(r"pytorch-(training|inference)")
SHOWN = ("torch", "torchvision")


@final
@dataclass(frozen=True)
class Image:
    """An address, taken apart."""

    address: str
    repository: str             # the last part of its path, e.g. "pytorch-training"
    tag: str

    @property
    def is_built_in(self) -> bool:
        """SageMaker's own algorithm for image classification."""
        return self.repository in BUILT_IN

    @property
    def is_pytorch(self) -> bool:
        """One of AWS's PyTorch images, or one made after their fashion."""
        return FRAMEWORK.search(self.repository) is not None


def read_image(address: str) -> Image:
    """The parts of an image's address; nothing is looked up."""
    found = ADDRESS.fullmatch(address)
    if found is None:
        return Image(address, address, "")
    return Image(address, found["repository"].rsplit("/", 1)[-1], found["tag"] or "")


def note_on(image: Image) -> str:
    """What the job's log says about where it really runs."""
    if image.is_built_in:
        return f"{image.repository} is Tintype's own trainer here, told by that algorithm's hyperparameters"
    what = f"{image.repository}:{image.tag}" if image.tag else image.repository
    note = f"the image {what} is not pulled: the job runs on {here()} of this machine"
    return note if image.is_pytorch else f"{note}, without what else the image may hold"


def here() -> str:
    """Python and the libraries that jobs find, e.g. `Python 3.11.2, torch 2.10.0`."""
    found = [f"Python {platform.python_version()}"]
    for name in SHOWN:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
