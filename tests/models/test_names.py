"""What is told of names without torch is what timm says."""

from __future__ import annotations

import subprocess
import sys

import pytest
import timm

from tintype.models.names import ALIASES, OWN, is_plainly_known, names_in_source
from tintype.models.networks import OWN_NETWORKS


def test_timms_source_names_all_that_it_lists() -> None:
    assert names_in_source() == set(timm.list_models())


@pytest.mark.parametrize(("name", "known"), [
    (OWN, True), ("resnet18", True), *((alias, True) for alias in ALIASES),
    ("resnet_18", False), ("resnet18.a1_in1k", False), ("", False), ("hf-hub:timm/resnet18", False),
])  # fmt: skip
def test_known_names(name: str, known: bool) -> None:
    assert is_plainly_known(name) is known


def test_ours_is_ours() -> None:
    assert list(OWN_NETWORKS) == [OWN]


def test_nothing_is_loaded_for_it() -> None:
    code = (
        "import sys; from tintype.models.names import is_plainly_known; assert is_plainly_known('resnet50'); "
        "assert not {'torch', 'timm', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
