"""A training job that is watched: what its hook saves, which rules look at it, and the process that evaluates them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook_json import hook_json
from tintype.errors import InvalidRequest
from tintype.jobs.job import Companion, JobSpec, Source
from tintype.pipeline.script_jobs import with_path
from tintype.pipeline.training_jobs import parse_assignments
from tintype.rules.catalogue import attach_rules, find_rule, parse_rule
from tintype.site_folder import site_folder

COMPANION = "rules"                 # its name, and of its log
SMDEBUG = b"smdebug"
MOST_SCRIPTS = 500                  # of a source folder are looked into
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
    """`spec` with a hook, rules and their evaluation. Raises `InvalidRequest` or `NotFound` naming what is wrong.

    A script that opens a hook by itself has the default one ready, as SageMaker's estimators see to.
    """
    if request.is_empty and not opens_hook(spec.source):
        return spec
    rules = rule_entries(request.rules)
    parameters = parse_assignments("--hook", list(request.hook), "save_interval=10")
    hook = HookConfiguration.from_json({"HookParameters": parameters})
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


def opens_hook(source: Source) -> bool:
    """Whether a script on this machine, or one that lies beside it in its source folder, speaks of smdebug."""
    if source.kind != "script":
        return False
    folder = Path(source.source_dir)
    scripts = folder.glob("**/*.py") if source.source_dir and folder.is_dir() else [Path(source.entry_point)]
    return any(_speaks_of(SMDEBUG, one) for one in itertools.islice(scripts, MOST_SCRIPTS))


def _speaks_of(word: bytes, script: Path) -> bool:
    try:
        return word in script.read_bytes()
    except OSError:
        return False                    # the job's start says what is wrong with it


def rule_entries(rules: Sequence[str]) -> list[dict[str, Any]]:
    """`--rule` as the entries of a job's rules.json, each with a name of its own."""
    entries: list[dict[str, Any]] = []
    for text in rules:
        rule, parameters = parse_rule(text)
        if any(one["name"] == rule for one in entries):
            raise InvalidRequest(f"--rule {rule} is given twice; give it once")
        entries.append({"name": rule, "rule": rule, "parameters": parameters})
    return entries
