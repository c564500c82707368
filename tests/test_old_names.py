"""Names of some years ago."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tintype.old_names import OLD_NAMES, lend

USES = """
import tintype.old_names as old_names
old_names.start_from_environment({"TINTYPE_OLD_NAMES": "1"})
import numpy as np
import PIL.Image
from torch.utils.data import DataLoader
best = np.Inf
assert np.float is float and np.product([2, 3]) == 6 and np.NaN != np.NaN and best > 1e300
assert np.array([1, 2], dtype=np.int).dtype.kind == "i"
assert PIL.Image.ANTIALIAS == PIL.Image.LANCZOS
assert iter(DataLoader([1.0, 2.0], batch_size=2)).next().tolist() == [1.0, 2.0]
np.Inf
try:
    np.no_such_name
except AttributeError as error:
    print(error)
"""


def test_a_script_finds_them_and_is_told_once() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", USES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("numpy.Inf is gone; inf stands in for it") == 1
    assert "PIL.Image.ANTIALIAS is gone; LANCZOS stands in for it" in done.stderr
    assert "no_such_name" in done.stdout


def test_what_they_stand_for_is_there() -> None:
    import numpy as np
    import PIL.Image
    import torchvision.transforms

    loaded = {"numpy": np, "PIL.Image": PIL.Image, "torchvision.transforms": torchvision.transforms}
    for module, names in OLD_NAMES.items():
        missing = [today for today in names.values() if isinstance(today, str) and not hasattr(loaded[module], today)]
        assert missing == []


@pytest.fixture
def package() -> Iterator[ModuleType]:
    made = sys.modules["package_of_today"] = ModuleType("package_of_today")
    yield made
    del sys.modules["package_of_today"]


def test_what_is_there_and_what_the_package_says_itself_stays(package: ModuleType) -> None:
    vars(package).update(new=1, kept=2, __getattr__=lambda name: f"its own {name}")
    lend("package_of_today", {"old": "new", "kept": "new"})
    assert (package.old, package.kept, package.other) == (1, 2, "its own other")
