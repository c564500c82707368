"""The sections of the profiler's report that say what to do: what limits the job, which machine to take, each rule."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tintype.profiler.limiter import LEAST_SHARE, Candidate, Diagnosis, Limiter
from tintype.profiler.rightsizing import Choice, RightSizing
from tintype.reports.figures.bars import bar, keyed
from tintype.reports.profiler_parts import Figure, Section, Table, lacking
from tintype.reports.wording import number, percent, seconds
from tintype.rules.profiler_catalogue import PROFILER_RULES
from tintype.rules.profiler_rule import Judgement

PARAGRAPH, NOTE = Markup("<p>{}</p>"), Markup('<p class="note">{}</p>')
HOLD_BACK = {"Oversubscription", "Throttling"}          # rules that say why computing takes so long
MOST_FINDINGS = 5                       # of a rule on the page; the file has all


def limits(found: Diagnosis | None, judgements: Sequence[Judgement] = (), shared: Sequence[str] = ()) -> Section:
    """What limits the job, with the evidence, the bound, and the change to make.

    Of a job that computes, `judgements` may say what holds its computing back; `shared` are sentences about other
    programs on its machines.
    """
    if found is None:
        why = "It needs steps with their phases, and none were recorded."
        return Section("limiter", "What limits this training", (), (lacking("What takes the time", why),))
    first = found.limiter
    whole = "the job" if first.limiter is Limiter.INITIALIZATION else "the loop"
    said = [
        f"This training is limited by {first.limiter}: {first.evidence}.",
        f"It takes {percent(first.share)} of {whole}; without it the training would be at most {first.bound:.1f} "
        f"times as fast.",
        f"What to change: {first.change}.",
    ]
    if first.limiter is Limiter.COMPUTE:
        said[1] = f"It takes {percent(first.share)} of the loop, and nothing else takes enough to be worth a change."
        held = [found for one in judgements if one.rule in HOLD_BACK for found in one.findings]
        if held:
            said[1] = f"It takes {percent(first.share)} of the loop, and is held back:"
            said[2:] = [f"{one.message}." for one in held]
            said += [f"What to change: {one.remedy.text}." for one in held if one.remedy]
    said += shared
    largest = max(one.share for one in found.candidates)
    rows = tuple(
        (one.limiter.value.capitalize(), seconds(one.seconds), percent(one.share), _bound(one),
         bar(one.share, largest, f"l-{n}", percent(one.share)), one.evidence)
        for n, one in enumerate(found.candidates)
    )  # fmt: skip
    heads = ("What", "Time", "Share", "At most, without it", "", "Evidence")
    small = f"Of the training loop. What takes less than {LEAST_SHARE:.0%} of it is not called a limit."
    figure = Figure("What takes the time", _bars(found), small)
    return Section("limiter", "What limits this training", tuple(said), (figure,), (
        Table("Candidates", heads, rows, frozenset({1, 2, 3})),))  # fmt: skip


def _bars(found: Diagnosis) -> Markup:
    """Of the loop: the initialization is none of it."""
    parts = [
        (f"l-{n}", one.share, f"{one.limiter}: {percent(one.share)}")
        for n, one in enumerate(found.candidates)
        if one.limiter is not Limiter.INITIALIZATION
    ]
    return keyed(parts, max(1.0, sum(share for _, share, _ in parts)))


def _bound(one: Candidate) -> str:
    """How much faster it could be. Computing cannot be taken away."""
    return "" if one.limiter is Limiter.COMPUTE else f"{one.bound:.2f}×"


def money(found: RightSizing | None) -> Section:
    """Which machine would do the job for less, and what a larger one would gain."""
    title = "The right machine"
    if found is None:
        return Section("machine", title, ("Nothing can be said: it needs system metrics, and none were recorded.",))
    use, current = found.use, found.current
    name = f"a machine like {current.name}" if found.is_guess else current.name
    said = [
        f"The job ran on {name} ({current.vcpus} vCPUs, {current.memory_gib:g} GiB), where it cost "
        f"{_dollars(found.dollars)} at {current.dollars_per_hour:g} dollars an hour.",
        f"It used {use.cpu_median:.0f} % of the processors in the median and at most {use.memory_peak_percent:.0f} % "
        f"of the memory.",
        *found.advice,
    ]
    largest = max(current.dollars_per_hour, *(one.instance.dollars_per_hour for one in _choices(found)), 0.001)
    rows = [("now", current.name, str(current.vcpus), f"{current.memory_gib:g}", str(current.gpus), "1.0×",
             _dollars(found.dollars), bar(current.dollars_per_hour, largest, "a-finalization", "now"), "")]  # fmt: skip
    for words, one in (("as fast for less", found.cheaper), ("larger", found.faster)):
        if one:
            machine = one.instance
            price = bar(machine.dollars_per_hour, largest, "f-time", f"{machine.dollars_per_hour:g} dollars an hour")
            rows.append((words, machine.name, str(machine.vcpus), f"{machine.memory_gib:g}", str(machine.gpus),
                         f"{one.speed:.1f}×", _dollars(one.dollars), price, one.reason))  # fmt: skip
    heads = ("", "Machine", "vCPUs", "GiB", "GPUs", "Speed", "This job", "Price an hour", "Why")
    table = Table("Machines for this job", heads, tuple(rows), frozenset({2, 3, 4, 5, 6}))
    note = "Prices are of a table that you can replace; list prices change, and speeds are upper bounds."
    return Section("machine", title, (*said, note), (), (table,))


def _choices(found: RightSizing) -> list[Choice]:
    return [one for one in (found.cheaper, found.faster) if one]


def _dollars(amount: float) -> str:
    return f"{number(amount, 2)} dollars" if amount >= 0.01 else "less than a cent"


def verdicts(judgements: Sequence[Judgement]) -> Section:
    """Each rule with its figures and what to do: the ones that fired first."""
    ordered = sorted(judgements, key=lambda one: (-one.triggered, bool(one.missing), one.rule))
    rows = tuple(_row(one) for one in ordered)
    fired = [one for one in judgements if one.triggered]
    words = f"{len(fired)} of {len(judgements)} rules found something." if fired else "No rule found anything."
    heads = ("Rule", "Verdict", "What it saw, and what to do", "Data points", "Parameters")
    table = Table("All rules", heads, rows, frozenset({3}), frozenset({3, 4}))
    return Section("rules", "Rules", (words,), (), (table,))


def _row(one: Judgement) -> tuple[str | Markup, ...]:
    verdict = _verdict(one)
    chip = Markup('<span class="chip v-{}">{}</span>').format(verdict.replace(" ", "-"), verdict)
    parameters = Markup('<span class="why">{}</span>').format(Markup("<br>").join(one.parameters.split("\n")))
    return one.rule, chip, Markup("").join(_said(one)), f"{one.datapoints:,}", parameters


def _verdict(one: Judgement) -> str:
    if one.crashed:
        return "error"
    if one.triggered:
        return "issue"
    return "not judged" if one.missing else "no issue"


def _said(one: Judgement) -> list[Markup]:
    """What the rule saw and what to do; or why it could not look; or what it is there for."""
    rule = PROFILER_RULES[one.rule]
    said = [PARAGRAPH.format(_sentence(found.message)) for found in one.findings[:MOST_FINDINGS]]
    said += [NOTE.format(_sentence(found.remedy.text)) for found in one.findings[:1] if found.remedy]
    if one.triggered and not one.findings:
        said.append(PARAGRAPH.format(f"{one.triggered} times. {rule.ADVICE}"))
    if one.missing:
        said.append(NOTE.format(_sentence(one.missing)))
    return said or [NOTE.format(f"It looked for this: {_first_sentence(rule.__doc__ or '')}")]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _first_sentence(page: str) -> str:
    return " ".join(page.split("\n\n")[0].split())
