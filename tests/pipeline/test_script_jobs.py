from __future__ import annotations

from pathlib import Path

import pytest

from tintype.errors import InvalidRequest
from tintype.jobs.job import Channel, JobSpec, MetricDefinition
from tintype.pipeline.script_jobs import ScriptRequest, hyperparameters_of, script_spec


def test_a_script_as_the_engine_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    request = ScriptRequest(
        "hpo.py",
        source_dir="scripts",
        channels=("train=photos/train", "test=s3://bucket/test"),
        hyperparameters=hyperparameters_of(["lr=0.01", "name=a=b"]),
        metrics=("average test loss=Test set: Average loss: ([0-9\\.]+)",),
        environment=("A=1",),
    )
    spec = script_spec(request)
    assert (spec.source.kind, spec.source.entry_point) == ("script", "hpo.py")
    assert spec.environment["A"] == "1"
    assert spec.source.source_dir == str(tmp_path / "scripts")
    assert spec.channels == (Channel("train", str(tmp_path / "photos/train")), Channel("test", "s3://bucket/test"))
    assert spec.hyperparameters == {"lr": "0.01", "name": "a=b"}
    loss = MetricDefinition("average test loss", "Test set: Average loss: ([0-9\\.]+)")
    assert spec.metric_definitions == (loss,)
    assert JobSpec.from_json(spec.to_json()) == spec


def test_a_script_alone_is_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = script_spec(ScriptRequest("sub/train.py")).source
    assert (source.entry_point, source.source_dir) == (str(tmp_path / "sub/train.py"), "")


@pytest.mark.parametrize("channels", [("train",), ("=x",), ("train=",), ("train=a", "train=b")])
def test_channels_that_are_none(channels: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match="--channel"):
        script_spec(ScriptRequest("x.py", channels=channels))
