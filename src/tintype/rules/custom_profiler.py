"""Rules over profiles that a user wrote for smdebug: a class with `invoke_for_timerange(start, end)`, or an `invoke`.

    class HotCores(Rule):
        def __init__(self, base_trial, threshold=90, scan_interval_us=60 * 1000 * 1000): ...
        def invoke_at_step(self, step): pass
        def invoke_for_timerange(self, timestamp_start, timestamp_end, sys_events=None, framework_events=None):
            events = sys_events or self.base_trial.get_system_metrics(timestamp_start, timestamp_end)
            return any(one.dimension == "CPUUtilization" and one.value > self.threshold for one in events)

As the debugger's, it runs in the process of the rules, and what goes wrong in it is the rule's Error and nobody else's.
The profile is given to it in slices of `scan_interval_us`, each once, when the training is over.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

from tintype.errors import InvalidRequest, NotFound, not_found
from tintype.profiler.readers import JobProfile
from tintype.rules.custom import MET, NO_DATA, CustomParameters, load_rule_class
from tintype.rules.finding import Remedy
from tintype.rules.parameters import Parameters
from tintype.rules.profiler_rule import SCAN_MICROSECONDS, Judgement, ProfilerRule
from tintype.rules.rule import Profile

IN_SLICES, BY_ITSELF = "invoke_for_timerange", "invoke"
OVER = NO_DATA | {"NoMoreProfilerData"}


@final
@dataclass
class CustomProfilerRule(ProfilerRule[CustomParameters]):
    """A rule of a user's file. The whole profile is given to it, in order."""

    NAME: ClassVar[str] = "CustomProfilerRule"
    PARAMETERS: ClassVar[type[Parameters]] = CustomParameters
    IS_SAGEMAKERS: ClassVar[bool] = False
    ADVICE: ClassVar[str] = "What its author says."

    make: Callable[[str], Any] = field(kw_only=True)            # the folder of the profile → the user's rule
    class_name: str = field(kw_only=True)
    parameters: CustomParameters = field(default_factory=CustomParameters)
    profile: Profile = Profile.RIGHT

    def judged(self, **parts: Any) -> Judgement:
        return Judgement(rule=self.class_name, **{"parameters": "", **parts})

    def judge(self, job: JobProfile) -> Judgement:
        if job.extent is None:
            return self.judged(missing="nothing was recorded")
        rule = self.make(str(job.root))
        met = sum(_answers(rule, job.extent))
        report = getattr(rule, "report", None) or {}
        count = int(report.get("Violations") or 0) or met
        finding = self.finding(f"the condition of {self.class_name} was met {_times(met)}", met, 0, "", Remedy(""))
        return self.judged(
            parameters=str(report.get("RuleParameters") or ""), details=_plain(report.get("Details") or {}),
            datapoints=int(report.get("Datapoints") or 0), triggered=met, violations=count if met else 0,
            findings=(finding,) if met else (),
        )  # fmt: skip


def find_own_rule(path: Path, class_name: str) -> str:
    """The absolute path of a user's file, which is read and not run: whether it has such a rule over profiles.

    Raises `NotFound` or `InvalidRequest`.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except OSError as error:
        raise NotFound(f"there is no rule file {path}") from error
    except (SyntaxError, ValueError) as error:
        raise InvalidRequest(f"the rule file {path} is no Python: {error}") from error
    methods = {
        one.name: {part.name for part in one.body if isinstance(part, ast.FunctionDef)}
        for one in tree.body
        if isinstance(one, ast.ClassDef)
    }
    if class_name not in methods:
        raise not_found(f"rule in {path.name}", class_name, methods)
    if not methods[class_name] & {IN_SLICES, BY_ITSELF}:
        raise InvalidRequest(
            f"{class_name} in {path.name} is no rule over profiles, as it has no {IN_SLICES}(start, end); rules over "
            "tensors are told in DebugRuleConfigurations"
        )
    return str(path.resolve())


def load_custom_profiler_rule(
    source: str, class_name: str, parameters: Mapping[str, str], scratch: Path
) -> CustomProfilerRule:
    """The rule `class_name` in the file at `source` (a path or a URL, fetched below `scratch`). Raises as
    `custom.load_custom` does."""
    rule = load_rule_class(source, class_name, parameters, scratch, method=BY_ITSELF)
    return CustomProfilerRule(make=lambda root: _made(rule, root, parameters, scratch), class_name=class_name)


def _made(rule: Any, root: str, parameters: Mapping[str, str], scratch: Path) -> Any:
    trial = importlib.import_module("smdebug.trials.profiler_trial").ProfilerTrial("profile", root, str(scratch))
    trial.job_finished = lambda: True           # it is judged as it is: there is nothing to wait for
    given: dict[str, Any] = dict(parameters)
    if "action_str" in inspect.signature(rule).parameters:
        given.setdefault("action_str", "")
    return rule(base_trial=trial, **given)


def _answers(rule: Any, extent: tuple[float, float]) -> Iterator[bool]:
    """Whether its condition was met, slice by slice of the profile. `extent` is in seconds since the epoch."""
    interval = float(getattr(rule, "scan_interval_us", 0) or SCAN_MICROSECONDS)
    first, last = (at * 1e6 for at in extent)
    for number in range(max(1, math.ceil((last - first) / interval))):
        start = first + number * interval
        try:
            if hasattr(rule, IN_SLICES):
                yield bool(getattr(rule, IN_SLICES)(start, start + interval))
            else:
                yield bool(rule.invoke(number))
        except Exception as error:
            kinds = {one.__name__ for one in type(error).__mro__}
            if kinds & OVER:
                return
            if MET not in kinds:
                raise
            yield True
            if getattr(error, "end_of_rule", False):
                return


def _plain(details: Any) -> Any:
    """What JSON can hold of it: NumPy's numbers as numbers, anything else that it does not know as text."""
    if isinstance(details, Mapping):
        return {str(key): _plain(value) for key, value in details.items()}
    return json.loads(json.dumps(details, default=lambda one: one.tolist() if hasattr(one, "tolist") else str(one)))


def _times(count: int) -> str:
    return "once" if count == 1 else f"in {count} slices of the profile"
