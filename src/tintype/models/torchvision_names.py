"""torchvision's weight files: what they are called, and what their tensors are called in timm's networks.

Which of timm's networks computes what torchvision's does is not a matter of taste: the tests load the same tensors
into both and compare the logits. Families that are not here (torchvision's convnext, swin, regnet, mobilenet_v3, ...)
differ in more than names; timm has weights of its own for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch

from tintype.errors import InvalidRequest

StateDict = dict[str, torch.Tensor]

DOWNLOAD_URL = "https://download.pytorch.org/models/"
LICENCE = "bsd-3-clause"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)      # what all of these were trained with

# name for `networks.create` -> torchvision's files for it, best first. The eight digits begin the file's SHA-256.
FILES: dict[str, tuple[str, ...]] = {
    "densenet121": ("densenet121-a639ec97.pth",),
    "densenet161": ("densenet161-8d451a50.pth",),
    "densenet169": ("densenet169-b2777c0a.pth",),
    "densenet201": ("densenet201-c1103571.pth",),
    "efficientnet_b0": ("efficientnet_b0_rwightman-7f5810bc.pth", "efficientnet_b0_rwightman-3dd342df.pth"),
    "efficientnet_b1": ("efficientnet_b1-c27df63c.pth", "efficientnet_b1_rwightman-bac287d4.pth"),
    "efficientnet_b2": ("efficientnet_b2_rwightman-c35c1473.pth", "efficientnet_b2_rwightman-bcdf34b7.pth"),
    "efficientnet_b3": ("efficientnet_b3_rwightman-b3899882.pth", "efficientnet_b3_rwightman-cf984f9c.pth"),
    "efficientnet_b4": ("efficientnet_b4_rwightman-23ab8bcd.pth", "efficientnet_b4_rwightman-7eb33cd5.pth"),
    "efficientnet_b5.tv_in1k": ("efficientnet_b5_lukemelas-1a07897c.pth", "efficientnet_b5_lukemelas-b6417697.pth"),
    "efficientnet_b6": ("efficientnet_b6_lukemelas-24a108a5.pth", "efficientnet_b6_lukemelas-c76e70fd.pth"),
    "efficientnet_b7": ("efficientnet_b7_lukemelas-c5b4e57e.pth", "efficientnet_b7_lukemelas-dcc49843.pth"),
    "mobilenetv2_100": ("mobilenet_v2-7ebf99e0.pth", "mobilenet_v2-b0353104.pth"),
    "resnet18": ("resnet18-f37072fd.pth", "resnet18-5c106cde.pth"),
    "resnet34": ("resnet34-b627a593.pth", "resnet34-333f7ec4.pth"),
    "resnet50": ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth", "resnet50-19c8e357.pth"),
    "resnet101": ("resnet101-cd907fc2.pth", "resnet101-63fe2227.pth", "resnet101-5d3b4d8f.pth"),
    "resnet152": ("resnet152-f82ba261.pth", "resnet152-394f9c45.pth", "resnet152-b121ed2d.pth"),
    "resnext50_32x4d": ("resnext50_32x4d-1a0047aa.pth", "resnext50_32x4d-7cdf4587.pth"),
    "resnext101_32x8d": ("resnext101_32x8d-110c445d.pth", "resnext101_32x8d-8ba56ff5.pth"),
    "resnext101_64x4d": ("resnext101_64x4d-173b62eb.pth",),
    "vgg11": ("vgg11-8a719046.pth",),
    "vgg11_bn": ("vgg11_bn-6002323d.pth",),
    "vgg13": ("vgg13-19584684.pth",),
    "vgg13_bn": ("vgg13_bn-abd245e5.pth",),
    "vgg16": ("vgg16-397923af.pth",),
    "vgg16_bn": ("vgg16_bn-6c64b313.pth",),
    "vgg19": ("vgg19-dcbb9e9d.pth",),
    "vgg19_bn": ("vgg19_bn-c79401a0.pth",),
    "vit_base_patch16_224": ("vit_b_16-c867db91.pth",),
    "vit_base_patch32_224": ("vit_b_32-d86f8d99.pth",),
    "vit_large_patch16_224": ("vit_l_16-852ce7e3.pth",),
    "wide_resnet50_2": ("wide_resnet50_2-9ba9bcbe.pth", "wide_resnet50_2-95faca4d.pth"),
    "wide_resnet101_2": ("wide_resnet101_2-d733dc28.pth", "wide_resnet101_2-32ee1156.pth"),
}

VIT_NAMES = (
    (r"^class_token$", "cls_token"),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_1\.", ".norm1."),
    (r"\.ln_2\.", ".norm2."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(?:linear_1|0)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:linear_2|3)\.", ".mlp.fc2."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "head."),
)

DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)")       # files from before torchvision 0.3


def rename(name: str, state: StateDict, target: Mapping[str, torch.Tensor]) -> StateDict:
    """`state` under the names that timm's network `name` has in its own state, `target`.

    What is not torchvision's comes back as it is. Raises `InvalidRequest` for tensors that fit the network in shape,
    but that it would compute something else with.
    """
    for marker, translate in FAMILIES.items():
        if marker in state and marker not in target:
            return translate(name, state, target)
    return state


def _in_order(name: str, state: StateDict, target: Mapping[str, torch.Tensor]) -> StateDict:
    """Both libraries declare the same tensors in the same order, and only name them differently."""
    counter = ".num_batches_tracked"        # files from before PyTorch 0.4.1 have none
    given = [key for key in state if not key.endswith(counter)]
    wanted = [key for key in target if not key.endswith(counter)]
    if len(given) != len(wanted):
        raise InvalidRequest(
            f"these are torchvision's weights, {len(given)} tensors, but {name} has {len(wanted)}; "
            "choose the network they were made for"
        )
    return {new: state[old] for old, new in zip(given, wanted, strict=True)}


def _efficientnet(name: str, state: StateDict, target: Mapping[str, torch.Tensor]) -> StateDict:
    if name.startswith("tf_"):
        raise InvalidRequest(
            f"these are torchvision's weights, and {name} pads its images as TensorFlow does, so that its answers "
            f"would be off; choose the network {name.removeprefix('tf_').split('.')[0]}"
        )
    if name.startswith("efficientnet_b5") and name != "efficientnet_b5.tv_in1k":
        raise InvalidRequest(
            f"these are torchvision's weights, made with another batch norm than {name} has; "
            "choose the network efficientnet_b5.tv_in1k"
        )
    return _in_order(name, state, target)


def _vgg(name: str, state: StateDict, target: Mapping[str, torch.Tensor]) -> StateDict:
    layers = {"classifier.0.": "pre_logits.fc1.", "classifier.3.": "pre_logits.fc2.", "classifier.6.": "head.fc."}
    renamed: StateDict = {}
    for key, tensor in state.items():
        old = next((prefix for prefix in layers if key.startswith(prefix)), None)
        new = key if old is None else layers[old] + key.removeprefix(old)
        convolves = new in target and target[new].ndim == 4 and tensor.ndim == 2      # timm's form of a linear layer
        renamed[new] = tensor.reshape(target[new].shape) if convolves else tensor
    return renamed


def _vit(name: str, state: StateDict, target: Mapping[str, torch.Tensor]) -> StateDict:
    renamed: StateDict = {}
    for key, tensor in state.items():
        for pattern, replacement in VIT_NAMES:
            key = re.sub(pattern, replacement, key)
        renamed[key] = tensor
    return renamed


def _old_densenet(name: str, state: StateDict, target: Mapping[str, torch.Tensor]) -> StateDict:
    return {DENSE_LAYER.sub(r"\1\2", key): tensor for key, tensor in state.items()}


Translation = Callable[[str, StateDict, Mapping[str, torch.Tensor]], StateDict]

# a tensor that only torchvision's files have -> how to name them all
FAMILIES: dict[str, Translation] = {
    "features.1.0.block.0.0.weight": _efficientnet,
    "features.1.conv.0.0.weight": _in_order,                                    # mobilenet_v2
    "features.denseblock1.denselayer1.norm.1.weight": _old_densenet,
    "classifier.6.weight": _vgg,
    "encoder.layers.encoder_layer_0.ln_1.weight": _vit,
}
