"""A script where data was expected, and what it would like to be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tintype.cli.script_options import channels_read, data_or_script
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
