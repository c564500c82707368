from __future__ import annotations

import argparse
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.errors import InvalidRequest
from tintype.jobs import hyperparameters

# wire string -> what the script finds in sys.argv; the first column of the table in sagemaker-training's tests
EXAMPLES = {
    "32": "32",
    '"32"': "32",                           # a categorical value of a tuning job
    "0.0026000000000000003": "0.0026000000000000003",
    "1e-07": "1e-07",
    "1E5": "100000.0",
    "true": "True",
    "True": "True",                         # no JSON, so the text itself
    "null": "",
    '""': "",
    "": "",
    "[1, 2]": "[1, 2]",
    '["a", "b"]': "['a', 'b']",
    '{"b": 1, "a": true}': "a=True,b=1",
    '"it\'s a \\"quote\\""': 'it\'s a "quote"',
    '"Größe \\u2603"': "Größe ☃",
    '"two\\nlines"': "two\nlines",
    "resnet18": "resnet18",
    "--lr": "--lr",
    "NaN": "nan",
}


@pytest.mark.parametrize("wire", EXAMPLES)
def test_the_value_that_a_script_gets(wire: str) -> None:
    assert hyperparameters.arguments({"some-name": wire}) == ("--some-name", EXAMPLES[wire])


def test_arguments_are_sorted_and_the_platforms_own_are_held_back() -> None:
    wire = {
        "lr": "0.1", "b": "4", "Zeta": "1", "batch-size": '"64"', "sagemaker_program": '"hpo.py"',
        "sagemaker_job_name": '"x"', "_tuning_objective_metric": '"average test loss"', "default_user_module_name": "m",
        "sagemaker_mpi_enabled": "false",
    }  # fmt: skip
    assert hyperparameters.arguments(wire) == ("--Zeta", "1", "-b", "4", "--batch-size", "64", "--lr", "0.1")
    assert hyperparameters.framework_values(wire) == {"sagemaker_mpi_enabled": False}
    assert hyperparameters.script_values(wire) == {"lr": 0.1, "b": 4, "Zeta": 1, "batch-size": "64"}


def test_environment_keeps_hyphens_and_dumps_what_is_no_text() -> None:
    wire = {"batch-size": '"64"', "flag": "true", "layers": "[1, {\"b\": 1, \"a\": 2}]", "nothing": "null", "ü": '"ß"'}
    assert hyperparameters.environment(wire) == {
        "SM_HP_BATCH-SIZE": "64", "SM_HP_FLAG": "true", "SM_HP_LAYERS": '[1,{"a":2,"b":1}]', "SM_HP_NOTHING": "",
        "SM_HP_Ü": "ß",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ({"": "1"}, "no name"),
        ({"a=b": "1"}, "rename"),
        ({"x": '"a\\u0000b"'}, "NUL"),
        ({"x\0": "1"}, "NUL"),
        ({"x": '"\\ud800"'}, "Unicode"),
    ],
)
def test_what_no_process_can_be_given_is_refused_by_name(wire: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        hyperparameters.arguments(wire)
    with pytest.raises(InvalidRequest, match=said):
        hyperparameters.environment(wire)


def test_ten_thousand_brackets_are_a_text() -> None:
    hostile = "[" * 100_000
    assert hyperparameters.decode(hostile) == hostile


def test_encode_is_the_sdks() -> None:
    assert [hyperparameters.encode(value) for value in (32, "0.001", 1e-7, True, None, [1], {"a": 1})] == [
        "32", '"0.001"', "1e-07", "true", "null", "[1]", '{"a": 1}',
    ]  # fmt: skip
    with pytest.raises(InvalidRequest, match="hyperparameter"):
        hyperparameters.encode(object())


values = st.one_of(
    st.integers(-10**12, 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.lists(st.integers(), max_size=3),
)
names = st.from_regex(r"[a-z][a-z0-9_]{1,8}", fullmatch=True)


@given(st.dictionaries(names, values, max_size=5))
def test_every_value_survives_the_wire(given: dict[str, object]) -> None:
    wire = {name: hyperparameters.encode(value) for name, value in given.items()}
    assert {name: hyperparameters.decode(value) for name, value in wire.items()} == given


SCRIPT = """
import argparse, json, os, sys
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in sorted(json.loads(os.environ["NAMES"])):
    parser.add_argument("--" + name, type=str)
print(json.dumps([vars(parser.parse_args()), {k: v for k, v in os.environ.items() if k.startswith("SM_HP_")}]))
"""


@settings(max_examples=12)
@given(given=st.dictionaries(names.filter(lambda name: name != "help"), values, max_size=6))
def test_a_real_script_parses_what_was_given(given: dict[str, object]) -> None:
    # argparse takes a value that begins with a hyphen for an option; so it is on SageMaker.
    texts = {name: "" if value is None else str(value) for name, value in given.items()}
    safe = {name: given[name] for name, text in texts.items() if not text.startswith("-")}
    wire = {name: hyperparameters.encode(value) for name, value in safe.items()}
    ran = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, *hyperparameters.arguments(wire)],
        env={"NAMES": json.dumps(list(safe)), "PYTHONUTF8": "1", **hyperparameters.environment(wire)},
        capture_output=True,
        check=True,
    )
    parsed, variables = json.loads(ran.stdout)
    assert parsed == {name: texts[name] for name in safe}
    for name, value in safe.items():
        seen = variables[f"SM_HP_{name.upper()}"]
        assert seen == (value if isinstance(value, str) else "" if value is None else seen)
        if not isinstance(value, str) and value is not None:
            assert json.loads(seen) == value


def test_prefix_abbreviations_work_as_on_sagemaker() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parsed = parser.parse_args(hyperparameters.arguments({"epoch": "3", "batch-size": '"32"'}))
    assert (parsed.epochs, parsed.batch_size) == (3, 32)
