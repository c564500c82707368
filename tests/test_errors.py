from __future__ import annotations

import inspect

import pytest

from tintype import errors
from tintype.errors import Busy, InvalidRequest, JobFailed, NotFound, TintypeError, lines_of, not_found

TREE = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, TintypeError)]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_in_the_tree_with_its_status(kind: type[TintypeError]) -> None:
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if kind.__name__ in line.replace("─", " ").split())
    assert kind is TintypeError or str(kind.http_status) in line
    assert kind.__doc__


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_the_caller_is_told_apart_from_the_machine(kind: type[TintypeError]) -> None:
    assert 400 <= kind.http_status < 600
    assert kind.exit_code in (1, 2)
    if issubclass(kind, InvalidRequest):
        assert kind.http_status < 500
        assert kind.exit_code == 2


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("x", [], "there is no job named 'x'; there are none yet"),
        ("resnet_18", ["resnet18", "vgg11"], "no job named 'resnet_18'; did you mean 'resnet18'?"),
        ("ANTS", ["bees", "ants"], "did you mean 'ants'?"),
        ("ants", ["Ants", "ANTS"], "did you mean 'ANTS', 'Ants'?"),
        ("photos", ["photos-261201-0556-24123", "birds"], "did you mean 'photos-261201-0556-24123'?"),
        ("pho", [f"photos-{number}" for number in range(9)], "did you mean 'photos-0', 'photos-1', 'photos-2'?"),
        ("x", ["xylophone"], "no job named 'x'; there is one: 'xylophone'"),
        ("", ["b", "a", "a"], "no job named ''; there are 2: 'a', 'b'"),
        ("zzz", ["a", "b"], "no job named 'zzz'; there are 2: 'a', 'b'"),
        ("zzz", [f"n{number}" for number in range(5)], "there are 5: 'n0', 'n1', 'n2', 'n3', 'n4'"),
        ("zzz", [*"abcdefghijkl"], "there are 12: 'a', 'b', 'c', 'd', 'e', ..."),
    ],
)
def test_what_is_not_found_names_what_is_near(name: str, known: list[str], message: str) -> None:
    error = not_found("job", name, iter(known))
    assert isinstance(error, NotFound)
    assert str(error).endswith(message)
    assert "\n" not in str(error)


def test_the_number_of_names_is_that_of_all() -> None:
    assert str(not_found("job", "zzz", ["a", "b"], 4000)).endswith("there are 4,000: 'a', 'b', ...")


def test_what_errors_carry() -> None:
    assert Busy("later", retry_after_seconds=2.5).retry_after_seconds == 2.5
    failed = JobFailed("job 'a' failed", iter(["one", "two"]))
    assert failed.log_tail == ("one", "two")
    assert str(failed) == "job 'a' failed"


def test_what_an_error_of_somebody_elses_says() -> None:
    assert lines_of(ValueError("sizes differ\n\n  got 3\n  expected 4\n")) == ["sizes differ", "got 3", "expected 4"]
    assert lines_of(ValueError(" \n")) == ["ValueError"]
