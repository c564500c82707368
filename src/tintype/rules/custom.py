"""Rules that a user wrote for smdebug: a class with `set_required_tensors(step)` and `invoke_at_step(step) -> bool`.

The file is the user's own code and runs in the process of the rules, as it does in SageMaker's container. Its imports
(`smdebug.rules.rule.Rule`, `smdebug.exceptions`, ...) are answered by the package `smdebug` that is installed, or else
by ours. What goes wrong in it is the rule's Error and nobody else's.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, final

from tintype.debugger import compat_path
from tintype.errors import InvalidRequest, NotFound, not_found
from tintype.rules.finding import Finding
from tintype.rules.parameters import Parameters
from tintype.rules.rule import Profile, Rule
from tintype.rules.similar_across_runs import locate
from tintype.rules.step_view import StepView
from tintype.storage import fetch, is_url

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

MET = "RuleEvaluationConditionMet"
# smdebug's exceptions that say that a step has not what the rule asks for; by name, as there may be two smdebugs.
NO_DATA = frozenset({
    "TensorUnavailable", "TensorUnavailableForStep", "StepUnavailable", "StepNotYetAvailable", "NoMoreData",
    "InsufficientInformationForRuleInvocation",
})  # fmt: skip


@final
@dataclass(frozen=True)
class CustomParameters(Parameters):
    """A user's rule casts its parameters itself."""


@final
@dataclass
class CustomRule(Rule[CustomParameters]):
    """A rule of a user's file. Every global step that was saved is given to it, in order."""

    NAME: ClassVar[str] = "CustomRule"
    PARAMETERS: ClassVar[type[Parameters]] = CustomParameters

    make: Callable[[str], Any] = field(kw_only=True)            # the location of the log → the user's rule
    class_name: str = field(kw_only=True)
    parameters: CustomParameters = field(default_factory=CustomParameters)
    profile: Profile = Profile.RIGHT
    _rule: Any = None
    _judged: bool = False

    @property
    def title(self) -> str:
        return self.class_name

    def anew(self) -> CustomRule:
        return self                             # it was written for logs as a whole

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if self._rule is None:
            self._rule = self.make(log.location)
        try:
            met = self._invoke(step.step)
        except Exception as error:
            kinds = {one.__name__ for one in type(error).__mro__}
            if not kinds & {MET, *NO_DATA}:
                raise
            if MET not in kinds:
                return ()
            met = True
        self._judged = True
        return [self._finding(step)] if met else ()

    def _invoke(self, step: int) -> bool:
        refresh = getattr(self._rule.base_trial, "refresh_data", None)
        if callable(refresh):
            refresh()
        required = getattr(self._rule, "req_tensors", None)
        if required is not None:
            required.clear()
            self._rule.set_required_tensors(step)
            required.fetch()
        return bool(self._rule.invoke_at_step(step))

    def missing(self) -> str:
        return "" if self._judged else "no step had all the tensors that the rule asks for"

    def _finding(self, step: StepView) -> Finding:
        return Finding(
            self.class_name, step.step, step.mode, step.mode_step, "", 1.0, 1.0,
            f"the condition of {self.class_name} was met",
        )  # fmt: skip


def load_custom(source: str, class_name: str, parameters: Mapping[str, str], scratch: Path) -> CustomRule:
    """The rule `class_name` in the file at `source` (a path or a URL, fetched below `scratch`).

    Raises `NotFound` when there is no such file or class, and `InvalidRequest` when the file cannot be imported or the
    class does not take these parameters.
    """
    rule = load_rule_class(source, class_name, parameters, scratch)
    return CustomRule(make=lambda location: _made(rule, location, parameters), class_name=class_name)


def load_rule_class(
    source: str, class_name: str, parameters: Mapping[str, str], scratch: Path, method: str = "invoke_at_step"
) -> Any:
    """The class in the file at `source`, which has `method` and takes `parameters`. Raises as `load_custom` does."""
    path = fetch(source, scratch) if is_url(source) else Path(source).expanduser()
    if path.is_dir():
        files = sorted(path.glob("*.py"))
        path = files[0] if len(files) == 1 else path / "__init__.py"
    if not path.is_file():
        raise NotFound(f"there is no rule file {source}")
    _bring_smdebug()
    module = _imported(path)
    rule: Any = getattr(module, class_name, None)
    if not (isinstance(rule, type) and hasattr(rule, method)):
        known = [name for name, one in vars(module).items() if inspect.isclass(one) and hasattr(one, method)]
        raise not_found(f"rule in {path.name}", class_name, known)
    _check_parameters(rule, class_name, parameters)
    return rule


def _made(rule: Any, location: str, parameters: Mapping[str, str]) -> Any:
    create_trial = importlib.import_module("smdebug.trials").create_trial
    given: dict[str, Any] = dict(parameters)
    accepted = inspect.signature(rule).parameters
    if "action_str" in accepted:        # rules of different ages take the text of their actions, or do not
        given.setdefault("action_str", "")
    if others := given.pop("other_trials", ""):
        given["other_trials"] = [create_trial(locate(one.strip(), location)) for one in others.split(",")]
    return rule(base_trial=create_trial(location), **given)


def _bring_smdebug() -> None:
    if importlib.util.find_spec("smdebug") is None:
        sys.path.append(str(compat_path()))


def _imported(path: Path) -> ModuleType:
    name = f"tintype_custom_rule_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidRequest(f"the rule file {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module          # dataclasses and pickles of the user look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InvalidRequest(f"the rule file {path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _check_parameters(rule: type, class_name: str, parameters: Mapping[str, str]) -> None:
    accepted = inspect.signature(rule).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in accepted.values()):
        return
    for name in parameters:
        if name not in accepted:
            known = set(accepted) - {"self", "base_trial", "action_str"}
            raise InvalidRequest(f"{class_name}: {not_found('parameter', name, known)}")
