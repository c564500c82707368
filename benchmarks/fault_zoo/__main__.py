"""`python -m benchmarks.fault_zoo [--part P] [--only TEXT] [--drawn N] [--fresh] [--write]`: the rules over the zoo.

Trains what was not trained before (about three minutes for all, on one core), evaluates all rules with their defaults
and prints the tables. `--only` takes trainings whose name contains a text, `--rule` one rule, `--write` writes
`docs/fault_zoo.md`. `--drawn 20` adds 20 healthy and 20 broken trainings that are drawn at random.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.fault_zoo.capture import captured
from benchmarks.fault_zoo.drawn import broken, healthy
from benchmarks.fault_zoo.judging import Verdict, judge
from benchmarks.fault_zoo.page import TITLES, page
from benchmarks.fault_zoo.training import Training
from benchmarks.fault_zoo.zoo import FOREIGN, WHOLE, ZOO
from benchmarks.measuring import REPOSITORY
from tintype.rules.catalogue import RULES, find_rule

LOGS = Path(tempfile.gettempdir()) / "tintype-fault-zoo"


def main(arguments: list[str]) -> int:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="trainings whose name contains this")
    parser.add_argument("--drawn", type=int, default=0, help="so many healthy and broken trainings, drawn at random")
    parser.add_argument("--part", action="append", choices=[*TITLES], help="of the zoo (may be given again); else all")
    parser.add_argument("--rule", action="append", help="judge by this rule (may be given again)")
    parser.add_argument("--logs", type=Path, default=LOGS, help="where tensor logs are kept")
    parser.add_argument("--fresh", action="store_true", help="train again")
    parser.add_argument("--kept", action="store_true", help="judge old logs, whatever rules want saved by now")
    parser.add_argument("--write", action="store_true", help="write docs/fault_zoo.md")
    options = parser.parse_args(arguments)
    rules = [find_rule(name).NAME for name in options.rule] if options.rule else sorted(RULES)
    sets = {"chosen": ZOO.values(), "foreign": FOREIGN, "whole": WHOLE, "drawn": drawn(options.drawn)}
    wanted = options.part or [name for name in TITLES if name != "drawn" or options.drawn]
    parts = [page(judged(sets[name], rules, options), rules, TITLES[name]) for name in wanted]
    text = "\n".join(parts)
    print(text)
    if options.write:
        (REPOSITORY / "docs" / "fault_zoo.md").write_text(text)
    return 0


def drawn(count: int) -> list[Training]:
    """So many broken trainings and as many healthy ones."""
    return [make(number) for make in (broken, healthy) for number in range(count)]


def judged(trainings: Iterable[Training], rules: Sequence[str], options: argparse.Namespace) -> list[Verdict]:
    """Those whose name contains what was asked for, one after another."""
    verdicts = []
    for training in trainings:
        if options.only in training.name:
            log = captured(training, options.logs, fresh=options.fresh, kept=options.kept)
            verdicts.append(judge(training, log, rules))
            print(line(verdicts[-1]), file=sys.stderr, flush=True)
    return verdicts


def line(verdict: Verdict) -> str:
    """One training in one line."""
    if verdict.training.broken:
        mark = "named " if verdict.named else "MISSED"
    else:
        mark = "ALARM " if verdict.fired else "quiet "
    said = ", ".join(verdict.fired) or "-"
    crashed = "".join(f"; {rule} CRASHED: {error}" for rule, error in verdict.crashed.items())
    return f"{mark} {verdict.training.name}: {said}{crashed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
