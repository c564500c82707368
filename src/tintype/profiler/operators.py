"""A window of torch.profiler: which operators took the time, in which layers, and how much memory each phase needed.

Layers are told apart without touching the autograd graph: each leaf module is a named range while it computes, and an
operator of the backward pass belongs to the layer whose forward operator has the same sequence number. It slows the
steps of the window down by a fifth and more, and takes about half a second after it.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, final

import torch
from torch import nn
from torch._C._autograd import DeviceType
from torch.compiler import is_compiling
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.profiler import ProfilerActivity, profile, record_function

from tintype.profiler.compiled import has_compiled
from tintype.profiler.detail_files import Layer, Operator, Operators
from tintype.profiler.phase_memory import PhaseMemory

LAYER = "layer: "                       # how the ranges of layers are called in the trace
TRANSFORMS = "torchvision.transforms"   # modules, too, and no layers of a network
QUICKLY = 3                             # of gzip's nine levels
MOST_OPERATORS, MOST_LAYERS = 100, 200
BACKWARD = "autograd::engine::evaluate_function"


@final
class OperatorWindow:
    """Records from `start` to `stop`, on the thread that trains."""

    def __init__(self) -> None:
        on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
        self._profile = profile(activities=activities)
        self.memory = PhaseMemory()
        self._ranges: list[Any] = []
        self._names: dict[nn.Module, str] = {}
        self._kinds: dict[str, str] = {}
        self._undo: list[Callable[[], object]] = []
        self._begun = 0.0

    def start(self) -> None:
        """Begin. What the library has to say of itself stays out of the script's output."""
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        if not has_compiled():                          # else there are no layers, and new hooks compile all anew
            self._undo = [
                register_module_forward_pre_hook(self._enter).remove,
                register_module_forward_hook(self._leave, always_call=True).remove,
            ]
        if (module := _running()) is not None:
            self._name(module)                          # it was entered before anybody looked
        self.memory.start()
        self._profile.start()
        self._begun = time.perf_counter()

    def stop(self, worker: str, first_step: int, steps: int, trace: Path | None = None) -> Operators:
        """End, and say what was seen; `trace` is where the Chrome trace goes, if anywhere."""
        seconds = time.perf_counter() - self._begun
        for undo in self._undo:
            undo()
        self._profile.stop()
        if trace is not None:
            self._export(trace)
        events = list(self._profile.events() or ())
        operators = operators_of(self._profile.key_averages())
        layers = layers_of(events, self._kinds)
        peaks, whose = self.memory.peaks()
        return Operators(worker, first_step, steps, seconds, operators, layers, peaks, whose)

    def _export(self, trace: Path) -> None:
        """The trace, packed at once: torch packs line by line, which takes several times as long."""
        trace.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=trace.parent, suffix=".json") as plain:
            self._profile.export_chrome_trace(plain.name)
            with open(plain.name, "rb") as written, gzip.open(trace, "wb", compresslevel=QUICKLY) as packed:
                shutil.copyfileobj(written, packed)

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        if is_compiling() or type(module).__module__.startswith(TRANSFORMS):
            return
        if module not in self._names:
            self._name(module)
        if next(module.children(), None) is not None:
            return
        name = self._names[module]
        self._kinds[name] = type(module).__name__
        one = record_function(LAYER + name)
        one.__enter__()
        self._ranges.append((module, one))

    def _name(self, module: nn.Module) -> None:
        for name, one in module.named_modules():
            self._names.setdefault(one, name or type(one).__name__)

    def _leave(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        if not is_compiling() and self._ranges and self._ranges[-1][0] is module:
            self._ranges.pop()[1].__exit__(None, None, None)


def _running() -> nn.Module | None:
    """The outermost module whose forward this thread is in."""
    found, frame = None, sys._getframe()
    while frame is not None:
        if frame.f_code is nn.Module._call_impl.__code__:
            found = frame.f_locals.get("self")
        frame = frame.f_back
    return found


def operators_of(averages: Iterable[Any]) -> tuple[Operator, ...]:
    """The operators in the averages of torch.profiler, the largest first; the ranges of layers are none."""
    found = []
    for one in averages:
        if one.key.startswith((LAYER, BACKWARD)) or "#" in one.key:     # ranges that torch names: Optimizer.step#SGD
            continue
        if one.device_type == DeviceType.CPU:
            found.append(Operator(one.key, "CPU", one.self_cpu_time_total, one.cpu_time_total, one.count))
        else:
            found.append(Operator(one.key, "GPU", one.self_device_time_total, one.device_time_total, one.count))
    kept = [one for one in found if one.self_us > 0]
    return tuple(sorted(kept, key=lambda one: -one.self_us)[:MOST_OPERATORS])


def layers_of(events: Iterable[Any], kinds: dict[str, str]) -> tuple[Layer, ...]:
    """The time of each layer: of its own range, and of the backward operators that belong to what was in it."""
    forward: defaultdict[str, float] = defaultdict(float)
    backward: defaultdict[str, float] = defaultdict(float)
    calls: defaultdict[str, int] = defaultdict(int)
    owner: dict[int, str] = {}          # sequence number -> layer
    ordered = sorted(events, key=lambda one: one.time_range.start)
    for one in ordered:
        if one.device_type != DeviceType.CPU:
            continue
        if one.name.startswith(LAYER):
            name = one.name.removeprefix(LAYER)
            forward[name] += max(one.cpu_time_total, one.device_time_total)
            calls[name] += 1
        elif one.sequence_nr >= 0 and not one.fwd_thread and (layer := _layer_of(one)):
            owner[one.sequence_nr] = layer          # the last one counts: only it made a node of the graph
    for one in ordered:
        layer = owner.get(one.sequence_nr) if one.sequence_nr >= 0 else None
        if layer and one.fwd_thread and one.name.startswith(BACKWARD):
            backward[layer] += max(one.cpu_time_total, one.device_time_total)
    layers = [Layer(name, kinds.get(name, ""), forward[name], backward[name], calls[name]) for name in forward]
    return tuple(sorted(layers, key=lambda one: -(one.forward_us + one.backward_us))[:MOST_LAYERS])


def _layer_of(event: Any) -> str:
    above = event.cpu_parent
    while above is not None:
        if above.name.startswith(LAYER):
            return above.name.removeprefix(LAYER)
        above = above.cpu_parent
    return ""
