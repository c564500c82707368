"""Where each file of a tensor log lies below its root; all steps in names are global. smdebug's layout.

    events/{step:012d}/{step:012d}_{worker}.tfevents
    index/{step // 1000:09d}/{step:012d}_{worker}.json
    collections/000000000/{worker}_collections.json
    training_job_end.ts                                     empty: nothing more will come
    tintype/{worker}.rows, .names                           our journal of the index, a cache (journal.py)
    tintype/{worker}.ended                                  one of several workers is done (log_writer.py)
    tintype/{worker}.errors.json                            what could not be saved (background.py)
"""

from __future__ import annotations

import re

EVENTS = "events"
INDEX = "index"
COLLECTIONS = "collections/000000000"
END_MARKER = "training_job_end.ts"
JOURNAL = "tintype"
ERRORS_SUFFIX = ".errors.json"
ENDED_SUFFIX = ".ended"

OWN_PAYLOAD = "tintype_payload"     # a key of the index, for what smdebug would take for tensors of their own

STEPS_PER_INDEX_FOLDER = 1000

INDEX_NAME = re.compile(r"(\d+)_(.+)\.json")
EVENT_NAME = re.compile(r"(\d+)_(.+)\.tfevents")
COLLECTIONS_NAME = re.compile(r"(.+)_collections\.json")


def event_path(step: int, worker: str) -> str:
    """The file with the tensors of a step, relative to the root of the log."""
    return f"{EVENTS}/{step:012d}/{step:012d}_{worker}.tfevents"


def index_path(step: int, worker: str) -> str:
    """The file that says what the event file of a step holds, and that it is whole."""
    return f"{INDEX}/{step // STEPS_PER_INDEX_FOLDER:09d}/{step:012d}_{worker}.json"


def collections_path(worker: str) -> str:
    """The file with the collections of a worker."""
    return f"{COLLECTIONS}/{worker}_collections.json"


def errors_path(worker: str) -> str:
    """The file that names what could not be saved."""
    return f"{JOURNAL}/{worker}{ERRORS_SUFFIX}"
