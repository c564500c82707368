"""Why a job failed, in one line that says what to do: SageMaker's `FailureReason`, at most 1024 characters.

Looked for in this order: what the script wrote to `output/failure`; the exception that ended it, with the script's own
line; what argparse said; the signal; the exit code. Pure, but for reading that one file.
"""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

LONGEST = 1024              # SageMaker's limit
SIGNAL_EXIT = 128           # a shell's exit code is this and the number of the signal that ended its child
COMMAND_NOT_FOUND = 127

OPT_ML_ADVICE = (
    "the path /opt/ml is not there: read the folder from the environment (SM_MODEL_DIR, SM_CHANNEL_TRAINING, ...), "
    "or make the link yourself (ln -s JOB_DIRECTORY /opt/ml)"
)

# What torch.hub says before it fetches weights.
DOWNLOAD = re.compile(r'^Downloading: "(?P<url>[^"]+)" to (?P<path>.+)$')

# What Python's, requests' and Hugging Face's clients say where no network answers.
NO_NETWORK = re.compile(
    r"urlopen error|Name or service not known|failure in name resolution|Network is unreachable"
    r"|Max retries exceeded with url|LocalEntryNotFoundError|NameResolutionError"
)
NETWORK_ADVICE = (
    "the script fetches something from a network that did not answer: put it here before (weights below $TORCH_HOME or "
    "$HF_HOME of the user that started Tintype, data into a channel)"
)

NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[^']+)'")
MODULE_ADVICE = (
    "a package goes into a requirements.txt beside the script ('tintype[scripts]' has some of those that SageMaker's "
    "containers have); a file of your own comes along with --source-dir, in the SDK source_dir="
)

NO_CHANNEL = re.compile(r"KeyError: 'SM_CHANNEL_(?P<name>[^']+)'")

# The log's own stamp: a line of training.log is looked at as well as a bare one.
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ")
FRAME = re.compile(r'^\s+File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
LIBRARY = re.compile(r"site-packages|/smdebug/smdebug/|/lib/python\d\.\d+/|^<frozen")
OURS = f"{Path(__file__).parents[1]}/"
EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
# A traceback: an exception's, a group's of them, and the one that a data loader's worker had itself.
TRACEBACK = re.compile(r"^(?:Original )?Traceback \(most recent call last\)")
RANK = re.compile(r"^\[rank\d+\]: ?")     # torch puts it before what a process of a distributed training fails over
OF_A_GROUP = re.compile(r"^  (?:\+ Exception Group (?=Traceback)|\| )")
MESSAGE = 700               # of an exception; its place comes after it
# torchrun's word that its child, the script, has failed, and all that it says after that.
LAUNCHER = re.compile(r"^E\d{4} .* failed \(exitcode: (?P<code>-?\d+)\) local_rank: ")
ARGPARSE = re.compile(r"^\S+: error: .+$")
LAUNCH_FAILED = re.compile(r"^(?:/bin/)?(?:ba|da|z)?sh: .+: (?:not found|command not found|Permission denied)$")


@final
@dataclass(frozen=True)
class Ending:
    """How the script's process ended, and what is known of it."""

    exit_code: int                      # negative: the signal
    lines: Sequence[str] = ()           # the last lines that it said, oldest first
    out_of_memory: bool = False         # the kernel killed something of this job for want of memory
    opt_ml: str | None = None           # why the job's directory was not bound at /opt/ml; None: it was


def failure_reason(ending: Ending, failure_file: Path) -> str:
    """One line that says why; `failure_file` is the job's `output/failure`. Never longer than 1024 characters."""
    written = _written(failure_file)
    said = [_bare(line) for line in ending.lines]
    reason = written or _without_file(ending, said)
    if ending.opt_ml is not None and _names_opt_ml([reason, *said]):
        reason = _advised(reason, f"{OPT_ML_ADVICE} ({ending.opt_ml})")
    elif missing := _weights_not_fetched(reason, said):
        reason = _advised(reason, f"the weights could not be downloaded: put the file there yourself, as {missing}")
    elif advice := network_advice(reason):
        reason = _advised(reason, advice)
    elif channel := NO_CHANNEL.search(reason):
        reason = _advised(reason, f"the job has no channel {channel['name'].lower()!r}, which the script expects")
    elif NO_MODULE.search(reason):
        reason = _advised(reason, MODULE_ADVICE)
    return _cut(reason, LONGEST)


def network_advice(reason: str) -> str:
    """What to do when `reason` says that no network answered; "" when it says something else."""
    return NETWORK_ADVICE if NO_NETWORK.search(reason) else ""


def was_out_of_memory(exit_code: int, killed_by_us: bool, kills_before: int, kills_after: int) -> bool:
    """A SIGKILL that was not ours, while the kernel's count of out-of-memory kills went up."""
    killed = exit_code in (-signal.SIGKILL, SIGNAL_EXIT + signal.SIGKILL)
    return killed and not killed_by_us and kills_after > kills_before


def out_of_memory_kills(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """How many processes the kernel has killed for want of memory: this process's control group, else the machine."""
    for path, name in ((cgroups / _own_group(proc) / "memory.events", "oom_kill"), (proc / "vmstat", "oom_kill")):
        try:
            for line in path.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
        except (OSError, ValueError):
            continue                # another kernel, or a container that shows neither
    return 0


def _own_group(proc: Path) -> str:
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return ""
    return next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")


def _bare(line: str) -> str:
    for prefix in (STAMP, RANK, OF_A_GROUP):
        line = prefix.sub("", line)
    return line.rstrip()


def _written(failure_file: Path) -> str:
    try:
        with failure_file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(LONGEST).strip()
    except OSError:
        return ""                   # none, or something that is no file


def _without_file(ending: Ending, said: list[str]) -> str:
    code, said = _of_the_script(ending.exit_code, said)
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    if ending.out_of_memory:
        return (
            "the script was killed because the machine ran out of memory; "
            "use a smaller batch size, fewer data loader workers, or fewer jobs at once"
        )
    if number := -code if code < 0 else code - SIGNAL_EXIT if code > SIGNAL_EXIT else 0:
        name = _signal_name(number)
        if name:
            return f"the script was ended by {name}" + (f"; its last line: {last}" if last else "")
    found = _exception(said) or _argparse(said)
    if found:
        return f"the script ended with exit code {code}: {found}"
    return f"the script ended with exit code {code}" + (f"; its last line: {last}" if last else " and said nothing")


def _of_the_script(code: int, said: list[str]) -> tuple[int, list[str]]:
    """Without what torchrun adds to the failure of its child."""
    for at, line in enumerate(said):
        if launcher := LAUNCHER.match(line):
            return int(launcher["code"]), said[:at]
    return code, said


def _exception(said: list[str]) -> str:
    """The last line of the last traceback, with the innermost line that is not a library's."""
    start = next((at for at in range(len(said) - 1, -1, -1) if TRACEBACK.match(said[at])), None)
    return _syntax_error(said) if start is None else _traceback(said, start)


def _traceback(said: list[str], start: int) -> str:
    frames, end = [], None
    for at in range(start + 1, len(said)):
        if frame := FRAME.match(said[at]):
            frames.append(frame)
        elif not said[at].startswith((" ", "\t")) and said[at]:
            end = at
            break
    if end is None:
        return ""
    own = [one for one in frames if not LIBRARY.search(one["file"])]
    own = [one for one in own if not one["file"].startswith(OURS)] or own       # we only looked on
    where = f" ({Path(own[-1]['file']).name}, line {own[-1]['line']})" if own else ""
    return _cut(" ".join([said[end], *_indented(said[end + 1 :])]), MESSAGE) + where


def _indented(lines: list[str]) -> list[str]:
    """The first lines, as far as they are indented: the rest of a message, as load_state_dict's is."""
    return [line.strip() for line in itertools.takewhile(lambda line: line[:1].isspace(), lines)]


def _syntax_error(said: list[str]) -> str:
    """Python shows a script that does not parse without a traceback's first line."""
    for at in range(len(said) - 1, 0, -1):
        kind = EXCEPTION.match(said[at])
        if kind and kind["name"] in {"SyntaxError", "IndentationError", "TabError"}:
            frame = next((FRAME.match(line) for line in reversed(said[:at]) if FRAME.match(line)), None)
            return said[at] + (f" ({Path(frame['file']).name}, line {frame['line']})" if frame else "")
    return ""


def _argparse(said: list[str]) -> str:
    return next((line for line in reversed(said) if ARGPARSE.match(line) or LAUNCH_FAILED.match(line)), "")


def _weights_not_fetched(reason: str, said: list[str]) -> str:
    """The path that torch.hub wanted to download to, when that is what the script failed over."""
    downloads = [found["path"] for line in said if (found := DOWNLOAD.match(line))]
    failed = NO_NETWORK.search(reason) or any(
        line.startswith(("urllib.error.", "ConnectionError", "TimeoutError", "socket.")) for line in said
    )
    return downloads[-1] if downloads and failed else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _names_opt_ml(lines: Sequence[str]) -> bool:
    return any("/opt/ml" in line for line in lines)


def _advised(reason: str, advice: str) -> str:
    return f"{_cut(reason, LONGEST - len(advice) - 2)}; {advice}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
