from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tintype.errors import TintypeError
from tintype.rules.catalogue import RULES, parse_rule
from tintype.rules.rule import Profile
from tintype.rules.rule_configuration import RuleConfiguration, parse_rules, parse_sagemaker


def test_an_entry_may_be_short() -> None:
    (one,) = parse_rules([{"name": "vanishing_gradient"}])
    assert one == RuleConfiguration("vanishing_gradient", "VanishingGradient")


def test_there_and_back() -> None:
    (one,) = parse_rules([{
        "name": "mine", "rule": "LossNotDecreasing", "parameters": {"num_steps": 5, "collection_names": ["a", "b"]},
        "actions": {"name": "stoptraining"}, "profile": "sagemaker",
    }])  # fmt: skip
    assert one.profile is Profile.SAGEMAKER
    assert one.parameters == {"num_steps": "5", "collection_names": "a,b"}
    assert RuleConfiguration.from_json(json.loads(json.dumps(one.to_json()))) == one


# As the SDK makes it: every value a string, the action's quotes escaped once more.
SAGEMAKER = [
    {
        "RuleConfigurationName": "LossNotDecreasing",
        "RuleEvaluatorImage": "503895931360.dkr.ecr.us-east-1.amazonaws.com/sagemaker-debugger-rules:latest",
        "RuleParameters": {
            "rule_to_invoke": "LossNotDecreasing", "tensor_regex": "CrossEntropyLoss_output_0", "mode": "TRAIN",
            "use_losses_collection": "False",
            "action_json": '[{\\"name\\": \\"stoptraining\\", \\"training_job_prefix\\": \\"dogs\\"}]',
        },
    },
    {"RuleConfigurationName": "Same", "RuleParameters": {"rule_to_invoke": "SimilarAcrossRuns", "other_trial_0": "s3://a"}},
    {
        "RuleConfigurationName": "Mine",
        "RuleParameters": {"rule_to_invoke": "MyRule", "source_s3_uri": "s3://bucket/rule.py", "threshold": "3"},
    },
]  # fmt: skip


def test_sagemakers_request_is_understood() -> None:
    losses, same, mine = parse_sagemaker(SAGEMAKER)
    assert losses.rule == "LossNotDecreasing"
    assert losses.make().parameters.tensor_regex == ("CrossEntropyLoss_output_0",)
    assert losses.make().parameters.use_losses_collection is False
    assert losses.actions == ({"name": "stoptraining", "training_job_prefix": "dogs"},)
    assert same.make().parameters.other_trials == ("s3://a",)
    assert (mine.rule, mine.source, mine.parameters) == ("MyRule", "s3://bucket/rule.py", {"threshold": "3"})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "it is a list of rules, got dict"),
        ([3], "a rule is an object, got 3"),
        ([{"name": "Overfit"}, {"name": "Overfit"}], "two rules are named 'Overfit'"),
        ([{"name": "Overfitt"}], "did you mean 'Overfit'"),
        ([{"name": "Overfit", "params": {}}], "'params' is not one of name, rule"),
        ([{"name": "Overfit", "parameters": {"patience": "0"}}], "must be a whole number of at least 1, got 0"),
        ([{"name": "Overfit", "parameters": {"patiense": "1"}}], "did you mean 'patience'"),
        ([{"name": "Overfit", "parameters": [1]}], "parameters of 'Overfit' must be an object"),
        ([{"name": "Overfit", "actions": "stop"}], "actions of 'Overfit' must be a list"),
        ([{"name": "Overfit", "profile": "loose"}], "profile must be right or sagemaker, got 'loose'"),
        ([{"name": "../up", "rule": "Overfit"}], "without a slash, got '../up'"),
        ([{"name": "x" * 257, "rule": "Overfit"}], "at most 256"),
        ([{"name": "AllZero", "parameters": {"tensor_regex": "("}}], "is no regular expression"),
        ([{}], "there is no rule named ''"),
    ],
)
def test_what_is_wrong_is_named(document: object, said: str) -> None:
    with pytest.raises(TintypeError) as error:
        parse_rules(document)
    assert said in str(error.value)


KEYS = some.sampled_from(["name", "rule", "parameters", "actions", "threshold"]) | some.text()
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(KEYS, inner),
)


@given(JSON)
def test_any_document_is_understood_or_refused(document: object) -> None:
    try:
        parse_rules(document)
    except TintypeError as error:
        said = str(error)
    else:
        return
    assert said


@pytest.mark.parametrize("name", RULES)
def test_every_rule_can_be_made_of_nothing_and_of_its_defaults(name: str) -> None:
    rule = RuleConfiguration(name, name).make()
    values = vars(rule.parameters).items()
    words = {one: ",".join(value) if isinstance(value, tuple) else str(value) for one, value in values}
    assert RuleConfiguration(name, name, words).make().parameters == rule.parameters


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("overfit", {}),
        ("Overfit:patience=3,ratio_threshold=0.2", {"patience": "3", "ratio_threshold": "0.2"}),
        ("overfit:tensor_regex=a,b,patience=2", {"tensor_regex": "a,b", "patience": "2"}),
    ],
)
def test_rules_on_a_command_line(text: str, parameters: dict[str, str]) -> None:
    assert parse_rule(text) == ("Overfit", parameters)
