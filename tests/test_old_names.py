"""Names of some years ago."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torchvision import models

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


LOADS = """
import io
import tintype.old_names as old_names
old_names.lend_all()
import torch
buffer = io.BytesIO()
torch.save({"a": 1}, buffer)
buffer.seek(0)
assert torch.load(buffer) == {"a": 1}
"""


def test_torch_does_not_speak_of_a_variable_that_the_script_did_not_set() -> None:
    environ = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    done = subprocess.run([sys.executable, "-c", LOADS], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


INCEPTION = """
import sys
import tintype.old_names as old_names
if "warm" in sys.argv:
    import torchvision
old_names.lend_all()
from torchvision import models
network = models.inception_v3(pretrained=True, aux_logits=False)
assert network.aux_logits is False and network.AuxLogits is None
assert models.inception_v3(weights=None, aux_logits=True, init_weights=False).AuxLogits is not None
"""


@pytest.mark.slow
@pytest.mark.parametrize("process", ["warm", "cold"])
def test_a_network_without_its_training_heads_can_have_weights(process: str, tmp_path: Path) -> None:
    file = tmp_path / "hub" / "checkpoints" / models.Inception_V3_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]
    file.parent.mkdir(parents=True)
    torch.save(models.inception_v3(init_weights=False).state_dict(), file)
    done = subprocess.run(
        [sys.executable, "-c", INCEPTION, process], capture_output=True, text=True, check=False,
        env={**os.environ, "TORCH_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


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
