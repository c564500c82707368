"""What is published for a network, and the paths it may lie under on this machine. Looks; never fetches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import constants, try_to_load_from_cache
from timm.models import get_arch_pretrained_cfgs

from tintype.models import torchvision_names
from tintype.models.networks import OWN_NETWORKS, PreprocessingDefaults

HUB_FILES = ("model.safetensors", "pytorch_model.bin")      # in a repository of the Hugging Face hub, best first
READABLE = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True)
class HubCaches:
    """The caches that we share with other programs."""

    huggingface: Path       # holds models--timm--<name>/snapshots/...
    torch: Path             # holds checkpoints/<file>

    @classmethod
    def default(cls) -> HubCaches:
        """Where the two libraries say theirs are ($HF_HOME, $HF_HUB_CACHE, $TORCH_HOME)."""
        return cls(Path(constants.HF_HUB_CACHE), Path(torch.hub.get_dir()))


@dataclass(frozen=True)
class Published:
    """Weights that somebody published."""

    name: str                               # network and tag
    repository: str | None = None           # on the Hugging Face hub
    hub_files: tuple[str, ...] = HUB_FILES
    file: str | None = None                 # in the torch hub cache
    url: str | None = None                  # of `file`; None: only the repository is fetched from
    licence: str | None = None              # None: not known
    preprocessing: PreprocessingDefaults | None = None      # of the images they were trained on; None: not known


def published_for(name: str) -> list[Published]:
    """Everything published for the network `name`: timm's favourite first, its other tags, then torchvision's.

    A name with a tag has that one only.
    """
    return [*_from_timm(name), *_from_torchvision(name)]


def places(name: str, folder: Path, caches: HubCaches) -> Iterator[tuple[Path, Published, str]]:
    """Every path to look at, best first, with what is published under it and the name of the place.

    First the weights folder, then the Hugging Face cache, then the torch hub cache.
    """
    every = published_for(name)
    for published in (Published(name), *every):
        for suffix in (".safetensors", ".pth"):
            yield folder / f"{published.name}{suffix}", published, "the weights folder"
        if published.file:
            yield folder / published.file, published, "the weights folder"
    for published in every:
        for path in _hugging_face_paths(published, caches.huggingface):
            yield path, published, "the Hugging Face cache"
    for published in every:
        if published.file:
            yield caches.torch / "checkpoints" / published.file, published, "the torch hub cache"


def _hugging_face_paths(published: Published, cache: Path) -> Iterator[Path]:
    if published.repository is None:
        return
    folder = cache / f"models--{published.repository.replace('/', '--')}" / "snapshots" / "main"
    for filename in published.hub_files:
        found = try_to_load_from_cache(published.repository, filename, cache_dir=cache)
        yield Path(found) if isinstance(found, str) else folder / filename


def _from_timm(name: str) -> Iterator[Published]:
    architecture, _, tag = name.partition(".")
    if architecture in OWN_NETWORKS:
        return
    for known, cfg in get_arch_pretrained_cfgs(architecture).items():
        if not cfg.has_weights or (tag and known != name):
            continue
        file = cfg.url.rsplit("/", 1)[-1] if isinstance(cfg.url, str) else ""
        yield Published(
            name=known,
            repository=cfg.hf_hub_id,
            hub_files=(cfg.hf_hub_filename,) if cfg.hf_hub_filename else HUB_FILES,
            file=file if file.endswith(READABLE) else None,
            licence=cfg.license,
            preprocessing=PreprocessingDefaults.of(cfg.to_dict()),
        )


def _from_torchvision(name: str) -> Iterator[Published]:
    for file in torchvision_names.FILES.get(name, ()):
        yield Published(
            name=name,
            file=file,
            url=torchvision_names.DOWNLOAD_URL + file,
            licence=torchvision_names.LICENCE,
            preprocessing=PreprocessingDefaults(torchvision_names.MEAN, torchvision_names.STD, "bilinear", 224),
        )
