"""The trainings of the zoo, and what the profiler must say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from benchmarks.slow_zoo import faults, networks
from tintype.profiler.limiter import Limiter


@final
@dataclass(frozen=True)
class Case:
    """A training; the defaults are a healthy one on one core."""

    rule: str = ""                          # a rule that must fire; "" for none
    limiter: Limiter | None = None          # what must be the limiter; None for any
    is_healthy: bool = False                # no rule may fire

    network: networks.Network = networks.convolutional
    batch: int = 16
    side: int = 32                          # of an image, pixels
    width: int = 64                         # channels of the network
    torch_threads: int = 1
    ranks: int = 1
    slow_rank: float = 0.0                  # seconds that the last rank takes longer for the forward of each step
    slow_loading_rank: float = 0.0          # and for each sample
    accumulate: int = 1                     # batches for each step of the optimiser
    large_every: int = 0                    # batches after which one has images of four times the side
    in_memory: bool = False                 # batches are there already
    workers: int = 0
    worker_threads: int = 1                 # of torch, in each worker
    for_sample: faults.SampleFault | None = None
    jpeg_side: int = 0                      # samples are decoded from JPEGs of this size
    after_step: faults.StepFault | None = None
    hook: faults.LayerFault | None = None   # called by the first layer's forward
    streamed: bool = False                  # the samples come from an IterableDataset
    given_to_optimizer: bool = False        # the optimizer calls forward and backward by itself
    evaluate_every: int = 0                 # steps
    evaluates_like_a_beginner: bool = False         # eval() alone, with gradients
    start_seconds: float = 0.0
    threads: int = 0                        # that do `beside` beside the training
    beside: faults.ThreadFault = faults.multiply


def _healthy(**parts: object) -> Case:
    return Case(limiter=Limiter.COMPUTE, is_healthy=True, **parts)  # type: ignore[arg-type]


CASES: Mapping[str, Case] = {
    "healthy": _healthy(),
    "healthy, more images": _healthy(batch=64),
    "healthy, two waiting workers": _healthy(torch_threads=2, workers=2),
    "healthy, residual": _healthy(network=networks.residual, torch_threads=2),
    "healthy, transformer": _healthy(network=networks.Patches, batch=32),
    "healthy, recurrent": _healthy(network=networks.Rows, batch=32, width=512, workers=1),
    "healthy, a closure for the optimizer": _healthy(given_to_optimizer=True),
    "healthy, evaluated with gradients": _healthy(evaluate_every=40, evaluates_like_a_beginner=True),
    "healthy, dense": _healthy(network=networks.perceptron, batch=128, torch_threads=2),
    "sleep in the loader": Case("Dataloader", Limiter.LOADER_LATENCY, for_sample=faults.sleep(0.01)),
    "one slow sample in a hundred": Case(
        "StepOutlier", Limiter.LOADER_LATENCY, batch=4, for_sample=faults.sleep(0.5, 100)),
    "throttled reads": Case("Dataloader", Limiter.LOADER_LATENCY, for_sample=faults.sleep(0.004)),
    "far too many workers": Case("Dataloader", workers=6, for_sample=faults.sleep(0.001)),
    "heavy transforms": Case("Dataloader", Limiter.PREPARATION, for_sample=faults.transform),
    "augmentation in Python": Case("Dataloader", Limiter.PREPARATION, width=16, for_sample=faults.augment_in_python),
    "labels looked up in a list": Case("Dataloader", Limiter.PREPARATION, width=16, for_sample=faults.look_up),
    "a stream with heavy decoding": Case(
        "SlowDecode", Limiter.DECODE, jpeg_side=1600, batch=4, workers=1, streamed=True),
    "huge images": Case("SlowDecode", Limiter.DECODE, jpeg_side=1600, batch=4),
    "huge images, one worker": Case("SlowDecode", Limiter.DECODE, jpeg_side=1600, batch=4, workers=1),
    "tiny batches": Case("SmallBatchOverhead", Limiter.LAUNCH, batch=1, width=8, side=8, in_memory=True),
    "tiny accumulated batches": Case(
        "SmallBatchOverhead", Limiter.LAUNCH, batch=1, width=8, side=8, in_memory=True, accumulate=16),
    "batches of uneven size": Case("StepOutlier", Limiter.COMPUTE, in_memory=True, large_every=20),
    "evaluation every step": Case("", Limiter.EVALUATION, evaluate_every=1),
    "checkpoint every step": Case("", Limiter.CHECKPOINTING, after_step=faults.save),
    "plotting after each step": Case("", Limiter.BETWEEN, after_step=faults.plot),
    "summaries after each step": Case("", Limiter.BETWEEN, after_step=faults.summarise),
    "numbers of each parameter": Case("", Limiter.BETWEEN, width=32, after_step=faults.inspect),
    "copies of the best weights": Case("", Limiter.BETWEEN, width=32, after_step=faults.copy_best),
    "logging to a disk": Case("", Limiter.BETWEEN, after_step=faults.log_to_disk),
    "garbage collected each step": Case("", Limiter.BETWEEN, after_step=faults.collect_garbage),
    "memory leak": Case("MemoryLeak", after_step=faults.keep_memory),
    "graphs that are kept": Case("MemoryLeak", after_step=faults.keep_graph),
    "long initialization": Case("MaxInitializationTime", Limiter.INITIALIZATION, start_seconds=25.0),
    "sleep in a forward hook": Case("", Limiter.WAITING, hook=faults.pause),
    "two ranks, one slow": Case("LoadBalancing", ranks=2, slow_rank=0.05),
    "two ranks, one with slow data": Case("LoadBalancing", ranks=2, slow_loading_rank=0.004),
    "more threads than cores": Case("Oversubscription", threads=16),
    "eight threads of torch": Case("Oversubscription", torch_threads=8),
    "workers with threads of their own": Case(
        "Oversubscription", workers=3, worker_threads=4, for_sample=faults.blur_with_torch),
    "two ranks, all cores each": Case("Oversubscription", ranks=2, torch_threads=2),
    "a thread that holds the lock": Case("", Limiter.WAITING, threads=1, beside=faults.hold_the_lock),
}  # fmt: skip
