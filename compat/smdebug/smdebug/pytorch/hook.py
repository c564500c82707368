"""smdebug's hook for PyTorch, over Tintype's.

A script may change the collections until the first step; from then on Tintype's hook does all the work. It writes in
the background, so `close` (or the end of the process) belongs to every training that somebody wants to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import Module

from smdebug.core.collection import CollectionKeys
from smdebug.core.json_config import config_path
from smdebug.core.live_hooks import announce_hook
from smdebug.core.logger import get_logger
from smdebug.core.modes import ModeKeys
from smdebug.core.reduction_config import ReductionConfig
from smdebug.core.save_config import SaveConfig, SaveConfigMode
from smdebug.exceptions import SMDebugError, SMDebugRuntimeError, spoken_as_smdebug
from smdebug.pytorch.collection import Collection, CollectionManager
from smdebug.pytorch.singleton_utils import set_hook
from tintype.debugger.collection import BUILT_IN
from tintype.debugger.collection import Collection as Saved
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook import Hook as TintypeHook
from tintype.debugger.layout import END_MARKER
from tintype.debugger.log_location import log_files
from tintype.debugger.save_config import SaveConfig as Windows
from tintype.errors import NotFound
from tintype.hidden_hooks import HiddenHook

__all__ = ["Collection", "CollectionKeys", "CollectionManager", "Hook"]

DEFAULT_WINDOWS = Windows()
Saving = SaveConfig | SaveConfigMode | Mapping[ModeKeys, SaveConfigMode] | None


class Hook:
    """Saves what passes through a network. It is the hook of the process as soon as it is made.

    `out_dir` is a path or a URL that no training has ended in. Without `save_config` each 500th step of a mode is
    saved, without `reduction_config` whole tensors; `include_collections` are saved, and losses always; `include_regex`
    is added to the collection `default`, which is then saved too; `save_all` saves everything.
    """

    def __init__(
        self,
        out_dir: str | None = None,
        export_tensorboard: bool = False,
        tensorboard_dir: str | None = None,
        dry_run: bool = False,
        reduction_config: ReductionConfig | None = None,
        save_config: Saving = None,
        include_regex: str | Sequence[str] | None = None,
        include_collections: Sequence[str] | None = None,
        save_all: bool = False,
        include_workers: str = "one",
    ) -> None:
        if out_dir is None:
            raise SMDebugRuntimeError("out_dir is a required argument when not in SageMaker")
        self.out_dir = str(out_dir).strip()
        if log_files(self.out_dir).exists(END_MARKER):
            raise SMDebugRuntimeError(f"{self.out_dir} already exists: a training has ended in it; choose another one")
        self.dry_run, self.save_all, self.include_workers = dry_run, save_all, include_workers
        self.tensorboard_dir = tensorboard_dir or (f"{self.out_dir}/tensorboard" if export_tensorboard else None)
        self.reduction_config = reduction_config
        self.save_config = SaveConfig.parse(save_config)
        self.collection_manager = CollectionManager()
        self.include_collections = set(include_collections or ()) | {CollectionKeys.LOSSES}
        if include_regex:
            listed = include_regex.split(",") if isinstance(include_regex, str) else list(include_regex)
            self.get_collection(CollectionKeys.DEFAULT).include([one.strip() for one in listed])
            self.include_collections.add(CollectionKeys.DEFAULT)
        if save_all:
            self.get_collection(CollectionKeys.ALL).include(".*")
            self.include_collections.add(CollectionKeys.ALL)
        self.logger = get_logger()
        self._modules: dict[Module, str] = {}
        self._inner: TintypeHook | None = None
        self._first_call: HiddenHook | None = None
        set_hook(self)
        announce_hook(self.out_dir, self)

    @classmethod
    def create_from_json_file(cls, json_file_path: str | None = None) -> Hook:
        """A hook from the JSON that SageMaker puts beside a job.

        The path is the argument, or `SMDEBUG_CONFIG_FILE_PATH`, or SageMaker's own. Raises `FileNotFoundError`.
        """
        path = config_path(json_file_path)
        try:
            with spoken_as_smdebug():
                told = HookConfiguration.read(path)
        except SMDebugError as error:
            if isinstance(error.__cause__, NotFound):
                raise FileNotFoundError(2, "No such file or directory", path) from error
            raise
        hook = cls(
            told.location,
            tensorboard_dir=told.tensorboard_directory,
            reduction_config=ReductionConfig.of(told.reductions) if told.reductions else None,
            save_config=SaveConfig.from_dict(told.save_config.to_json()),
            include_regex=told.include_regex,
            include_collections=[one.name for one in told.collections],
            save_all=told.save_all,
            include_workers="all" if told.all_workers else "one",
        )
        for one in told.collections:
            hook._take_over(one)
        return hook

    hook_from_config = create_from_json_file

    def _take_over(self, saved: Saved) -> None:
        mine, told = self.get_collection(saved.name), Collection.of(saved)
        mine.include([one for one in told.include_regex if one not in mine.include_regex])
        mine.reduction_config, mine.save_config = told.reduction_config, told.save_config
        mine.save_histogram = told.save_histogram

    # collections

    def get_collection(self, name: str) -> Collection:
        """A collection by name, made when it is not there."""
        return self.collection_manager.get(name)    # type: ignore[return-value]  (a PyTorch hook has no others)

    def get_collections(self) -> dict[str, Any]:
        """The collections by name."""
        return self.collection_manager.get_collections()

    def add_collection(self, collection: Collection) -> None:
        """Add a collection in the place of one of its name, and save it."""
        self.collection_manager.add(collection)
        self.include_collections.add(collection.name)

    # what is watched

    def register_module(self, module: Module) -> None:
        """Watch a network. Its forward passes are the steps."""
        if not isinstance(module, Module):
            raise SMDebugError(f"Module type {type(module).__name__} must be type torch.nn.Module")
        assert module not in self._modules, "Don't register twice"      # noqa: S101  (as smdebug does)
        self._modules |= {one: name for name, one in module.named_modules()} | {module: type(module).__name__}
        if self.dry_run:
            return
        # made before the other one, and so called before it: the collections are taken as the first step finds them
        self._first_call = HiddenHook(module, "_forward_pre_hooks", lambda *_: self._take_collections())
        with spoken_as_smdebug():
            self._hook().register_module(module)

    register_hook = register_module

    def register_loss(self, loss_module: Module) -> None:
        """Watch a loss, which is called by its class. Those of PyTorch are seen anyway."""
        with spoken_as_smdebug():
            self._hook().register_loss(loss_module)

    def _hook(self) -> TintypeHook:
        if self._inner is None:
            with spoken_as_smdebug():
                self._inner = TintypeHook(
                    HookConfiguration(
                        location=self.out_dir,
                        all_workers=self.include_workers == "all",
                        reductions=self.reduction_config.kept() if self.reduction_config else None,
                        save_config=self.save_config.windows(DEFAULT_WINDOWS),
                        collections=tuple(self._saved()),
                        tensorboard_directory=self.tensorboard_dir,
                    )
                )
        return self._inner

    def _saved(self) -> list[Saved]:
        default = self.save_config.windows(DEFAULT_WINDOWS)
        # with everything saved, each collection that there is says how its own tensors are
        everything = self.get_collections() if CollectionKeys.ALL in self.include_collections else ()
        names = {*self.include_collections, *everything}
        return [self.get_collection(name).saved_of(self._modules, default) for name in sorted(names)]

    def _take_collections(self) -> None:
        if self._first_call is not None:
            self._first_call.remove()
            self._first_call = None
        for one in self._saved():
            if not one.include_regex and not one.tensor_names and one.name not in BUILT_IN:
                self.logger.warning("collection %s holds nothing: give it expressions, names or modules", one.name)
            self._hook().add_collection(one)

    # what a script says

    def set_mode(self, mode: ModeKeys) -> None:
        """The mode of the steps to come."""
        self._hook().set_mode(mode)

    @property
    def mode(self) -> ModeKeys:
        """The mode that was set; `GLOBAL` before one was."""
        return self._hook().mode or ModeKeys.GLOBAL

    @property
    def step(self) -> int:
        """The present step over all modes; -1 before the first."""
        return self._hook().step

    @property
    def mode_steps(self) -> dict[ModeKeys, int]:
        """The last step of each mode; -1 before its first."""
        return {mode: self._hook().mode_step(mode) for mode in ModeKeys}

    @property
    def worker(self) -> str:
        """The name of this process among those that train together."""
        return self._get_worker_name()

    @staticmethod
    def _get_worker_name() -> str:
        distributed = torch.distributed
        is_on = distributed.is_available() and distributed.is_initialized()
        return f"worker_{distributed.get_rank()}" if is_on else "worker_0"

    def save_scalar(self, name: str, value: Any, sm_metric: bool = False, timestamp: float | None = None) -> None:
        """Save one number in the present step, as `scalar/NAME`; `timestamp` is the second it belongs to.

        `sm_metric` is taken for smdebug's sake: every scalar is in the log.
        """
        with spoken_as_smdebug():
            self._hook().save_scalar(name, value, wall_time=timestamp)

    def save_tensor(
        self, tensor_name: str, tensor_value: Any, collections_to_write: str | Sequence[str] = CollectionKeys.DEFAULT
    ) -> None:
        """Save a tensor under its name at the steps of each of the collections."""
        listed = [collections_to_write] if isinstance(collections_to_write, str) else collections_to_write
        for name in listed:
            self.get_collection(name).add_tensor_name(tensor_name)
            self.include_collections.add(name)
            self._hook().save_tensor(tensor_name, tensor_value, name)

    def record_tensor_value(self, tensor_name: str, tensor_value: torch.Tensor) -> None:
        """Take a tensor as the output of something of that name: `NAME_output_0`, if a collection wants it."""
        self._hook().record_tensor_value(tensor_name, tensor_value)

    def flush(self) -> None:
        """Wait until the steps that are over are written."""
        if self._inner is not None:
            self._inner.flush()

    def close(self) -> None:
        """Write what is pending and end the log. The second time does nothing."""
        if self._inner is not None:
            self._inner.close()

    _cleanup = close

    def __reduce__(self) -> Any:
        return type(None), ()       # a network that is saved whole must load without us

    def __repr__(self) -> str:
        return f"<class Hook: out_dir={self.out_dir}, collections={sorted(self.include_collections)}>"
