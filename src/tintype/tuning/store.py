"""Where tuning jobs and trials are kept. One coordinator writes a tuning job; anybody may read it.

Every state change is one write of one document. A writer can only replace what it wrote or loaded last: a second
coordinator of the same tuning job gets a `Conflict` at its first write, or makes the first one get it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, final

from tintype.errors import Conflict, not_found
from tintype.records import Lease, Record, Records
from tintype.tuning.state import TuningState
from tintype.tuning.trial import Trial

TUNING_KIND = "tuning-job"
TRIAL_KIND = "trial"            # its parent is the tuning job; a runner may keep a training job of the same name


class TuningStore(Protocol):
    """Keeps tuning jobs. What was saved is there after any crash of the process that saved it."""

    def save(self, state: TuningState) -> None:
        """Write everything but the trials; the first time makes the tuning job.

        `Conflict` when the name is taken, or when somebody else changed the tuning job.
        """
        ...

    def save_trial(self, state: TuningState, trial: Trial) -> None:
        """Write one trial of the tuning job, new or changed. `Conflict` as for `save`."""
        ...

    def find(self, name: str) -> TuningState | None:
        """A tuning job with its trials, or None."""
        ...

    def load(self, name: str) -> TuningState:
        """A tuning job with its trials. `NotFound` lists near names."""
        ...

    def names(self) -> list[str]:
        """All tuning jobs, sorted."""
        ...


class _Kept(NamedTuple):
    version: int
    parent: str
    document: Mapping[str, Any]


@final
class MemoryTuningStore:
    """For tests and throw-away tuning. `handle` gives another writer over the same content."""

    def __init__(self) -> None:
        self._content: dict[tuple[str, str], _Kept] = {}
        self._known: dict[tuple[str, str], int] = {}        # versions as last written or loaded

    def handle(self) -> MemoryTuningStore:
        """A second writer, as another process would be one."""
        other = MemoryTuningStore()
        other._content = self._content
        return other

    def save(self, state: TuningState) -> None:
        """Write everything but the trials; the first time makes the tuning job."""
        self._write(TUNING_KIND, state.name, "", state.to_json())

    def save_trial(self, state: TuningState, trial: Trial) -> None:
        """Write one trial of the tuning job, new or changed."""
        self._write(TRIAL_KIND, trial.name, state.name, trial.to_json())

    def find(self, name: str) -> TuningState | None:
        """A tuning job with its trials, or None."""
        if (TUNING_KIND, name) not in self._content:
            return None
        own = {key: one for key, one in self._content.items() if key == (TUNING_KIND, name) or one.parent == name}
        self._known.update({key: one.version for key, one in own.items()})
        tuning = own.pop((TUNING_KIND, name))
        return TuningState.from_json(tuning.document, tuple(Trial.from_json(one.document) for one in own.values()))

    def load(self, name: str) -> TuningState:
        """A tuning job with its trials. `NotFound` lists near names."""
        found = self.find(name)
        if found is None:
            raise not_found("tuning job", name, self.names())
        return found

    def names(self) -> list[str]:
        """All tuning jobs, sorted."""
        return sorted(name for kind, name in self._content if kind == TUNING_KIND)

    def _write(self, kind: str, name: str, parent: str, document: Mapping[str, Any]) -> None:
        there = self._content.get((kind, name))
        version = there.version if there else 0
        if version != self._known.get((kind, name), 0):
            raise Conflict(f"the {kind} {name!r} is there already, or somebody else changed it; is it run twice?")
        self._content[kind, name] = _Kept(version + 1, parent, document)
        self._known[kind, name] = version + 1


@final
class RecordTuningStore:
    """Over the record store: kinds "tuning-job" and "trial", a trial's parent being its tuning job.

    A coordinator gives the lease that it holds of the tuning job: its writes raise `LeaseLost` once another holds it.
    """

    def __init__(self, records: Records, lease: Lease | None = None) -> None:
        self._records = records
        self._lease = lease
        self._known: dict[tuple[str, str], Record] = {}     # as last written or loaded, which saves a read per write

    def save(self, state: TuningState) -> None:
        """Write everything but the trials; the first time makes the tuning job."""
        self._write(TUNING_KIND, state.name, "", state.to_json())

    def save_trial(self, state: TuningState, trial: Trial) -> None:
        """Write one trial of the tuning job, new or changed."""
        self._write(TRIAL_KIND, trial.name, state.name, trial.to_json())

    def find(self, name: str) -> TuningState | None:
        """A tuning job with its trials, or None."""
        tuning = self._records.find(TUNING_KIND, name)
        return self._with_trials(tuning) if tuning else None

    def load(self, name: str) -> TuningState:
        """A tuning job with its trials. `NotFound` lists near names."""
        return self._with_trials(self._records.get(TUNING_KIND, name))

    def refreshed(self, before: TuningState) -> TuningState:
        """A tuning job that this store has read before, as it is now; only what has changed is read again."""
        versions = self._records.versions(TRIAL_KIND, parent=before.name)
        changed = [name for name, version in versions.items() if self._version_read(TRIAL_KIND, name) != version]
        tuning = self._records.get(TUNING_KIND, before.name)
        if not changed and tuning.version == self._version_read(TUNING_KIND, before.name):
            return before
        trials = [self._records.get(TRIAL_KIND, name) for name in changed]
        self._known.update({(record.kind, record.name): record for record in (tuning, *trials)})
        state = TuningState.from_json(tuning.document, before.trials)
        for trial in sorted((Trial.from_json(one.document) for one in trials), key=lambda one: one.number):
            state = state.with_trial(trial)
        return state

    def names(self) -> list[str]:
        """All tuning jobs, sorted."""
        return list(self._records.names(TUNING_KIND))

    def _version_read(self, kind: str, name: str) -> int:
        known = self._known.get((kind, name))
        return 0 if known is None else known.version

    def _with_trials(self, tuning: Record) -> TuningState:
        trials = self._records.list(TRIAL_KIND, parent=tuning.name)
        self._known.update({(record.kind, record.name): record for record in (tuning, *trials)})
        return TuningState.from_json(tuning.document, tuple(Trial.from_json(record.document) for record in trials))

    def _write(self, kind: str, name: str, parent: str, document: Mapping[str, Any]) -> None:
        known = self._known.get((kind, name))
        if known is None:
            written = self._records.create(
                kind, name, document, status=document["status"], parent=parent, lease=self._lease
            )
        else:
            written = self._records.replace(known, document, status=document["status"], lease=self._lease)
        self._known[kind, name] = written

