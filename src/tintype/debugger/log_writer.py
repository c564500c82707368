"""Writing a tensor log: the format of smdebug, a step at a time, each step whole or not there.

The event file is renamed into place before the index file, and a reader learns of a step only from its index: whoever
is killed in between leaves a log in which that step did not happen.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tintype.debugger.claim import Claim
from tintype.debugger.collection import Collection
from tintype.debugger.event import encode
from tintype.debugger.journal import JournalWriter
from tintype.debugger.layout import (
    END_MARKER,
    ENDED_SUFFIX,
    JOURNAL,
    OWN_PAYLOAD,
    collections_path,
    event_path,
    index_path,
)
from tintype.debugger.local_files import LocalFiles
from tintype.debugger.log_location import log_files
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import OWN_PREFIX
from tintype.debugger.step_record import StepRecord
from tintype.debugger.tfrecord import Buffer
from tintype.errors import Conflict, InvalidRequest, StorageFailed

logger = logging.getLogger(__name__)

Entry = tuple[str, int, int]        # the name of a tensor, where its record begins, how long it is


class TensorLogWriter:
    """Writes what one worker saves. Used by one thread at a time.

    `workers` is how many of them write into this log, `clock` gives seconds since the epoch. With `resume` a log that
    had ended is continued; without, it raises `Conflict`, as it does when another process writes as the same worker.
    Raises `StorageFailed` when the folder cannot be written.
    """

    def __init__(
        self,
        location: str | Path,
        worker: str = "worker_0",
        workers: int = 1,
        *,
        resume: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.files = log_files(location)
        self.worker = worker
        self.workers = workers
        self._clock = clock
        if self.files.exists(END_MARKER) and not resume:
            raise Conflict(f"the tensor log {self.files.location} has ended; choose another folder, or resume it")
        root = self.files.root if isinstance(self.files, LocalFiles) else None
        self._claim = Claim(root, worker) if root else None
        self._journal = JournalWriter(root, worker) if root else None
        self.files.remove(END_MARKER)
        self.files.remove(f"{JOURNAL}/{worker}{ENDED_SUFFIX}")

    @contextlib.contextmanager
    def step(self, global_step: int, mode: Mode = Mode.GLOBAL, mode_step: int | None = None) -> Iterator[StepRecord]:
        """A record to fill in; it is written when the block ends well, and forgotten when it does not."""
        record = self.record(global_step, mode, mode_step)
        yield record
        self.write(record)

    def record(self, global_step: int, mode: Mode = Mode.GLOBAL, mode_step: int | None = None) -> StepRecord:
        """An empty record of a step, to be given to `write`. `mode_step` is the global step unless it is given."""
        return StepRecord.at(global_step, mode, global_step if mode_step is None else mode_step, self._clock())

    def write(self, record: StepRecord) -> None:
        """Write a step; an empty one leaves nothing. A step that was written before is replaced.

        Raises `InvalidRequest` for a tensor of a type that has no place in a log, after the others were written, and
        `StorageFailed` for a full disk.
        """
        if not record:
            return
        step = record.moment.global_step
        path = event_path(step, self.worker)
        buffers, entries, refusal = _encode_all(record)
        if buffers:
            self.files.write(path, buffers)
        if entries or record.shapes:
            self.files.write(index_path(step, self.worker), [_index(record, path, entries)])
            self._note_in_journal(record, entries)
        if refusal:
            raise refusal

    def _note_in_journal(self, record: StepRecord, entries: Sequence[Entry]) -> None:
        if self._journal is None:
            return
        try:
            self._journal.append(record, entries)
        except StorageFailed as error:          # it is only a cache: what it lacks is read from the index
            logger.warning("the journal of %s is given up: %s", self.files.location, error)
            self._journal.close()
            self._journal = None

    def write_collections(self, collections: Iterable[Collection]) -> None:
        """Write the collections of this worker, in the place of those written before."""
        document = {
            "collections": {one.name: one.to_json() for one in collections},
            "_meta": {"num_workers": self.workers},
        }
        self.files.write(collections_path(self.worker), [json.dumps(document).encode()])

    def end(self) -> None:
        """Say that nothing more will come of this worker, and let go of the log; it ends with its last worker."""
        if self._is_last():
            self.files.write(END_MARKER, [b""])
        self.close()

    def _is_last(self) -> bool:
        if self.workers == 1:
            return True
        self.files.write(f"{JOURNAL}/{self.worker}{ENDED_SUFFIX}", [b""])
        return sum(name.endswith(ENDED_SUFFIX) for name in self.files.names(JOURNAL)) >= self.workers

    def close(self) -> None:
        """Let go of the log without ending it, so that another process may go on."""
        if self._journal:
            self._journal.close()
        if self._claim:
            self._claim.close()


def _encode_all(record: StepRecord) -> tuple[list[Buffer], list[Entry], InvalidRequest | None]:
    buffers: list[Buffer] = []
    entries: list[Entry] = []
    refusal: InvalidRequest | None = None
    position = 0
    for tensor in record.tensors.values():
        moment = record.moment if tensor.wall_time is None else replace(record.moment, wall_time=tensor.wall_time)
        try:
            pieces, length = encode(tensor.tag, tensor.value, moment, tensor.original_dtype)
        except InvalidRequest as error:
            refusal = refusal or InvalidRequest(f"{tensor.tag}: {error}")
            continue
        buffers += pieces
        entries.append((tensor.tag, position, length))
        position += length
    return buffers, entries, refusal


def _index(record: StepRecord, path: str, entries: Sequence[Entry]) -> bytes:
    meta: dict[str, object] = {"mode": record.moment.mode.name, "mode_step": record.moment.mode_step}
    if entries:
        meta["event_file_name"] = path
    spelt = [{"tensorname": tag, "start_idx": start, "length": length} for tag, start, length in entries]
    document: dict[str, object] = {
        "meta": meta,
        "tensor_payload": [one for one in spelt if not str(one["tensorname"]).startswith(OWN_PREFIX)],
        "shape_payload": [
            {"tensorname": name, "originalname": name, "shape": shape} for name, shape in record.shapes_alone.items()
        ],
    }
    if ours := [one for one in spelt if str(one["tensorname"]).startswith(OWN_PREFIX)]:
        document[OWN_PAYLOAD] = ours
    return json.dumps(document).encode()
