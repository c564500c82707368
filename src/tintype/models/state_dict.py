"""Weight files read without running anything in them, and fitted to a network.

Only two kinds are read: safetensors, which cannot hold code, and PyTorch's, through `weights_only`. Everything else is
refused, and so is everything that PyTorch would have to run code for.
"""

from __future__ import annotations

import inspect
import pickle
import struct
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from tintype.errors import BadArchive, InvalidRequest
from tintype.models.networks import Network
from tintype.models.torchvision_names import StateDict, rename

# Where training programs put the weights inside their checkpoints, best first: an average beats the last step.
ENVELOPES = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict")
WRAPPERS = ("module.", "_orig_mod.")            # what DistributedDataParallel and torch.compile put before each name

# What the two readers raise for files that are cut short or are something else.
DAMAGED = (
    SafetensorError, OSError, RuntimeError, EOFError, ValueError, TypeError, LookupError, AttributeError, struct.error,
)  # fmt: skip

# Parts of a name that the network works out for itself or can do without.
DERIVED = ("num_batches_tracked", "relative_position_index", "attn_mask", "total_ops", "total_params")


@dataclass(frozen=True)
class Fit:
    """What became of the tensors of a file."""

    loaded: int                 # tensors that are now in the network
    head: bool                  # False: the head keeps its random weights, since the file's is for other classes


def read(path: Path) -> StateDict:
    """The tensors of a weight file on the CPU, by the names in the file.

    Raises `BadArchive` when it is damaged, not weights, or would need code to be run.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")         # of odd files; they load or they do not
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadArchive(
            f"{path} is not a file of tensors alone, and reading it otherwise could run code that is in it; "
            "have its author save the state_dict as safetensors"
        ) from error
    except DAMAGED as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"      # a lookup error is just a number
        raise BadArchive(f"{path} cannot be read as weights ({reason}); give a .safetensors or .pth file") from error
    return _unwrap(path, content)


def fit(network: Network, state: StateDict, source: str) -> Fit:
    """Copy `state` into the network; a head for another number of classes is left out, and the new one stays random.

    Raises `InvalidRequest` when anything else is missing, left over, or of another shape, naming it; the network is
    unchanged then. `source` is what the message calls the weights.
    """
    target = network.module.state_dict()
    state = _adapted(network, rename(network.name, state, target))
    heads = tuple(f"{name}." for name in network.head_names)
    head = _shapes(state, heads) == _shapes(target, heads)
    if not head:
        state = {key: tensor for key, tensor in state.items() if not key.startswith(heads)}
        target = {key: tensor for key, tensor in target.items() if not key.startswith(heads)}
    problems = _misfits(state, target)
    if problems:
        raise InvalidRequest(f"{source} does not fit {network.name}: {problems}. Choose the network it was made for")
    state = {key: tensor for key, tensor in state.items() if key in target}
    network.module.load_state_dict(state, strict=False)
    return Fit(loaded=len(state), head=head)


def _unwrap(path: Path, content: object) -> StateDict:
    if isinstance(content, Mapping):
        for envelope in ENVELOPES:
            if isinstance(content.get(envelope), Mapping):
                content = content[envelope]
                break
    if not isinstance(content, Mapping) or not content:
        raise BadArchive(f"{path} holds no weights: no dictionary of tensors in it")
    state: StateDict = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise BadArchive(f"{path} holds no weights: {str(name)[:80]!r} is not a tensor")
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
        state[name] = tensor
    return state


def _adapted(network: Network, state: StateDict) -> StateDict:
    """As timm would: position embeddings stretched to another image size, older names replaced."""
    target = network.module.state_dict()
    if all(key in target and target[key].shape == tensor.shape for key, tensor in state.items()):
        return state
    adapt = getattr(sys.modules[type(network.module).__module__], "checkpoint_filter_fn", None)
    if adapt is None or list(inspect.signature(adapt).parameters)[:2] != ["state_dict", "model"]:
        return state
    return adapt(dict(state), network.module)


def _shapes(state: Mapping[str, torch.Tensor], heads: tuple[str, ...]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in state.items() if key.startswith(heads)}


def _misfits(state: StateDict, target: Mapping[str, torch.Tensor]) -> str:
    missing = [key for key in target if key not in state and not key.endswith(DERIVED)]
    extra = [key for key in state if key not in target and not key.endswith(DERIVED)]
    shapes = [key for key in state if key in target and state[key].shape != target[key].shape]
    return "; ".join(
        f"{what} {', '.join(keys[:3])}{f' and {len(keys) - 3} more' if len(keys) > 3 else ''}"
        for what, keys in (("it lacks", missing), ("it also has", extra), ("of another shape are", shapes))
        if keys
    )
