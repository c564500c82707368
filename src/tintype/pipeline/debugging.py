"""A training job that is watched: what its hook saves, which rules look at it, and the process that evaluates them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook_json import hook_json
from tintype.errors import InvalidRequest
from tintype.jobs.job import Companion, JobSpec
from tintype.pipeline.script_jobs import with_path
from tintype.pipeline.training_jobs import parse_assignments
from tintype.rules.catalogue import attach_rules, find_rule, parse_rule
from tintype.site_folder import site_folder

COMPANION = "rules"                 # its name, and of its log
GRACE_SECONDS = 120.0               # for the rules to look at what is left when the training has ended


@final
@dataclass(frozen=True)
class DebuggingRequest:
    """What is to be seen of a training, and who looks at it. Empty: nothing, at no cost."""

    rules: Sequence[str] = ()       # "VanishingGradient", "LossNotDecreasing:num_steps=20,mode=TRAIN"
    hook: Sequence[str] = ()        # "save_interval=100", hook parameters as SageMaker names them

    @property
    def is_empty(self) -> bool:
        """Nothing is asked for."""
        return not self.rules and not self.hook


def debugged(spec: JobSpec, request: DebuggingRequest, name: str, directory: Path, home: Path) -> JobSpec:
    """`spec` with a hook, rules and their evaluation. Raises `InvalidRequest` or `NotFound` naming what is wrong."""
    if request.is_empty:
        return spec
    rules = rule_entries(request.rules)
    hook = HookConfiguration.from_json({"HookParameters": parse_assignments("--hook", list(request.hook))})
    hook = attach_rules(hook, [find_rule(one["rule"]) for one in rules])
    return watched(spec, hook_json(hook), rules, name, directory, home)


def watched(
    spec: JobSpec, hook: dict[str, Any], rules: Sequence[dict[str, Any]], name: str, directory: Path, home: Path
) -> JobSpec:
    """`spec` with a hook's configuration and rules, both as the job's input files hold them."""
    companions = spec.companions
    if rules:
        words = ("--job-directory", str(directory), "--home", str(home), "--job", name)
        command = (sys.executable, "-m", "tintype.rules", *words)
        companions = (*companions, Companion(COMPANION, command, GRACE_SECONDS))
    environment = with_path(spec.environment, site_folder())
    return replace(spec, debugger=hook, rules=tuple(rules), companions=companions, environment=environment)


def rule_entries(rules: Sequence[str]) -> list[dict[str, Any]]:
    """`--rule` as the entries of a job's rules.json, each with a name of its own."""
    entries: list[dict[str, Any]] = []
    for text in rules:
        rule, parameters = parse_rule(text)
        if any(one["name"] == rule for one in entries):
            raise InvalidRequest(f"--rule {rule} is given twice; give it once")
        entries.append({"name": rule, "rule": rule, "parameters": parameters})
    return entries
