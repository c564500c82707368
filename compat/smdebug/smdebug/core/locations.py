"""Where the files of a step lie."""

from __future__ import annotations

from pathlib import PurePosixPath

from tintype.debugger.layout import event_path, index_path


class IndexFileLocationUtils:
    """Paths of index files."""

    @staticmethod
    def get_index_key_for_step(trial_prefix: str, step_num: int, worker_name: str) -> str:
        """The index file of a step of a worker."""
        return f"{trial_prefix.rstrip('/')}/{index_path(step_num, worker_name)}"

    @staticmethod
    def parse_step_from_index_file_name(index_file_name: str) -> int:
        """The global step of an index file."""
        return int(PurePosixPath(index_file_name).name.split("_")[0])


class TensorFileLocation:
    """The event file of a step of a worker."""

    def __init__(self, step_num: int, worker_name: str) -> None:
        self.step_num, self.worker_name = int(step_num), worker_name

    def get_file_location(self, trial_dir: str = "") -> str:
        """Its path below a log, or relative to it."""
        path = event_path(self.step_num, self.worker_name)
        return f"{trial_dir.rstrip('/')}/{path}" if trial_dir else path
