"""The zoo: a network by name, what it calls its head, its pooled features, and freezing by depth.

Every name of timm's works, with or without a tag (`resnet18`, `resnet18.a1_in1k`), and so do torchvision's spellings
(`vit_b_16`) and our own `small_cnn`. What comes back has random weights, drawn from torch's global generator;
`tintype.models.weights` puts better ones in.

timm's `efficientnet_b*` pad symmetrically, as torchvision's do; `tf_efficientnet_b*` pad as TensorFlow did. The two
share the shapes of their weights but not their outputs, so neither name is an alias of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any, Literal, cast

import timm
import torch
from timm.models import group_parameters
from torch import nn

from tintype.errors import InvalidRequest, not_found
from tintype.models.names import ALIASES, OWN
from tintype.models.small_cnn import SmallCnn

Depth = Literal["none", "backbone"] | int

SMALLEST_SAFE_SIDE = 64         # pixels; some networks run out of map below it, so smaller sizes are tried out

# Networks that are ours, not timm's.
OWN_NETWORKS: dict[str, Callable[[int, int, float], nn.Module]] = {OWN: SmallCnn}

# torchvision built its three largest EfficientNets with TensorFlow's batch norm. timm knows no weights of its own for
# b6 and b7, so there torchvision's are meant; b5 has both, hence the tag. (eps, momentum)
TENSORFLOW_NORM = (1e-3, 0.01)
TORCHVISION_NORM = dict.fromkeys(("efficientnet_b5.tv_in1k", "efficientnet_b6", "efficientnet_b7"), TENSORFLOW_NORM)


@dataclass(frozen=True)
class PreprocessingDefaults:
    """How the images were prepared that the network's published weights were trained on."""

    mean: tuple[float, float, float]        # per channel, of pixels in 0..1
    std: tuple[float, float, float]
    interpolation: str                      # "bilinear", "bicubic", ...
    image_size: int                         # pixels a side

    @classmethod
    def of(cls, published: Mapping[str, Any]) -> PreprocessingDefaults:
        """As timm's `pretrained_cfg` says."""
        return cls(
            mean=_three(published["mean"]),
            std=_three(published["std"]),
            interpolation=published["interpolation"],
            image_size=published["input_size"][-1],
        )


@dataclass(frozen=True, eq=False)
class Network:
    """A torch module and what the rest of Tintype must know of it."""

    module: nn.Module                       # images (n, 3, s, s) float, normalised -> logits (n, classes)
    name: str                               # builds the same module again with `create`
    classes: int
    image_size: int                         # pixels a side it was built for
    preprocessing_defaults: PreprocessingDefaults
    head_names: tuple[str, ...]             # of the head's modules, e.g. ("fc",)
    feature_dim: int                        # width of what `features` returns


def known_names() -> list[str]:
    """Every name without its tag, sorted."""
    return sorted({*timm.list_models(), *OWN_NETWORKS, *ALIASES})


def refuse_unknown(name: str) -> None:
    """`NotFound`, with names that are near, when there is no network of that name, or not with that tag."""
    if name in OWN_NETWORKS or name in TORCHVISION_NORM:
        return
    spelled = ALIASES.get(name, name)
    architecture = spelled.split(".")[0]
    if ":" in name or not timm.is_model(architecture):
        raise not_found("network", name, known_names())
    try:
        timm.get_pretrained_cfg(spelled)
    except RuntimeError as error:           # timm's word for a tag that it does not know
        raise not_found("network", name, timm.list_pretrained(f"{architecture}.*") or [architecture]) from error


def create(name: str, classes: int, *, image_size: int, drop_rate: float = 0.0) -> Network:
    """Build the network `name` with a new head for `classes`, for square images of `image_size` pixels.

    `drop_rate` (0..1) is the dropout before the head. Raises `NotFound` for an unknown name, with those that are near,
    and `InvalidRequest` for an image size that the network cannot take.
    """
    if classes < 1 or image_size < 1 or not 0.0 <= drop_rate < 1.0:
        raise InvalidRequest(
            "a network needs classes >= 1, image_size >= 1 and 0 <= drop_rate < 1, "
            f"got {classes=}, {image_size=}, {drop_rate=}"
        )
    if name in OWN_NETWORKS:
        module = OWN_NETWORKS[name](classes, image_size, drop_rate)
    else:
        name = ALIASES.get(name, name)
        module = _create_timm(name, classes, image_size, drop_rate)
    published = cast(Any, module.pretrained_cfg)
    network = Network(
        module=module,
        name=name,
        classes=classes,
        image_size=image_size,
        preprocessing_defaults=PreprocessingDefaults.of(published),
        head_names=_names(published["classifier"]),
        feature_dim=int(cast(Any, getattr(module, "head_hidden_size", None) or module.num_features)),
    )
    if image_size < SMALLEST_SAFE_SIDE:
        _try_out(network)
    return network


def features(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The pooled features that go into the head: (n, 3, s, s) -> (n, feature_dim).

    `head(module)` of them is `module(images)`, exactly so in eval mode. In train mode dropout has been applied already.
    """
    network = cast(Any, module)
    return network.forward_head(network.forward_features(images), pre_logits=True)


def head(module: nn.Module) -> nn.Module:
    """The last layer, (n, feature_dim) -> (n, classes): the module's own, not a copy.

    Raises `InvalidRequest` for the few networks that have more than one (distilled transformers).
    """
    classifier = cast(Any, module).get_classifier()
    if not isinstance(classifier, nn.Module) or isinstance(classifier, nn.ModuleList):
        raise InvalidRequest(
            f"{type(module).__name__} has several heads, so that it cannot be split into features and head; "
            "train all of it, or choose another network"
        )
    return classifier


def stages(network: Network) -> list[list[str]]:
    """The names of the parameters of the backbone, stage by stage from the image on; the head's are left out.

    A stage is what timm groups coarsely: a residual stage, a transformer block, a dense block. What stands between
    the last of them and the head (a norm, a convolution) counts as part of the last.
    """
    matcher = getattr(network.module, "group_matcher", None)
    if matcher is None:
        raise InvalidRequest(f"{network.name} does not say what its stages are; freeze all of its backbone, or nothing")
    groups = group_parameters(network.module, matcher(coarse=True))
    trunk = [[name for name in groups[key] if not _is_head(network, name)] for key in sorted(groups)]
    if len(trunk) > 1 and len(trunk[-1]) < len(groups[max(groups)]):
        trunk[-2:] = [trunk[-2] + trunk[-1]]
    return [stage for stage in trunk if stage]


def freeze(network: Network, depth: Depth) -> None:
    """Choose what trains: "none" freezes nothing, "backbone" all but the head, a number all but as many last stages.

    Frozen parts stay in eval mode when `module.train()` is called. Otherwise their batch norms would go on averaging
    over the new images, and their dropout would go on dropping: the backbone would change although no gradient
    reaches it, and what was validated would not be what had been trained. Calling again starts afresh.
    Raises `InvalidRequest` when there are not that many stages.
    """
    _unpin(network.module)
    trainable = _trainable_names(network, depth)
    for name, parameter in network.module.named_parameters():
        parameter.requires_grad_(name in trainable)
    for module in _frozen_subtrees(network.module):
        module.eval()
        module.__dict__["train"] = MethodType(_stay_in_eval, module)


def _create_timm(name: str, classes: int, image_size: int, drop_rate: float) -> nn.Module:
    refuse_unknown(name)
    architecture = name.split(".")[0]
    source = architecture if name in TORCHVISION_NORM else name
    options: dict[str, Any] = {"num_classes": classes, "drop_rate": drop_rate}
    published = timm.get_pretrained_cfg(architecture)
    if published and published.fixed_input_size:
        options["img_size"] = image_size
    try:
        module = timm.create_model(source, pretrained=False, **options)
    except (TypeError, AssertionError, ValueError) as error:
        raise InvalidRequest(
            f"{name} cannot be built for images of {image_size} px: {error}; choose another size or network"
        ) from error
    if name in TORCHVISION_NORM:
        _set_norm(module, *TORCHVISION_NORM[name])
    return module


def _set_norm(module: nn.Module, eps: float, momentum: float) -> None:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps, part.momentum = eps, momentum


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _names(classifier: str | tuple[str, ...]) -> tuple[str, ...]:
    return (classifier,) if isinstance(classifier, str) else tuple(classifier)


def _try_out(network: Network) -> None:
    side = network.image_size
    try:
        with torch.inference_mode():
            network.module.eval()(torch.zeros(1, 3, side, side))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise InvalidRequest(
            f"{network.name} cannot take images of {side} px ({error}); choose a larger image size"
        ) from error
    network.module.train()


def _is_head(network: Network, parameter: str) -> bool:
    return any(parameter.startswith(f"{name}.") for name in network.head_names)


def _trainable_names(network: Network, depth: Depth) -> set[str]:
    names = {name for name, _ in network.module.named_parameters()}
    heads = {name for name in names if _is_head(network, name)}
    if depth == "none":
        return names
    if depth == "backbone" or depth == 0:
        return heads
    found = stages(network)
    if not 0 < depth <= len(found):
        raise InvalidRequest(
            f"freeze: {network.name} has {len(found)} stages; at most so many can be left trainable, got {depth}"
        )
    return heads.union(*found[-depth:])


def _frozen_subtrees(module: nn.Module) -> Iterator[nn.Module]:
    """The largest submodules that hold parameters, none of them trainable."""
    for child in module.children():
        parameters = list(child.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            yield child
        else:
            yield from _frozen_subtrees(child)


def _stay_in_eval(module: nn.Module, mode: bool = True) -> nn.Module:
    return module


def _unpin(module: nn.Module) -> None:
    for part in module.modules():
        part.__dict__.pop("train", None)
    module.train(module.training)
