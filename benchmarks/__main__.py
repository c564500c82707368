"""`python -m benchmarks [NAME ARGUMENT...]`: one benchmark, or all of them one after another."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "decoding", "growth", "frozen_tuning", "fine_tuning", "accuracy", "records", "engine", "tensor_log",
    "debugger_cost", "serving", "s3", "describe_jobs",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run what is asked for."""
    if arguments and arguments[0] not in NAMES:
        print(f"there is no benchmark {arguments[0]!r}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in arguments[:1] or NAMES:
        importlib.import_module(f"benchmarks.{name}").main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
