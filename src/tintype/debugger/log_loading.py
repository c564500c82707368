"""Reading what is new in a log into its table: from the journal where there is one, from the index, from neither.

Everything that cannot be read is named in `problems`, once, and left out; nothing here raises for what a file holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tintype.debugger.event_decoding import Damaged
from tintype.debugger.index_file import StepIndex, read_index
from tintype.debugger.journal import ROW, SHAPE_ONLY, VERSION, names_path, read_names, row_checks, rows_path
from tintype.debugger.layout import (
    END_MARKER,
    ERRORS_SUFFIX,
    EVENT_NAME,
    EVENTS,
    INDEX,
    INDEX_NAME,
    JOURNAL,
    event_path,
    index_path,
)
from tintype.debugger.log_collections import LogCollections
from tintype.debugger.log_files import LogFiles
from tintype.debugger.log_table import TABLE_ROW, LogTable, Rows
from tintype.debugger.modes import Mode
from tintype.debugger.record_reading import scan
from tintype.errors import NotFound


@dataclass
class LogLoader:
    """Keeps a table up with the files of a log, reading only what was added since the last time."""

    files: LogFiles
    table: LogTable = field(default_factory=LogTable)
    problems: dict[str, str] = field(default_factory=dict)          # path → what is wrong with it
    ended: bool = False
    _journal_bytes: dict[str, int] = field(default_factory=dict)
    _journal_names: dict[str, list[int]] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)                   # names of index files that held nothing
    _folders: dict[str, object] = field(default_factory=dict)
    _scanned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.collections = LogCollections(self.files, self.problems)

    @property
    def workers(self) -> set[str]:
        """The workers that wrote something."""
        return self.collections.workers | set(self.table.workers.names)

    def refresh(self) -> bool:
        """Read what is new; True when there was something."""
        before = (len(self.table.rows), self.ended, len(self.workers), len(self.problems))
        ended = self.ended or self.files.exists(END_MARKER)         # asked first: what was there then is all
        self.collections.refresh()
        self._read_losses()
        self._read_journals()
        self._read_indices()
        self._read_steps_without_index(ended)
        self.ended = ended
        return before != (len(self.table.rows), self.ended, len(self.workers), len(self.problems))

    def _read_losses(self) -> None:
        """What the training could not save, as its background writer noted it."""
        for name in self.files.names(JOURNAL):
            if not name.endswith(ERRORS_SUFFIX):
                continue
            path = f"{JOURNAL}/{name}"
            try:
                losses = json.loads(self.files.read(path))["losses"]
                told = [f"{one['steps']} steps could not be saved, the first {one['first_step']}: {one['reason']}"
                        for one in losses]  # fmt: skip
            except (NotFound, ValueError, KeyError, TypeError):
                told = ["it does not say what could not be saved"]
            self.problems[path] = "; ".join(told)

    def _read_journals(self) -> None:
        for name in self.files.names(JOURNAL):
            if name.endswith(".rows"):
                self._read_journal(name.removesuffix(".rows"))

    def _read_journal(self, worker: str) -> None:
        at = self._journal_bytes.get(worker, 0)
        if at < 0:
            return                                      # it was found to be damaged
        try:
            content = self.files.read(rows_path(worker), at)
            rows = np.frombuffer(content, ROW, len(content) // ROW.itemsize)
            if not len(rows):
                return
            names = read_names(self.files.read(names_path(worker)))
        except NotFound:
            return
        good = (row_checks(rows) == rows["check"]) & (rows["version"] == VERSION) & (rows["name"] < len(names))
        usable = len(rows) if good.all() else int(np.argmin(good))
        ends = np.flatnonzero(rows["last"][:usable]) + 1
        whole = int(ends[-1]) if len(ends) else 0
        self._journal_bytes[worker] = at + whole * ROW.itemsize
        if usable < len(rows):
            self.problems[rows_path(worker)] = "the journal is damaged; what follows is read from the index"
            self._journal_bytes[worker] = -1
        if whole:
            tags = [self.table.tag(name) for name in names]
            self._add_journal_rows(worker, rows[:whole], ends, np.asarray(tags, np.uint32))

    def _add_journal_rows(self, worker: str, rows: Rows, ends: Rows, tags: Rows) -> None:
        table_rows = np.zeros(len(rows), TABLE_ROW)
        for column in ("step", "mode_step", "start", "length", "content", "mode", "dtype"):
            table_rows[column] = rows[column]
        table_rows["tag"] = tags[rows["name"]]
        firsts = rows[ends - 1]
        steps = firsts["step"].tolist()
        self.table.add(table_rows, self.table.workers.number(worker), steps, ends.tolist())
        for mode in Mode:
            mask = firsts["mode"] == mode.value
            if mask.any():
                self.table.add_moments(firsts["step"][mask].tolist(), mode, firsts["mode_step"][mask].tolist())

    def _read_indices(self) -> None:
        buckets = sorted(name for name in self.files.names(INDEX) if name.isdigit())
        for bucket in buckets:
            folder = f"{INDEX}/{bucket}"
            changed = self.files.changed(folder)
            settled = bucket not in buckets[-2:] and folder in self._folders
            if settled and changed == self._folders[folder]:
                continue
            self._folders[folder] = changed
            fresh = sorted(name for name in self.files.names(folder) if self._is_unread_index(name))
            paths = [f"{folder}/{name}" for name in fresh]
            for name, path, content in zip(fresh, paths, self.files.read_many(paths), strict=True):
                self._read_index(name, path, content)

    def _is_unread_index(self, name: str) -> bool:
        if name in self._known or not (match := INDEX_NAME.fullmatch(name)):
            return False
        return not self.table.has_step(match[2], int(match[1]))

    def _read_index(self, name: str, path: str, content: bytes | None) -> None:
        match = INDEX_NAME.fullmatch(name)
        if match is None or content is None:
            return
        step, worker = int(match[1]), match[2]
        try:
            index = read_index(content)
        except Damaged as error:
            self._known.add(name)
            self.problems[path] = f"{error}; the step is read from its event file"
            self._scan(step, worker)
            return
        self._add_step(step, worker, index)

    def _add_step(self, step: int, worker: str, index: StepIndex) -> None:
        number = self.table.workers.number(worker)
        entries = [(self.table.tag(tag), start, length, 0) for tag, start, length in index.tensors]
        stored = {tag for tag, _, _ in index.tensors}
        for tag, shape in index.shapes:
            self.table.shapes[number, step, self.table.tag(tag)] = shape
            if tag not in stored:
                entries.append((self.table.tag(tag), 0, 0, SHAPE_ONLY))
        if not entries:
            self._known.add(f"{step:012d}_{worker}.json")
            return
        rows = np.zeros(len(entries), TABLE_ROW)
        rows["tag"], rows["start"], rows["length"], rows["dtype"] = zip(*entries, strict=True)
        rows["step"], rows["mode_step"], rows["mode"] = step, index.mode_step, index.mode.value
        self.table.add(rows, number, [step], [len(rows)])
        self.table.add_moments([step], index.mode, [index.mode_step])
        if index.event_file and index.event_file != event_path(step, worker):
            self.table.files[number, step] = index.event_file

    def _read_steps_without_index(self, ended: bool) -> None:
        """Steps whose event file is whole but whose index is gone; the newest may still be about to get theirs.

        A journal has every step that was written to its end. Over a network, a listing for each step is too much.
        """
        changed = self.files.changed(EVENTS)
        if (changed is None and self.table.moments) or set(self._journal_bytes) >= self.workers > set():
            return
        if self._folders.get(EVENTS) == (changed, ended):
            return
        self._folders[EVENTS] = (changed, ended)
        newest = max(self.table.moments, default=-1)
        for step in sorted(map(int, filter(str.isdigit, self.files.names(EVENTS)))):
            if step not in self.table.moments and (step < newest or ended):
                for worker in self._workers_of_event_folder(step):
                    self.problems[index_path(step, worker)] = "the index is missing; read from the event file"
                    self._scan(step, worker)

    def _workers_of_event_folder(self, step: int) -> Iterable[str]:
        for file in sorted(self.files.names(f"{EVENTS}/{step:012d}")):
            if match := EVENT_NAME.fullmatch(file):
                yield match[2]

    def _scan(self, step: int, worker: str) -> None:
        path = event_path(step, worker)
        if path in self._scanned:
            return
        self._scanned.add(path)
        found: list[Any] = []
        try:
            for one in scan(self.files, path):
                found.append(one)
        except (Damaged, NotFound) as error:
            self.problems[path] = f"{error}"
        if found:
            first = found[0][0]
            tensors = tuple((head.tag, start, length) for head, start, length in found)
            self._add_step(step, worker, StepIndex(first.mode, first.mode_step, path, tensors, ()))
