from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from tintype.errors import InvalidRequest
from tintype.settings import GIB, VARIABLES, Settings


def test_every_variable_sets_its_field(tmp_path: Path) -> None:
    given = {
        "TINTYPE_HOME": str(tmp_path / "home"),
        "TINTYPE_DATABASE_URL": "postgresql://host/db",
        "TINTYPE_WEIGHTS": str(tmp_path / "weights"),
        "TINTYPE_OFFLINE": "1",
        "TINTYPE_CACHE_BYTES": "123",
        "TINTYPE_MAX_PIXELS": "456",
    }
    assert given.keys() == VARIABLES.keys()
    assert set(VARIABLES.values()) == set(Settings.model_fields)
    settings = Settings.from_environment(given)
    assert settings.home == tmp_path / "home"
    assert settings.database_url == "postgresql://host/db"
    assert settings.weights == tmp_path / "weights"
    assert settings.offline
    assert (settings.cache_limit_bytes, settings.max_image_pixels) == (123, 456)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment({"PATH": "/bin", "TINTYPE_HOME": ""})
    assert settings.home == Path("~/.tintype").expanduser()
    assert settings.weights == settings.home / "weights"
    assert settings.caches.parent == settings.home
    assert not settings.offline
    assert settings.cache_limit_bytes == 20 * GIB


def test_the_option_wins_over_the_variable(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TINTYPE_HOME": "/elsewhere"}, home=tmp_path)
    assert settings.home == tmp_path


@pytest.mark.parametrize("given", [{}, {"TINTYPE_HOME": "~nobody-of-that-name/x"}])
def test_a_user_without_a_home_folder(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    if not given:
        monkeypatch.setattr(Path, "expanduser", unknown)        # in a container, where the user is a mere number
    with pytest.raises(InvalidRequest, match=r"no home folder of a user for ~.*; set HOME, or give --home"):
        Settings.from_environment(given)


@pytest.mark.parametrize("name", [b"/tmp/\xff", b"/tmp/what?"])
def test_a_home_whose_name_no_store_can_have(name: bytes) -> None:
    with pytest.raises(InvalidRequest, match="has a question mark or is not UTF-8"):
        Settings.from_environment({"TINTYPE_HOME": os.fsdecode(name)})


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({"TINTYPE_HOME": "here", "TINTYPE_WEIGHTS": "~/w"})
    assert settings.home == tmp_path / "here"
    assert settings.weights == Path("~/w").expanduser()


@pytest.mark.parametrize(
    ("environ", "offline"),
    [
        ({"HF_HUB_OFFLINE": "1"}, True),
        ({"TRANSFORMERS_OFFLINE": "TRUE"}, True),
        ({"HF_HUB_OFFLINE": "0"}, False),
        ({"HF_HUB_OFFLINE": "1", "TINTYPE_OFFLINE": "0"}, False),
        ({"TINTYPE_OFFLINE": "true"}, True),
    ],
)
def test_offline_is_heard_under_its_other_names(environ: dict[str, str], offline: bool) -> None:
    assert Settings.from_environment(environ).offline is offline


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TINTYPE_OFFLINE", "perhaps"),
        ("TINTYPE_CACHE_BYTES", "-1"),
        ("TINTYPE_CACHE_BYTES", "20G"),
        ("TINTYPE_MAX_PIXELS", "0"),
    ],
)
def test_a_bad_variable_is_named_with_its_value(variable: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{variable}='{value}'"):
        Settings.from_environment({variable: value})


def test_settings_are_frozen_and_refuse_what_they_do_not_know(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        settings.home = Path("/")  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings.model_validate({"hom": "/"})
