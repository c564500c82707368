"""Whether pretrained weights of a network lie on this machine, told from file names alone: no torch, no hashing.

A quick "yes" or "perhaps not"; `weights.resolve` finds the file itself, looks into it, and may fetch it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".bin"})


def are_at_hand(network: str, folder: Path, environment: Mapping[str, str]) -> bool:
    """True when a file is named as the weights of `network` are: in the weights folder `folder`, in the cache of the
    Hugging Face hub, or in that of the torch hub ($HF_HOME, $HF_HUB_CACHE, $TORCH_HOME).
    """
    name = re.compile(rf"{re.escape(network)}(\.\w+|-[0-9a-f]{{8,}})?")
    ours = (path for path in _files(folder) if name.fullmatch(path.stem))
    torch_hub = (path for path in _files(_torch_hub(environment) / "checkpoints") if name.fullmatch(path.stem))
    repositories = _hugging_face(environment).glob(f"models--timm--{network}.*/snapshots/*/*")
    hub = (path for path in repositories if path.suffix in SUFFIXES and path.is_file())
    return any(True for found in (ours, torch_hub, hub) for _ in found)


def places_looked_in(network: str, folder: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where `are_at_hand` looks, with stars for what it does not know; in its order."""
    return (
        folder / f"{network}[.<tag>].safetensors",
        folder / f"{network}[-<hash>].pth",
        _hugging_face(environment) / f"models--timm--{network}.*",
        _torch_hub(environment) / "checkpoints" / f"{network}-*.pth",
    )


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())


def _cache(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def _hugging_face(environment: Mapping[str, str]) -> Path:
    if own := environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE"):
        return Path(own).expanduser()
    return Path(environment.get("HF_HOME") or _cache(environment) / "huggingface").expanduser() / "hub"


def _torch_hub(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("TORCH_HOME") or _cache(environment) / "torch").expanduser() / "hub"
