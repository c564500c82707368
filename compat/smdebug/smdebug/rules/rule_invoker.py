"""Running a rule over a trial, step by step."""

from __future__ import annotations

from smdebug.core.logger import get_logger
from smdebug.exceptions import (
    NoMoreProfilerData,
    RuleEvaluationConditionMet,
    StepUnavailable,
    TensorUnavailable,
    TensorUnavailableForStep,
)
from smdebug.rules.rule import Rule


def invoke_rule(
    rule_obj: Rule, start_step: int = 0, end_step: int | None = None, raise_eval_cond: bool = False
) -> None:
    """Ask a rule about each global step from `start_step` to before `end_step`, saved or not.

    Without an end it goes on until the training is over, which is told by `NoMoreData`. That a condition was met is
    logged, or raised with `raise_eval_cond`.
    """
    logger = get_logger()
    step = start_step or 0
    while end_step is None or step < end_step:
        try:
            rule_obj.invoke(step)
        except (TensorUnavailableForStep, StepUnavailable, TensorUnavailable) as error:
            logger.debug("%s", error)
        except NoMoreProfilerData as error:
            logger.info("No more profiler data for rule %s at timestamp %s", rule_obj.rule_name, error.timestamp)
            return
        except RuleEvaluationConditionMet as error:
            if raise_eval_cond:
                raise
            logger.info("%s", error)
            if error.end_of_rule:
                return
        step += 1
