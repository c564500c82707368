"""Lines of tuning jobs. A page that shows them asks again every few seconds, so only what has changed is read again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any, final

from tintype.pipeline.coordination import true_state, tuning_names, tuning_state
from tintype.records import Records
from tintype.reports.wording import quantity
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import TUNING_KIND, RecordTuningStore

UNDER_WAY = frozenset({TuningStatus.IN_PROGRESS, TuningStatus.STOPPING})
MOST_REMEMBERED = 200


def row(state: TuningState) -> dict[str, Any]:
    """A tuning job as a line of a list."""
    best = state.best
    settings = {} if best is None else best.suggested
    return {
        "name": state.name,
        "status": state.status.value,
        "trials": len(state.trials),
        "objective": state.settings.objective,
        "best": None if best is None else best.value,
        "settings": "  ".join(f"{name} {quantity(value)}" for name, value in settings.items()),
        "under_way": state.status in UNDER_WAY,
    }


@final
@dataclass(frozen=True)
class _Ended:
    """Nothing changes any more unless the tuning job is resumed, which its version tells."""

    begun_at: float
    version: int
    row: dict[str, Any]


@final
@dataclass(frozen=True)
class _Followed:
    """One that goes on: the store knows which trials it has read."""

    begun_at: float
    store: RecordTuningStore
    state: TuningState


@final
class TuningRows:
    """The lines, and what is remembered of the tuning jobs that were shown last. Safe to share between threads."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known: OrderedDict[str, _Ended | _Followed] = OrderedDict()
        self._lock = Lock()

    def newest(self, limit: int, offset: int = 0) -> list[dict[str, Any]]:
        """Those after the first `offset`, newest first."""
        names = tuning_names(self._records, name_contains=None, limit=limit, offset=offset)
        with self._lock:
            rows = [self._row(name) for name in names]
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return rows

    def _row(self, name: str) -> dict[str, Any]:
        record, known = self._records.find(TUNING_KIND, name), self._known.pop(name, None)
        if record is None:                              # its coordinator has not said a word yet, or it was deleted
            return row(tuning_state(self._records, name))
        if known is not None and known.begun_at != record.created_at:
            known = None                                # it was deleted, and its name is used again
        if isinstance(known, _Ended) and known.version == record.version:
            self._known[name] = known
            return known.row
        if isinstance(known, _Followed):
            store, state = known.store, known.store.refreshed(known.state)
        else:
            store = RecordTuningStore(self._records)
            state = store.load(name)
        shown = row(true_state(self._records, name, state) or state)
        begun_at = record.created_at
        self._known[name] = (
            _Ended(begun_at, record.version, shown) if state.is_finished else _Followed(begun_at, store, state)
        )
        return shown
