"""In which numbers an archive's network runs, and why: a pure decision, from what was measured when it was trained.

8-bit integers are three times as fast where the processor multiplies them, and cost accuracy in some networks. They are
used by themselves only when the archive says that they were tried and cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

from tintype.models.archive import INTEGERS, Description, PrecisionRecord
from tintype.models.processor import INTEGER_FLAGS, cpu_flags

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

LARGEST_DROP = 0.005        # of accuracy: half a point, counted and expected
LARGEST_TIME = 0.8          # of integers, as a share of float32's: less is not worth another file


@final
@dataclass(frozen=True)
class Choice:
    """The numbers that a network runs in."""

    precision: Precision
    reason: str             # for people, a clause

    def __str__(self) -> str:
        return f"{self.precision} ({self.reason})"


def choose(
    description: Description, able: Sequence[Precision], flags: frozenset[str], wanted: Precision | None = None
) -> Choice | None:
    """Among the numbers that a runtime is `able` to use, its favourite first: `wanted`, else the first that is good.

    `flags` are the processor's. None when the runtime has not what is wanted, or nothing.
    """
    if wanted is not None:
        return Choice(wanted, "asked for") if wanted in able else None
    objection = objection_to_integers(description, flags)
    good: list[Precision] = [one for one in able if one != "int8" or objection is None]
    if not good:
        return None
    if good[0] == "int8" and description.precision is not None:
        return Choice("int8", figures(description.precision))
    return Choice(good[0], f"not int8: {objection}" if objection else "what the runtime does best")


def on_this_machine(description: Description) -> Choice:
    """What a server on this machine's processor does by itself."""
    able: tuple[Precision, ...] = ("int8", "fp32") if INTEGERS in description.files else ("fp32",)
    return choose(description, able, cpu_flags()) or Choice("fp32", "all there is")


def objection_to_integers(description: Description, flags: frozenset[str]) -> str | None:
    """Why integers are not used unless asked for; None: they are."""
    record = description.precision
    if record is None:
        return "the archive was written without trying"
    if record.reason or INTEGERS not in description.files:
        return record.reason or "the archive holds none"
    if record.drop is None or record.fp32_milliseconds is None or record.int8_milliseconds is None:
        return "what they cost was not measured"
    drop = max(record.drop, record.expected_drop or 0.0)        # what was counted on few pictures may be luck
    if drop > LARGEST_DROP:
        return f"they lose {100 * drop:.1f} points of accuracy, {_how(record)}"
    if record.int8_milliseconds > LARGEST_TIME * record.fp32_milliseconds:
        return "they are hardly faster with this network"
    if not flags & INTEGER_FLAGS:
        return "this processor has no instructions for them"
    return None


def figures(record: PrecisionRecord) -> str:
    """What was measured, as a clause."""
    if record.fp32_accuracy is None or record.int8_accuracy is None:
        return "not measured"
    text = f"accuracy {100 * record.int8_accuracy:.2f} % against {100 * record.fp32_accuracy:.2f} % in fp32"
    text += f" on {record.images:,} validation images"
    if record.int8_milliseconds and record.fp32_milliseconds:
        text += f", {record.fp32_milliseconds / record.int8_milliseconds:.1f} times as fast"
    return text


def _how(record: PrecisionRecord) -> str:
    counted, expected = 100 * (record.drop or 0), 100 * (record.expected_drop or 0)
    return f"{counted:.2f} counted on {record.images:,} images, {expected:.2f} expected"
