"""Whether torch.compile is at work: what changes is compiled again, and what it cannot follow ends the script."""

from __future__ import annotations

import sys


def has_compiled() -> bool:
    """Whether anything of this process was compiled by torch."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return dynamo is not None and bool(dynamo.counters.get("stats", {}).get("unique_graphs"))
