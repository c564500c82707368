"""All rules by name, and how rules are spelt on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tintype.debugger.configuration import HookConfiguration
from tintype.errors import InvalidRequest, not_found
from tintype.rules.all_zero import AllZero
from tintype.rules.augmentation_too_strong import AugmentationTooStrong
from tintype.rules.batch_norm_drift import BatchNormDrift
from tintype.rules.check_input_images import CheckInputImages
from tintype.rules.class_collapse import ClassCollapse
from tintype.rules.class_imbalance import ClassImbalance
from tintype.rules.confusion import Confusion
from tintype.rules.dead_class import DeadClass
from tintype.rules.dead_relu import DeadRelu
from tintype.rules.eval_mode_training import EvalModeTraining
from tintype.rules.exploding_tensor import ExplodingTensor
from tintype.rules.gradient_noise import GradientNoise
from tintype.rules.gradient_not_cleared import GradientNotCleared
from tintype.rules.label_noise import LabelNoise
from tintype.rules.learning_rate_too_high import LearningRateTooHigh
from tintype.rules.learning_rate_too_low import LearningRateTooLow
from tintype.rules.loss_inputs import LossInputs
from tintype.rules.loss_not_decreasing import LossNotDecreasing
from tintype.rules.overfit import Overfit
from tintype.rules.overtraining import Overtraining
from tintype.rules.parameters import parse_parameters
from tintype.rules.poor_weight_initialization import PoorWeightInitialization
from tintype.rules.rule import AnyRule, Profile
from tintype.rules.saturated_activation import SaturatedActivation
from tintype.rules.similar_across_runs import SimilarAcrossRuns
from tintype.rules.stalled_training import StalledTraining
from tintype.rules.tensor_variance import TensorVariance
from tintype.rules.train_valid_leak import TrainValidLeak
from tintype.rules.unchanged_tensor import UnchangedTensor
from tintype.rules.unshuffled_batches import UnshuffledBatches
from tintype.rules.untrained_layers import UntrainedLayers
from tintype.rules.vanishing_gradient import VanishingGradient
from tintype.rules.weight_decay_too_strong import WeightDecayTooStrong
from tintype.rules.weight_update_ratio import WeightUpdateRatio

RULES: Mapping[str, type[AnyRule]] = {
    one.NAME: one
    for one in (
        AllZero,
        AugmentationTooStrong,
        BatchNormDrift,
        CheckInputImages,
        ClassCollapse,
        ClassImbalance,
        Confusion,
        DeadClass,
        DeadRelu,
        EvalModeTraining,
        ExplodingTensor,
        GradientNoise,
        GradientNotCleared,
        LabelNoise,
        LearningRateTooHigh,
        LearningRateTooLow,
        LossInputs,
        LossNotDecreasing,
        Overfit,
        Overtraining,
        PoorWeightInitialization,
        SaturatedActivation,
        SimilarAcrossRuns,
        StalledTraining,
        TensorVariance,
        TrainValidLeak,
        UnchangedTensor,
        UnshuffledBatches,
        UntrainedLayers,
        VanishingGradient,
        WeightDecayTooStrong,
        WeightUpdateRatio,
    )
}

ALIASES: Mapping[str, str] = {
    "StalledTrainingRule": "StalledTraining",       # SageMaker's own name
}  # fmt: skip


def find_rule(name: str) -> type[AnyRule]:
    """The rule called `name`, whatever its case and underscores. `NotFound` lists near names."""
    names = {_plain(known): known for known in RULES} | {_plain(alias): known for alias, known in ALIASES.items()}
    if (known := names.get(_plain(name), "")) in RULES:
        return RULES[known]
    raise not_found("rule", name, RULES)


def make_rule(name: str, parameters: Mapping[str, Any] | None = None, profile: Profile = Profile.RIGHT) -> AnyRule:
    """A new instance of a rule. `parameters` may be strings, as SageMaker sends them.

    Raises `NotFound` for an unknown rule and `InvalidRequest` for an unknown parameter or a value out of range.
    """
    rule = find_rule(name)
    given = parse_parameters(rule.PARAMETERS, parameters or {}, rule.NAME)
    return rule(parameters=given, profile=profile)      # type: ignore[call-arg]  (every rule is a dataclass with both)


def parse_rule(text: str) -> tuple[str, dict[str, str]]:
    """Name and parameters of a rule spelt `VanishingGradient:threshold=1e-6,…`, checked. Raises as `make_rule` does."""
    name, parameters = split_rule(text)
    rule = find_rule(name)
    make_rule(rule.NAME, parameters)
    return rule.NAME, parameters


def split_rule(text: str) -> tuple[str, dict[str, str]]:
    """Name and parameters as they are spelt, of a rule of any catalogue. Raises `InvalidRequest`."""
    name, _, rest = text.partition(":")
    parameters: dict[str, str] = {}
    for part in re.split(r",(?=\s*\w+=)", rest) if rest else []:
        key, separator, value = part.partition("=")
        if not separator:
            raise InvalidRequest(f"rule {name!r}: {part!r} is not parameter=value")
        parameters[key.strip()] = value.strip()
    return name.strip(), parameters


def attach_rules(configuration: HookConfiguration, rules: Iterable[type[AnyRule]]) -> HookConfiguration:
    """`configuration`, saving what `rules` need as well; what the user chose himself stays as it is."""
    for rule in rules:
        for collection in rule.ATTACHES:
            configuration = configuration.attach(collection)
    return configuration


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
