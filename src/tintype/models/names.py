"""Names of networks, as far as they can be told without loading torch: ours, torchvision's spellings, and those in
timm's source.

A quick "yes" or "perhaps not"; `networks.refuse_unknown` knows for certain.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

OWN = "small_cnn"               # the one network that is ours, not timm's

# torchvision's spelling -> timm's, where they differ and the architecture does not.
ALIASES = {
    "convnext_large": "convnext_large.fb_in1k",
    "mnasnet0_5": "mnasnet_050",
    "mnasnet0_75": "mnasnet_075",
    "mnasnet1_0": "mnasnet_100",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "swin_b": "swin_base_patch4_window7_224",
    "swin_s": "swin_small_patch4_window7_224",
    "swin_t": "swin_tiny_patch4_window7_224",
    "vit_b_16": "vit_base_patch16_224",
    "vit_b_32": "vit_base_patch32_224",
    "vit_l_16": "vit_large_patch16_224",
}

REGISTERED = re.compile(rb"^@register_model\s+def (\w+)\(", re.MULTILINE)


def is_plainly_known(name: str) -> bool:
    """True for a name that is surely a network's. Names with a tag (`resnet18.a1_in1k`) are not looked at."""
    return name == OWN or name in ALIASES or name in names_in_source()


@cache
def names_in_source() -> frozenset[str]:
    """The names under which timm's modules register a network; none where timm has no source files."""
    spec = find_spec("timm")
    folders = (spec and spec.submodule_search_locations) or ()
    files = [file for folder in folders for file in Path(folder, "models").glob("*.py")]
    return frozenset(name.decode() for file in files for name in REGISTERED.findall(file.read_bytes()))
