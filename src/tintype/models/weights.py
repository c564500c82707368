"""Where a network's weights come from, in one fixed order, and putting them in.

    1. what was asked for: a file, or "none" for random weights
    2. the weights folder       <network>[.<tag>].safetensors or .pth, or torchvision's name, e.g. resnet18-f37072fd.pth
    3. the Hugging Face cache   of timm's repositories; only looked into
    4. the torch hub cache      where torchvision and older timm put theirs
    5. a download               into those two caches, unless offline
    6. an error that lists every path that was tried

Weights are never random unless "none" was asked for. `small_cnn` is the exception: nobody publishes weights for it, so
to choose it is to train from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tintype.errors import InvalidRequest, NotFound
from tintype.models import downloads, state_dict
from tintype.models.archive import Archive
from tintype.models.names import ALIASES
from tintype.models.networks import OWN_NETWORKS, Network, PreprocessingDefaults, create, refuse_unknown
from tintype.models.published import HubCaches, Published, places, published_for
from tintype.settings import Settings
from tintype.storage import file_sha256

RANDOM = "none"

Digest = Callable[[Path], str]


@dataclass(frozen=True)
class Weights:
    """A file of weights that was found, or the decision to start from random ones."""

    path: Path | None                                   # None: random
    source: str                                         # for people, and for the archive's description
    sha256: str | None = None                           # of the file
    licence: str | None = None                          # None: not known
    preprocessing: PreprocessingDefaults | None = None  # of the images they were trained on; None: not known


@dataclass(frozen=True)
class Loaded:
    """What `load` did."""

    source: str
    tensors: int            # how many came out of the file
    head: bool              # False: the head starts from random weights

    def __str__(self) -> str:
        if not self.tensors:
            return f"random weights ({self.source})"
        return f"{self.tensors} tensors from {self.source}{'' if self.head else '; the head is new'}"


def resolve(
    name: str,
    requested: str | None,
    *,
    settings: Settings,
    caches: HubCaches | None = None,
    digest: Digest = file_sha256,
) -> Weights:
    """Find weights for the network `name` in the order above; `requested` is a path, "none", or None to search.

    `digest` gives the hex SHA-256 of the file that was found; it may know it already. Raises `NotFound` listing every
    path tried, also when a download was tried and failed.
    """
    if requested == RANDOM:
        return Weights(None, "none, as asked for")
    if requested is not None:
        return _requested(name, Path(requested).expanduser(), digest)
    caches = caches or HubCaches.default()
    name = ALIASES.get(name, name)
    tried: dict[Path, None] = {}
    for path, published, place in places(name, settings.weights, caches):
        if path.is_file():
            return _found(path, published, place, digest)
        tried[path] = None
    if name in OWN_NETWORKS:
        return Weights(None, f"none, since {name} is trained from scratch")
    refuse_unknown(name)                    # rather than a list of paths
    if settings.offline:
        raise _nowhere(name, tried, "Tintype is offline")
    return _download(name, tried, caches, digest)


def load(network: Network, weights: Weights) -> Loaded:
    """Put `weights` into the network. A head for other classes is left out: the network's own stays as it is.

    Raises `BadArchive` for a file that is damaged or would run code, `InvalidRequest` naming tensors that do not fit.
    """
    if weights.path is None:
        return Loaded(weights.source, tensors=0, head=False)
    fit = state_dict.fit(network, state_dict.read(weights.path), str(weights.path))
    return Loaded(weights.source, tensors=fit.loaded, head=fit.head)


def restore(archive: Archive) -> Network:
    """The trained network of a model archive, in eval mode. Raises as `load` does, and for a head of other classes."""
    description = archive.description
    network = create(description.network, len(description.classes), image_size=description.image_size)
    fit = state_dict.fit(network, state_dict.read(archive.weights), archive.weights.name)
    if not fit.head:
        raise InvalidRequest(f"{archive.weights} has no head for the {len(description.classes)} classes described")
    network.module.eval()
    return network


def _requested(name: str, path: Path, digest: Digest) -> Weights:
    if not path.is_file():
        raise NotFound(
            f"there is no weights file {path}; give a .safetensors or .pth file for {name}, "
            f"or {RANDOM!r} for random weights"
        )
    return Weights(path, f"the file {path}", _digested(path, digest))


def _found(path: Path, published: Published, place: str, digest: Digest) -> Weights:
    source = f"{published.name} in {place}, {path.name}"
    return Weights(path, source, _digested(path, digest), published.licence, published.preprocessing)


def _digested(path: Path, digest: Digest) -> str:
    try:
        return digest(path)
    except OSError as error:
        raise InvalidRequest(f"the weights {path} cannot be read: {error.strerror}") from error


def _download(name: str, tried: Iterable[Path], caches: HubCaches, digest: Digest) -> Weights:
    """The favourite; when it cannot be had, torchvision's, which come from another host."""
    every = published_for(name)
    failures: list[str] = []
    for published in (*every[:1], *[one for one in every[1:] if one.url][:1]):
        try:
            return _found(_fetch(published, caches), published, "a download", digest)
        except NotFound as error:
            failures.append(str(error))
    raise _nowhere(name, tried, "; ".join(failures) or "nobody publishes any")


def _fetch(published: Published, caches: HubCaches) -> Path:
    if published.repository:
        return downloads.from_hugging_face(published.repository, published.hub_files[0], caches.huggingface)
    if published.url and published.file:
        sha256_prefix = Path(published.file).stem.rsplit("-", 1)[-1]
        return downloads.from_url(published.url, caches.torch / "checkpoints" / published.file, sha256_prefix)
    raise NotFound(f"{published.name} cannot be downloaded from anywhere")


def _nowhere(name: str, tried: Iterable[Path], why: str) -> NotFound:
    return NotFound(
        f"there are no weights for {name} on this machine, and none were downloaded ({why}). "
        f"Put a file at one of the paths below, or pass --weights FILE, or --weights {RANDOM} to start from random. "
        f"Tried: {', '.join(map(str, tried))}"
    )
