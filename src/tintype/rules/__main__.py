"""`python -m tintype.rules --job-directory DIR [--home DIR --job NAME]` judges a job's tensor log as it is written.

Reads `input/config/rules.json` of the job's directory, follows `debug-output`, and writes `rule-output/<name>/`. Ends
when the log or the job has ended; SIGTERM says that the training is over and leaves time to judge the rest. Exit code 0
whatever the rules find, 2 when it is told something that is no set of rules.
Mail goes over TINTYPE_SMTP_HOST, _PORT, _SENDER, _USER, _PASSWORD, and _STARTTLS=1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tintype.debugger.tensor_log import open_log
from tintype.errors import InvalidRequest, TintypeError
from tintype.jobs.directory import JobDirectory
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.rules.actions.action import Action
from tintype.rules.actions.email import MailServer
from tintype.rules.actions.parsing import parse_actions
from tintype.rules.actions.stop_training import StopTraining
from tintype.rules.custom import load_custom
from tintype.rules.evaluation import Evaluation
from tintype.rules.following import Following
from tintype.rules.job_watch import JobWatch
from tintype.rules.rule import AnyRule
from tintype.rules.rule_configuration import RuleConfiguration, parse_rules
from tintype.rules.rule_output import RuleOutput
from tintype.rules.rule_run import RuleRun
from tintype.rules.run_facts import OWN_NAMES, RunFacts
from tintype.rules.stalled_training import StalledTraining
from tintype.settings import TRUE, Settings
from tintype.storage import read_json

RULES = "rules.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse `arguments` (without the program's name), follow the log, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tintype.rules", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--job-directory", type=Path, required=True, help="the directory of the job")
    parser.add_argument("--home", type=Path, help="the workspace, where the job's record is")
    parser.add_argument("--job", default="", help="the name of the job")
    given = parser.parse_args(arguments)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})        # the engine starts us with it blocked
    try:
        with ExitStack() as stack:
            following = _following(given.job_directory, _watch(given, stack), over)
            following.run()
    except TintypeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _watch(given: argparse.Namespace, stack: ExitStack) -> JobWatch:
    if not given.job:
        return JobWatch(given.job_directory)
    settings = Settings.from_environment(os.environ, given.home)
    records = Records.open(settings.database_url or f"sqlite:///{settings.home / 'tintype.db'}")
    stack.callback(records.close)
    return JobWatch(given.job_directory, JobStore(records), given.job)


def _following(directory: Path, watch: JobWatch, over: threading.Event) -> Following:
    job = JobDirectory(directory)
    configurations = parse_rules(read_json(job.config / RULES))
    facts, server = _facts(job), _mail_server(os.environ)
    runs, actions = [], {}
    for one in configurations:
        rule = _rule(one, directory)
        runs.append(RuleRun(rule, one.name, facts, time.time))
        actions[one.name] = _actions(one, rule, server)
    return Following(
        Evaluation(open_log(job.debug_output), runs),
        watch,
        RuleOutput(job.rule_output),
        actions,
        time.time,
        time.process_time,
        lambda seconds: _sleep(over, seconds),
        over.is_set,
    )


def _rule(configuration: RuleConfiguration, directory: Path) -> AnyRule:
    if not configuration.source:
        return configuration.make()
    source = configuration.source
    beside = directory / "code" / source
    scratch = directory / "rule-output" / configuration.name / ".sagemaker-ignore"
    return load_custom(
        str(beside) if beside.is_file() else source, configuration.rule, configuration.parameters, scratch
    )


def _actions(configuration: RuleConfiguration, rule: AnyRule, server: MailServer) -> tuple[Action, ...]:
    actions = parse_actions(list(configuration.actions), server)
    if isinstance(rule, StalledTraining) and rule.parameters.stop_training_on_fire:
        actions = (*actions, StopTraining(rule.parameters.training_job_name_prefix or ""))
    return actions


def _facts(job: JobDirectory) -> RunFacts:
    try:
        found = read_json(job.hyperparameters)
    except TintypeError:                # findings are then explained without them
        found = {}
    hyperparameters = {str(name): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}
    return RunFacts(hyperparameters, OWN_NAMES if job.plan.is_file() else {})


def _mail_server(environ: Mapping[str, str]) -> MailServer:
    given = {word: environ.get(f"TINTYPE_SMTP_{word.upper()}", "") for word in ("host", "sender", "user", "password")}
    port = environ.get("TINTYPE_SMTP_PORT") or "25"
    if not port.isdecimal():
        raise InvalidRequest(f"TINTYPE_SMTP_PORT={port!r} is not a port; unset it or correct it")
    return MailServer(
        given["host"], int(port), given["sender"] or "tintype@localhost", given["user"],
        given["password"], environ.get("TINTYPE_SMTP_STARTTLS", "").lower() in TRUE,
    )  # fmt: skip


def _sleep(over: threading.Event, seconds: float) -> None:
    over.wait(seconds)


if __name__ == "__main__":
    sys.exit(main())
