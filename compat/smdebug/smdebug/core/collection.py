"""Groups of tensors that a script may change until the first step, under smdebug's names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from smdebug.core.modes import ModeKeys
from smdebug.core.reduction_config import ReductionConfig
from smdebug.core.save_config import SaveConfig, SaveConfigMode
from smdebug.exceptions import SMDebugTypeError, SMDebugValueError, spoken_as_smdebug
from tintype.debugger.collection import Collection as Saved
from tintype.debugger.save_config import SaveConfig as Windows


class CollectionKeys:
    """The names of the collections that some framework's hook has."""

    DEFAULT = "default"
    ALL = "all"
    INPUTS = "inputs"
    OUTPUTS = "outputs"
    WEIGHTS = "weights"
    GRADIENTS = "gradients"
    LOSSES = "losses"
    BIASES = "biases"
    LAYERS = "layers"
    SM_METRICS = "sm_metrics"
    OPTIMIZER_VARIABLES = "optimizer_variables"
    TENSORFLOW_SUMMARIES = "tensorflow_summaries"
    METRICS = "metrics"
    HYPERPARAMETERS = "hyperparameters"
    PREDICTIONS = "predictions"
    LABELS = "labels"
    FEATURE_IMPORTANCE = "feature_importance"
    AVERAGE_SHAP = "average_shap"
    FULL_SHAP = "full_shap"
    TREES = "trees"


class Collection:
    """A group of tensors: by expression, by name, and (of a hook) by module."""

    def __init__(
        self,
        name: str,
        include_regex: list[str] | None = None,
        tensor_names: list[str] | set[str] | None = None,
        reduction_config: ReductionConfig | None = None,
        save_config: SaveConfig | Mapping[ModeKeys, SaveConfigMode] | None = None,
        save_histogram: bool = True,
    ) -> None:
        self.name = name
        self.include_regex = include_regex if include_regex is not None else []
        self.tensor_names = tensor_names
        self.reduction_config = reduction_config
        self.save_config = save_config
        self.save_histogram = save_histogram

    @property
    def tensor_names(self) -> set[str]:
        """The tensors that are named outright."""
        return self._tensor_names

    @tensor_names.setter
    def tensor_names(self, names: list[str] | set[str] | None) -> None:
        if not (names is None or isinstance(names, list | set | frozenset)):
            raise SMDebugTypeError("tensor_names can only be list or set")
        self._tensor_names = set(names or ())

    @property
    def reduction_config(self) -> ReductionConfig | None:
        """What is kept of the tensors; None for what the hook keeps."""
        return self._reduction_config

    @reduction_config.setter
    def reduction_config(self, config: ReductionConfig | None) -> None:
        if not (config is None or isinstance(config, ReductionConfig)):
            raise SMDebugTypeError(f"reduction_config={config} must be of type ReductionConfig")
        self._reduction_config = config

    @property
    def save_config(self) -> SaveConfig | None:
        """When the tensors are saved; None for when the hook saves."""
        return self._save_config

    @save_config.setter
    def save_config(self, config: SaveConfig | Mapping[ModeKeys, SaveConfigMode] | None) -> None:
        if not (config is None or isinstance(config, SaveConfig | dict)):
            raise SMDebugTypeError(
                f"save_config={config} must be of type SaveConfig or type Dict[ModeKeys, SaveConfigMode]"
            )
        self._save_config = SaveConfig(config) if isinstance(config, dict) else config

    def include(self, t: str | list[str]) -> None:
        """Add an expression, or several."""
        for one in t if isinstance(t, list) else [t]:
            if not isinstance(one, str):
                raise SMDebugTypeError("Can only include str or list")
            self.include_regex.append(one)

    def has_tensor_name(self, tname: str) -> bool:
        """True when that tensor is named outright."""
        return tname in self._tensor_names

    def add_tensor_name(self, tname: str) -> None:
        """Name a tensor outright."""
        self._tensor_names.add(tname)

    def remove_tensor_name(self, tname: str) -> None:
        """Name a tensor no more."""
        self._tensor_names.discard(tname)

    def saved(self, default: Windows) -> Saved:
        """As Tintype has it; windows that are open are those of `default`."""
        with spoken_as_smdebug():
            return Saved(
                self.name,
                tuple(self.include_regex),
                frozenset(self._tensor_names),
                self.reduction_config.kept() if self.reduction_config else None,
                self.save_config.windows(default) if self.save_config else None,
                self.save_histogram,
            )

    @classmethod
    def of(cls, saved: Saved) -> Collection:
        """smdebug's collection for one of Tintype's."""
        windows = saved.save_config
        return cls(
            saved.name,
            list(saved.include_regex),
            set(saved.tensor_names),
            ReductionConfig.of(saved.reductions) if saved.reductions else None,
            SaveConfig.from_dict(windows.to_json()) if windows else None,
            saved.save_histogram,
        )

    def to_json_dict(self) -> dict[str, Any]:
        """As it stands in the collections file."""
        return {
            "name": self.name,
            "include_regex": self.include_regex,
            "tensor_names": sorted(self._tensor_names),
            "reduction_config": self.reduction_config.to_json_dict() if self.reduction_config else None,
            "save_config": self.save_config.to_json_dict() if self.save_config else None,
            "save_histogram": self.save_histogram,
        }

    def to_json(self) -> str:
        """`to_json_dict` as a text."""
        return json.dumps(self.to_json_dict())

    @classmethod
    def from_dict(cls, params: Mapping[str, Any]) -> Collection:
        """Read what `to_json_dict` gave."""
        if not isinstance(params, Mapping):
            raise SMDebugValueError(f"params={params} must be dict")
        return cls(
            params["name"],
            list(params.get("include_regex") or []),
            set(params.get("tensor_names") or ()),
            ReductionConfig.from_dict(params.get("reduction_config")),
            SaveConfig.from_dict(params.get("save_config")),
            params.get("save_histogram", True),
        )

    @classmethod
    def from_json(cls, json_str: str) -> Collection:
        """Read what `to_json` gave."""
        return cls.from_dict(json.loads(json_str))

    def __eq__(self, other: object) -> bool:
        return self.to_json_dict() == other.to_json_dict() if isinstance(other, Collection) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<class Collection: name={self.name}>"
