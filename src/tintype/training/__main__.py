"""`python -m tintype.training PLAN.json` runs one training job.

Events go to the standard output, one JSON object per line; whatever a library prints goes to the standard error. With
`--events FILE` they are appended to that file, the standard output is a log for people, and the result is written to
the job's `output/result.json`: so the trainer is a script like any other. Hyperparameters may follow the plan, as
SageMaker gives them (`--lr 0.01 --batch-size 32`); they count for more than what the plan says.
Exit code 0 when the job completed or was stopped, 1 when it failed, 2 when the plan is no plan.
With torchrun: `torchrun --nproc-per-node 2 -m tintype.training PLAN.json`.
"""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

from tintype.errors import TintypeError
from tintype.freed_memory import keep_freed_memory
from tintype.training.events import Event, Outcome, encode
from tintype.training.hyperparameters import parse_words, plan_from
from tintype.training.narration import lines_of
from tintype.training.plan import load_plan

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse `arguments` (without the program's name), run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tintype.training", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("plan", type=Path, help="a training plan as JSON")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of the plan's directory")
    parser.add_argument("--events", type=Path, help="append the events to this file, and write a log for people")
    options, hyperparameters = parser.parse_known_args(arguments)
    keep_freed_memory()
    if options.events is not None:
        return run_once(options.plan, options.resume, narrator(options.events), hyperparameters)
    return run_once(options.plan, options.resume, emitter(private_output()), hyperparameters)


def run_once(path: Path, resume: bool, emit: Callable[[Event], None], hyperparameters: Sequence[str] = ()) -> int:
    """Run the plan at `path`. SIGTERM and Ctrl-C stop it after the step, with a checkpoint."""
    try:
        plan = load_plan(path)
        if hyperparameters:
            plan = plan_from(parse_words(hyperparameters), plan)
    except TintypeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    # Imported here, so that --help and a wrong plan do not wait for torch.
    from tintype.profiler.own_spans import spans_of_loop
    from tintype.training.distributed import join
    from tintype.training.run import run_job
    from tintype.training.session import Host
    from tintype.training.stop import Patience, Stop

    stop = Stop()
    on_signals(lambda: stop.ask(Patience.AFTER_STEP))
    with join(os.environ) as world:
        outcome = run_job(plan, emit, resume=resume, host=Host(world, stop, spans_of_loop(os.environ)))
    return 1 if outcome is Outcome.FAILED else 0


def on_signals(act: Callable[[], None]) -> None:
    """Call `act` on SIGTERM and on Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: act())


def private_output() -> TextIO:
    """The standard output for us alone: from now on, what others write there comes out on the standard error."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(STANDARD_OUTPUT), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
    return ours


def narrator(events: Path) -> Callable[[Event], None]:
    """Appends events to a file, and prints what a person wants to know of them."""
    events.parent.mkdir(parents=True, exist_ok=True)
    record = emitter(events.open("a", encoding="utf-8", errors="backslashreplace"))

    def emit(event: Event) -> None:
        record(event)
        for line in lines_of(event):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    return emit


def emitter(stream: TextIO) -> Callable[[Event], None]:
    """Writes events to `stream`; when its reader is gone, they are lost, and the job is told otherwise to stop."""

    def emit(event: Event) -> None:
        try:
            stream.write(encode(event) + "\n")
            stream.flush()
        except BrokenPipeError:
            return

    return emit


def leave(code: int) -> NoReturn:
    """End the process at once. Taking torch down in good order takes a second, and nothing of it would be left.

    Whoever asked to be called at the end still is, such as a debugger that closes its log.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
