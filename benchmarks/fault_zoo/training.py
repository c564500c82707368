"""What a training of the zoo is: data, network, loop, and the rules that would name its fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from benchmarks.fault_zoo.images import IMAGE_SETS, Images
from benchmarks.fault_zoo.networks import Builder

Criterion = Callable[[], nn.Module]
Augmentation = Callable[[Tensor], Tensor]
Script = Callable[[nn.Module, Images, "Loop"], None]


@dataclass(frozen=True)
class Loop:
    """How it is trained. The defaults are what a careful person writes; a fault of the loop is one other value."""

    epochs: int = 4
    batch_size: int = 32
    optimiser: str = "Adam"  # a class of torch.optim
    learning_rate: float = 1e-3
    options: Mapping[str, float | bool] = field(default_factory=dict)  # of the optimiser, by its own names
    warmup_steps: int = 0
    cosine: bool = False
    clip_norm: float | None = None
    accumulate: int = 1  # batches per optimiser step
    scale_accumulated: bool = True
    decay: float = 1.0                        # of the rate, at each optimiser step
    zero_grad: bool = True
    backward: bool = True                     # False: nobody called loss.backward()
    step: bool = True                         # False: nobody called optimizer.step()
    training_mode: bool = True  # False: nobody called model.train()
    evaluation_mode: bool = True  # False: nobody called model.eval() before validating
    validates: bool = True                    # False: no validation at all
    shuffle: bool = True
    mixup: bool = False
    autocast: bool = False                    # forward in bfloat16
    augment: Augmentation | None = None
    criterion: Criterion = nn.CrossEntropyLoss
    loss_output: int = 0  # of a network with several outputs, the one that the loss is taken of
    trained: Callable[[nn.Module], Iterable[nn.Parameter]] = nn.Module.parameters
    stall_seconds: float = 0.0  # the loader hangs so long once, halfway
    seed: int = 0


@dataclass(frozen=True)
class Training:
    """One entry of the zoo."""

    name: str
    images: str  # a key of IMAGE_SETS
    network: Builder
    loop: Loop = field(default_factory=Loop)
    spoil: Callable[[Images], Images] | None = None
    rules: tuple[str, ...] = ()  # any of them names the fault; none for a healthy training
    parameters: Mapping[str, str] = field(default_factory=dict)  # "Rule:parameter" to value, where no default can do
    script: Script | None = None  # a loop of its own; the zoo's when None

    @property
    def broken(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.rules)

    def data(self) -> Images:
        """Its images, spoilt where that is the fault."""
        images = IMAGE_SETS[self.images]()
        return self.spoil(images) if self.spoil else images
