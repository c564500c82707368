"""What a job's rules have to say, as files: written whole, after every change, by one process; read by anybody.

    <job>/rule-output/<name>/status.json        a RuleState
                            /findings.json      {"count", "kept", "tensors": {name: count}, "findings": [...]}
                            /error.txt          the traceback of a rule that crashed
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from tintype.errors import NotFound, StorageFailed
from tintype.rules.finding import Finding
from tintype.rules.rule_run import RuleRun
from tintype.rules.status import RuleState
from tintype.storage import read_json, write_bytes, write_json

STATUS, FINDINGS, ERROR = "status.json", "findings.json", "error.txt"
QUIET_SECONDS = 30.0                    # how old a status may become when nothing but its last step has changed


@final
@dataclass
class RuleOutput:
    """Writes what has changed since the last time."""

    folder: Path                        # the job's rule-output
    _written: dict[str, RuleState] = field(default_factory=dict)
    _written_at: dict[str, float] = field(default_factory=dict)

    def write(self, run: RuleRun, now: float) -> None:
        """Write the files of one rule, those that changed. Raises `StorageFailed`."""
        known, state = self._written.get(run.name), run.state
        same = known is not None and replace(known, last_step=state.last_step) == state
        quiet = now - self._written_at.get(run.name, 0.0) < QUIET_SECONDS
        if known == state or (same and quiet and not run.is_over):
            return
        folder = self.folder / run.name
        if known is None or known.findings != state.findings:
            write_json(folder / FINDINGS, _findings(run), durable=False)
        if run.trace:
            write_bytes(folder / ERROR, run.trace.encode(), durable=False)
        write_json(folder / STATUS, state.to_json(), durable=False)
        self._written[run.name], self._written_at[run.name] = state, now


def _findings(run: RuleRun) -> dict[str, Any]:
    return {
        "count": run.state.findings,
        "kept": len(run.findings),
        "tensors": dict(run.by_tensor.most_common()),
        "findings": [finding.to_json() for finding in run.findings],
    }


def read_states(folder: Path) -> list[RuleState]:
    """The state of each rule below a job's rule-output, by name; what is damaged or of another kind is left out."""
    found = []
    for path in sorted(folder.glob(f"*/{STATUS}")):
        try:
            found.append(RuleState.from_json(read_json(path)))
        except (NotFound, StorageFailed, TypeError, KeyError, ValueError):
            continue                    # the profiler's rules keep files of their own in this folder
    return found


def read_findings(folder: Path, name: str) -> list[Finding]:
    """The findings that were kept of one rule; none when it has not written any. Raises `StorageFailed`."""
    try:
        return [Finding.from_json(one) for one in read_json(folder / name / FINDINGS)["findings"]]
    except NotFound:
        return []
