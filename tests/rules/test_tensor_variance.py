from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.errors import InvalidRequest
from tintype.rules.catalogue import make_rule
from tintype.rules.rule import Profile

VALUES = np.array([1.0, 3.0], np.float32)           # variance 2 with n - 1, 1 with n


@pytest.mark.parametrize("reduced", [(), ("variance",), ("std",)])
@pytest.mark.parametrize(
    ("limits", "count"),
    [({"max_threshold": "1.5"}, 1), ({"min_threshold": "2.5"}, 1), ({"max_threshold": "3", "min_threshold": "1"}, 0)],
)
def test_limits(tmp_path: Path, limits: dict[str, str], count: int, reduced: tuple[str, ...]) -> None:
    log = Log(tmp_path)
    log.add({"thing": VALUES}, reduced=reduced)
    run = log.judge("TensorVariance", tensor_regex="thing", **limits)
    assert run.state.findings == count
    assert run.state.evaluated


def test_sagemakers_profile_divides_by_n(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"thing": VALUES})
    assert log.judge("TensorVariance", Profile.SAGEMAKER, tensor_regex="thing", max_threshold="1.5").state.findings == 0


@pytest.mark.parametrize(("parameters", "said"), [({}, "neither max_threshold"), ({"max_threshold": "1"}, "no tensor")])
def test_nothing_to_judge(tmp_path: Path, parameters: dict[str, str], said: str) -> None:
    log = Log(tmp_path)
    log.losses([1.0])
    run = log.judge("TensorVariance", **parameters)
    assert not run.state.evaluated
    assert said in run.state.details


def test_the_range_is_named() -> None:
    with pytest.raises(InvalidRequest, match="max_threshold must be a number of at least 0, or none, got -1"):
        make_rule("TensorVariance", {"max_threshold": "-1"})
