"""Names that a script of some years ago uses and today's packages have no more, lent to it as it asks for them.

A script that was written for SageMaker's containers of PyTorch 1.8 runs on today's NumPy and Pillow. What only changed
its name there is found under the old one; the log says so once. Nothing is imported for that, and what a package still
has is not touched.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import wraps
from typing import Any

from tintype.after_import import after_import

VARIABLE = "TINTYPE_OLD_NAMES"

# module -> old name -> the name of today, or the value itself
OLD_NAMES: Mapping[str, Mapping[str, Any]] = {
    "numpy": {
        # gone with NumPy 1.24
        "bool": bool, "int": int, "float": float, "complex": complex, "object": object, "str": str, "unicode": str,
        # gone with NumPy 2
        "Inf": "inf", "Infinity": "inf", "infty": "inf", "PINF": "inf", "NaN": "nan", "NAN": "nan",
        "NINF": float("-inf"), "PZERO": 0.0, "NZERO": -0.0,
        "float_": "float64", "complex_": "complex128", "cfloat": "complex128", "singlecomplex": "complex64",
        "unicode_": "str_", "string_": "bytes_", "round_": "round", "product": "prod", "cumproduct": "cumprod",
        "alltrue": "all", "sometrue": "any", "row_stack": "vstack", "in1d": "isin", "trapz": "trapezoid",
    },
    # gone with Pillow 10
    "PIL.Image": {
        "ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC",
    },
    # gone with torchvision 0.17
    "torchvision.transforms": {
        "Scale": "Resize", "RandomSizedCrop": "RandomResizedCrop",
    },
}  # fmt: skip
WEIGHTS_ONLY = "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected"
ITERATORS = "torch.utils.data.dataloader"       # whose iterators had `next()` until torch 1.13

# makers of networks -> the heads that training alone needs: with weights, `aux_logits=False` left them out
AUXILIARY: Mapping[str, Sequence[str]] = {
    "torchvision.models.inception.inception_v3": ("AuxLogits",),
    "torchvision.models.googlenet.googlenet": ("aux1", "aux2"),
}


def start_from_environment(environ: Mapping[str, str]) -> bool:
    """Lend the names in this process, if `environ` asks for it; True when it does."""
    if not environ.get(VARIABLE):
        return False
    lend_all()
    return True


def lend_all() -> None:
    """Lend what the table has, in the modules that are loaded already, and in the others once they are."""
    for module, names in OLD_NAMES.items():
        after_import(module, lambda module=module, names=names: lend(module, names))
    after_import(ITERATORS, _lend_next)
    # We set it for the script, which can do nothing about it; torch would say so at every `torch.load`.
    warnings.filterwarnings("ignore", message=WEIGHTS_ONLY)
    for maker, heads in AUXILIARY.items():
        after_import(maker.rpartition(".")[0], lambda maker=maker, heads=heads: _lend_aux_logits(maker, heads))


def lend(module: str, names: Mapping[str, Any]) -> None:
    """Let a loaded module answer for old names too."""
    loaded = sys.modules[module]
    own = getattr(loaded, "__getattr__", None)

    def found(name: str) -> Any:
        if name in names:
            value = names[name]
            if isinstance(value, str):
                value = getattr(loaded, value)
            setattr(loaded, name, value)
            today = names[name] if isinstance(names[name], str) else getattr(value, "__name__", repr(value))
            print(f"{module}.{name} is gone; {today} stands in for it", file=sys.stderr, flush=True)
            return value
        if own is not None:
            return own(name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    loaded.__getattr__ = found


def _lend_next() -> None:
    iterator = sys.modules[ITERATORS]._BaseDataLoaderIter
    if not hasattr(iterator, "next"):
        iterator.next = iterator.__next__


def _lend_aux_logits(maker: str, heads: Sequence[str]) -> None:
    """`inception_v3(pretrained=True, aux_logits=False)`, which torchvision refuses since 0.13."""
    module, _, name = maker.rpartition(".")
    make = getattr(sys.modules[module], name)

    @wraps(make)
    def made(*given: Any, **named: Any) -> Any:
        has_weights = named.get("weights") is not None or named.get("pretrained") or any(given[:1])
        if named.get("aux_logits") is not False or not has_weights:
            return make(*given, **named)
        network = make(*given, **{key: value for key, value in named.items() if key != "aux_logits"})
        network.aux_logits = False
        for head in heads:
            setattr(network, head, None)
        return network

    for place in (module, module.rpartition(".")[0]):           # the package has the name too, if it is loaded already
        if getattr(sys.modules.get(place), name, None) is make:
            setattr(sys.modules[place], name, made)
