"""What is kept of a tensor: smdebug's four lists for Tintype's reductions.

`reductions` and `abs_reductions` also take those that only Tintype has (`quantiles`, `histogram`, `zeros`,
`nonfinite`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from smdebug.exceptions import SMDebugValueError
from tintype.debugger.reductions import ABSOLUTE, REDUCTIONS, Reductions

ALLOWED_NORMS = ["l1", "l2"]
ALLOWED_REDUCTIONS = ["min", "max", "mean", "std", "variance", "sum", "prod"]
OURS = [name for name, one in REDUCTIONS.items() if one.ours]


class ReductionConfig:
    """Reductions and norms, of the values and of the absolute values; the tensor itself; its shape."""

    def __init__(
        self,
        reductions: Sequence[str] | None = None,
        abs_reductions: Sequence[str] | None = None,
        norms: Sequence[str] | None = None,
        abs_norms: Sequence[str] | None = None,
        save_raw_tensor: bool = False,
        save_shape: bool = False,
    ) -> None:
        self.reductions = _allowed("reductions", reductions, [*ALLOWED_REDUCTIONS, *OURS])
        self.abs_reductions = _allowed("abs_reductions", abs_reductions, [*ALLOWED_REDUCTIONS, *OURS])
        self.norms = _allowed("norms", norms, ALLOWED_NORMS)
        self.abs_norms = _allowed("abs_norms", abs_norms, ALLOWED_NORMS)
        self.save_raw_tensor = _flag("save_raw_tensor", save_raw_tensor)
        self.save_shape = _flag("save_shape", save_shape)

    def kept(self) -> Reductions:
        """As Tintype has it."""
        return Reductions(
            ops=frozenset(self.reductions) | frozenset(self.norms),
            absolute=frozenset(self.abs_reductions) | frozenset(self.abs_norms),
            keep_raw=self.save_raw_tensor,
            keep_shape=self.save_shape,
        )

    @classmethod
    def of(cls, kept: Reductions) -> ReductionConfig:
        """smdebug's four lists for what Tintype keeps."""

        def pick(ops: frozenset[str], norms: bool) -> list[str]:
            return [op for op in REDUCTIONS if op in ops and (op in ALLOWED_NORMS) is norms]

        return cls(
            pick(kept.ops, False), pick(kept.absolute, False), pick(kept.ops, True), pick(kept.absolute, True),
            save_raw_tensor=kept.keep_raw, save_shape=kept.keep_shape,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, params: Mapping[str, Any] | None) -> ReductionConfig | None:
        """Read `reductions` (a text with commas between), `save_raw_tensor` and `save_shape`."""
        if params is None:
            return None
        if not isinstance(params, Mapping):
            raise SMDebugValueError(f"params={params} must be dict")
        lists: dict[tuple[bool, bool], list[str]] = {(a, n): [] for a in (False, True) for n in (False, True)}
        for token in filter(None, (one.strip() for one in str(params.get("reductions") or "").split(","))):
            name = token.removeprefix(ABSOLUTE)
            lists[token.startswith(ABSOLUTE), name.endswith("_norm")].append(name.removesuffix("_norm"))
        return cls(
            lists[False, False], lists[True, False], lists[False, True], lists[True, True],
            save_raw_tensor=params.get("save_raw_tensor", False), save_shape=params.get("save_shape", False),
        )  # fmt: skip

    @classmethod
    def from_json(cls, json_str: str) -> ReductionConfig | None:
        """Read what `to_json` gave."""
        return cls.from_dict(json.loads(json_str))

    def to_json_dict(self) -> dict[str, Any]:
        """As it stands in the collections file."""
        tokens = [
            *self.reductions, *(f"{one}_norm" for one in self.norms),
            *(f"abs_{one}" for one in self.abs_reductions), *(f"abs_{one}_norm" for one in self.abs_norms),
        ]  # fmt: skip
        return {
            "save_raw_tensor": self.save_raw_tensor,
            "reductions": ",".join(tokens),
            "save_shape": self.save_shape,
        }

    def to_json(self) -> str:
        """`to_json_dict` as a text."""
        return json.dumps(self.to_json_dict())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReductionConfig):
            return NotImplemented
        return self.to_json_dict() == other.to_json_dict()

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"<class ReductionConfig: reductions={self.reductions}, abs_reductions={self.abs_reductions}, "
            f"norms={self.norms}, abs_norms={self.abs_norms}>, save_shape={self.save_shape}, "
            f"save_raw_tensor={self.save_raw_tensor}"
        )


def _allowed(name: str, given: Sequence[str] | None, allowed: list[str]) -> list[str]:
    listed = list(given or [])
    if any(one not in allowed for one in listed):
        raise SMDebugValueError(f"{name} can only be one of {','.join(allowed)}")
    return listed


def _flag(name: str, value: bool | str) -> bool:
    spelt = str(value).lower()
    if spelt not in ("true", "false"):
        raise SMDebugValueError(f"{name}={value} must be a boolean")
    return spelt == "true"
