"""What people do with the SDK besides, each script whole in its environment against a server of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.conftest import Shell
from tests.examples.sdk_environment import FOLDER_V3, REQUIREMENTS_V3, activated, is_made

SDK_SCRIPTS = Path(__file__).with_name("sdk_scripts")
HURRIED = "import runpy, sys; runpy.run_path({clock!r}); runpy.run_path({script!r}, run_name='__main__')"
CLOCK = Path(__file__).with_name("hurried_clock.py")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", ["training", "tuning", "serving"])
def test_a_script(shell: Shell, name: str, tmp_path: Path) -> None:
    code = HURRIED.format(clock=str(CLOCK), script=str(SDK_SCRIPTS / f"{name}.py"))
    shell.run(shell.sdk / "bin" / "python", "-c", code, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_third_version(shell: Shell, tmp_path: Path) -> None:
    if not is_made(FOLDER_V3, REQUIREMENTS_V3):
        pytest.skip("its environment takes minutes; `python -m tests.examples.sdk_environment` makes it")
    third = activated(FOLDER_V3, {name: shell.variables[name] for name in shell.told})
    shell.run(FOLDER_V3 / "bin" / "python", SDK_SCRIPTS / "version3.py", folder=tmp_path, **third)
