"""A script where data was expected, and what it would like to be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tintype.cli.script_options import channels_read, data_or_script, refuse_scripts, refuse_trainers
from tintype.errors import InvalidRequest

READS = """
import os
parser.add_argument("--data", default=os.environ["SM_CHANNEL_TRAINING"])
parser.add_argument("--test", default=os.environ.get("SM_CHANNEL_TEST", os.environ["SM_CHANNEL_TRAINING"]))
"""


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ((None, None), (None, None)),
        (("photos", None), ("photos", None)),
        ((None, "hpo.py"), (None, "hpo.py")),
        (("scripts/hpo.py", None), (None, "scripts/hpo.py")),
        (("run.sh", None), (None, "run.sh")),
    ],
)
def test_a_script_is_one_wherever_it_is_given(
    given: tuple[str | None, str | None], meant: tuple[str | None, str | None]
) -> None:
    assert data_or_script(*given) == meant


def test_data_beside_a_script_is_refused_with_the_channels_that_it_reads(tmp_path: Path) -> None:
    script = tmp_path / "hpo.py"
    script.write_text(READS)
    assert channels_read(str(script)) == ("training", "test")
    assert channels_read(str(tmp_path / "none.py")) == ()
    with pytest.raises(InvalidRequest, match=r"reads --channel training=PATH; .* reads --channel test=PATH"):
        data_or_script("photos", str(script))


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"epochs": 3}, "--epochs"),
        ({"model": "resnet50"}, "--model"),
        ({"freeze": False}, "--no-freeze"),
        ({"model": "auto", "image_size": 64}, "--image-size"),
    ],
)
def test_a_script_would_never_hear_of_the_trainers_options(given: dict[str, object], option: str) -> None:
    refuse_trainers(model="auto", weights=None, freeze=None, epochs=None, image_size=None, strict=False)
    with pytest.raises(InvalidRequest, match=rf"^{option} is for the built-in trainer; .* -p epochs=3$"):
        refuse_trainers(**given)


@pytest.mark.parametrize(
    ("given", "option"), [({"channel": ["train=x"]}, "--channel"), ({"max_runtime": 60.0}, "--max-runtime")]
)
def test_the_trainer_has_no_use_for_a_scripts_options(given: dict[str, object], option: str) -> None:
    refuse_scripts(source_dir="", channel=None, metric=None, env=None, output="", retries=0, max_runtime=86400)
    with pytest.raises(InvalidRequest, match=rf"^{option} is for a script of your own"):
        refuse_scripts(**given)
