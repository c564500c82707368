"""The zoo's results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.fault_zoo.judging import Verdict, scores, totals

HEAD = """# The fault zoo

Written by `python -m benchmarks.fault_zoo --write`. Small trainings, broken ones and healthy ones, over several
networks and data sets, each by the same plain loop that knows nothing of a debugger. The debugger watches with its
defaults, and all rules judge with theirs. A fault counts as named when one of the rules that the table gives for it
fires. That other rules fire too is no mistake: a learning rate that is far too high kills ReLUs as well. On a healthy
training every finding is a false alarm.

Limits of our own rules were chosen with the recordings of most of these trainings in sight. The second part is of
trainings that are drawn at random, from ranges. After the first half of them, four limits were changed; the other half
was seen once more, for two.

## Chosen trainings
"""
FOREIGN = """
## Unlike the others

Other networks (recurrent, mixing, normalised otherwise, of torchvision and timm), other losses (of pixels, of several
answers, of two opponents, by hand) and other loops (no loader, no validation, two optimisers, closures, folds). They
were written when all rules were finished. As the rules were then, they named 46 of 54 faults (85.2 %), and cried wolf
16 times over 43 healthy trainings (37.2 %): at GANs, regressions and several answers for an image (whose losses have no
classes), blocks that begin at zero, one batch learned by heart in five steps, a second training in one log, half of
the units dropped out. The table is of the rules after that was mended. Of the trainings three were mended too: in two
faults the loss was bound before anybody watched, and L-BFGS did overfit in twelve steps; it makes six now.
"""
WHOLE = """
## Whole scripts

Scripts with data, network and loop of their own, in the manner of tutorials: other depths, rates, lengths (from 30
steps on) and mistakes. They were written last, and judged before a rule was touched for them: 49 of 62 faults were
named (79.0 %), and 10 findings made over 39 healthy trainings (25.6 %). What was wrong in general was mended then: a
script with many transforms of torchvision was not seen at all, nor one that never calls `optimizer.step()`; gradients
that nobody clears are now seen as such; trainings of fewer than 50 steps or 500 labels were not judged; weights drawn
from a normal distribution were not known as fresh, nor weights ten times too large; probabilities given to `BCELoss`
were taken for logits; a training split that is judged beside the other was taken for a leak; eight passes, the last
five without gain, were called too many. The table is of the rules since. Of 33 further scripts that were run once, with
the rules mended but for Overtraining, 22 of 23 faults were named (95.7 %), with findings at 4 of 10 healthy ones.
Findings at two healthy scripts of the table and at one drawn training (a drift of batch norms that settles, scales of
norms that are frozen) led to the last change of two rules, which were judged again over the recordings of all parts.
"""
DRAWN = """
## Drawn at random

`python -m benchmarks.fault_zoo --drawn N`: networks, data sets, optimisers, rates within a factor of two of a good one,
batch sizes, schedules, augmentations and seeds by chance; and each kind of fault made in such a training.
"""

TITLES = {"chosen": HEAD, "foreign": FOREIGN, "whole": WHOLE, "drawn": DRAWN}      # in the order of the page


def page(verdicts: Sequence[Verdict], rules: Sequence[str], title: str) -> str:
    """All tables."""
    total = totals(verdicts)
    summary = (
        f"**{total.named} of {total.faults} faults named ({total.named_percent:.1f} %); "
        f"false alarms over {total.healthy} healthy trainings: {total.alarms} ({total.alarm_percent:.1f} %).**\n"
    )
    return "\n".join([title, summary, rule_table(verdicts, rules), fault_table(verdicts), healthy_table(verdicts)])


def rule_table(verdicts: Sequence[Verdict], rules: Iterable[str]) -> str:
    """One line for each rule."""
    header = ("rule", "faults it may name", "caught", "missed by all", "fired at other faults", "false alarms")
    rows = [
        (one.rule, one.due, one.caught, one.missed, one.elsewhere, one.false_alarms)
        for one in scores(verdicts, rules)
    ]
    return "### Rules\n\n" + table(header, rows)


def fault_table(verdicts: Sequence[Verdict]) -> str:
    """One line for each broken training."""
    header = ("fault", "named", "right rules, those that fired in bold", "others that fired")
    rows = []
    for one in verdicts:
        if one.training.broken:
            right = ", ".join(f"**{rule}**" if rule in one.fired else rule for rule in one.training.rules)
            others = ", ".join(rule for rule in one.fired if rule not in one.training.rules)
            rows.append((one.training.name, "yes" if one.named else "**no**", right, others))
    return "### Faults\n\n" + table(header, rows)


def healthy_table(verdicts: Sequence[Verdict]) -> str:
    """One line for each healthy training."""
    rows = [
        (one.training.name, one.training.images, ", ".join(one.fired) or "none")
        for one in verdicts
        if not one.training.broken
    ]
    return "### Healthy trainings\n\n" + table(("training", "images", "false alarms"), rows)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"
