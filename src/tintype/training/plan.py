"""The training plan: everything one training job is told, as one frozen value.

A plan is written as JSON by whoever starts the job and read by `python -m tintype.training`. It says nothing of
the machine, except through `compute`, whose defaults mean "find out". No torch here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tintype.errors import InvalidRequest
from tintype.settings import Settings
from tintype.storage import read_json, write_json


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _auto_is_none(value: object) -> object:
    return None if _lower(value) in ("auto", "") else value


def _freeze_word(value: object) -> object:
    return {"true": "backbone", "false": "none"}.get(str(value).strip().lower(), _lower(value))


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkPlan(_Group):
    """Which network, where its weights come from, and the size of the images it sees."""

    name: str = "resnet18"
    weights: Annotated[str | None, BeforeValidator(_auto_is_none)] = None   # None: look them up; "none": random; a file
    freeze: Annotated[Literal["none", "backbone"] | Annotated[int, Field(ge=0)], BeforeValidator(_freeze_word)] = "none"
    drop_rate: float = Field(default=0.0, ge=0.0, lt=1.0)
    image_size: Annotated[Annotated[int, Field(ge=8, le=1024)] | None, BeforeValidator(_auto_is_none)] = None  # pixels
    resize: Annotated[Literal["crop", "stretch"], BeforeValidator(_lower)] = "crop"


class OptimiserPlan(_Group):
    """The optimiser and its constants. A learning rate or decay of None is looked up in the tables of `optimisers`."""

    kind: Annotated[Literal["sgd", "adamw", "adam"], BeforeValidator(_lower)] = "adamw"
    learning_rate: Annotated[Annotated[float, Field(gt=0.0, le=100.0)] | None, BeforeValidator(_auto_is_none)] = None
    weight_decay: Annotated[Annotated[float, Field(ge=0.0, le=10.0)] | None, BeforeValidator(_auto_is_none)] = None
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)      # SGD (Nesterov), and beta1 of Adam
    eps: float = Field(default=1e-8, gt=0.0, le=1.0)          # Adam's; SGD has none
    clip_norm: float = Field(default=0.0, ge=0.0)             # 0: gradients are not clipped


class SchedulePlan(_Group):
    """How the learning rate moves. It is set before every optimiser step, never per epoch."""

    kind: Annotated[Literal["constant", "cosine", "one-cycle", "step"], BeforeValidator(_lower)] = "one-cycle"
    warmup_epochs: float = Field(default=0.0, ge=0.0)         # a fraction of an epoch is fine; one-cycle has its own
    step_epochs: float = Field(default=1.0, gt=0.0)           # "step" multiplies by `step_factor` every so often
    step_factor: float = Field(default=0.1, gt=0.0, le=1.0)


class AugmentationPlan(_Group):
    """What happens to training images. Alphas of 0 switch mixup and cutmix off."""

    kind: Annotated[Literal["none", "flip", "crop-flip", "randaugment"], BeforeValidator(_lower)] = "crop-flip"
    magnitude: float = Field(default=9.0, ge=0.0, le=30.0)    # RandAugment's, of 30
    minimum_area: float = Field(default=0.35, gt=0.0, le=1.0)  # the smallest crop, as a share of the picture
    mixup: float = Field(default=0.0, ge=0.0, le=10.0)        # alpha of the Beta distribution
    cutmix: float = Field(default=0.0, ge=0.0, le=10.0)

    @property
    def crops(self) -> bool:
        """True when training needs more of a picture than the finished crop."""
        return self.kind in ("crop-flip", "randaugment")


class LossPlan(_Group):
    """Cross-entropy, and what to do about rare classes."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    balance: Annotated[Literal["none", "weights", "sampling"], BeforeValidator(_lower)] = "none"


class ComputePlan(_Group):
    """The machine. `auto` means: use what the hardware really has."""

    device: Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_lower)] = "auto"
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"], BeforeValidator(_lower)] = "auto"
    channels_last: bool = True
    threads: int = Field(default=0, ge=0, le=1024)            # 0: all cores
    deterministic: bool = True                                # False: a GPU may choose faster, varying kernels


class DataPlan(_Group):
    """Where the images are and how a folder without splits is divided."""

    location: str
    split_seed: int = Field(default=0, ge=0)
    valid_fraction: float = Field(default=0.15, gt=0.0, lt=1.0)
    test_fraction: float = Field(default=0.15, ge=0.0, lt=1.0)
    strict: bool = False                                      # True: one bad file fails the job


class TrainingPlan(_Group):
    """One training job. `directory` is the job's own; everything it writes goes there or into `settings.caches`."""

    name: str = Field(min_length=1, max_length=200)
    directory: Path
    data: DataPlan
    settings: Settings = Settings()
    seed: int = Field(default=0, ge=0, lt=2**32)
    epochs: int = Field(default=5, ge=1, le=100_000)
    batch_size: int = Field(default=32, ge=1, le=1_000_000)   # images per forward pass and process
    accumulate: int = Field(default=1, ge=1, le=10_000)       # forward passes per optimiser step
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)           # decay of the averaged weights; 0: no average
    patience: int = Field(default=0, ge=0)                    # epochs without a better objective; 0: never give up
    objective: Literal["valid:accuracy", "valid:loss"] = "valid:accuracy"   # what `best` means
    evaluate_every: int = Field(default=1, ge=1, le=100_000)  # epochs; the last one is evaluated too
    network: NetworkPlan = NetworkPlan()
    optimiser: OptimiserPlan = OptimiserPlan()
    schedule: SchedulePlan = SchedulePlan()
    augmentation: AugmentationPlan = AugmentationPlan()
    loss: LossPlan = LossPlan()
    compute: ComputePlan = ComputePlan()
    save: Literal["none", "best", "archive"] = "archive"      # none: metrics only; best: checkpoints/best.pt as well
    checkpoint_seconds: float = Field(default=60.0, ge=0.0)   # at least this long between two checkpoints of an epoch

    @property
    def image_cache(self) -> Path:
        """Decoded images, shared by all jobs."""
        return self.settings.caches / "images"

    @property
    def feature_cache(self) -> Path:
        """Features of frozen backbones, shared by all jobs."""
        return self.settings.caches / "features"

    @property
    def remembered(self) -> Path:
        """Small facts about images and networks, shared by all jobs."""
        return self.settings.caches / "facts"

    @property
    def data_workdir(self) -> Path:
        """Unpacked archives and recorded splits."""
        return self.settings.home / "data"

    @property
    def uses_cached_features(self) -> bool:
        """True when every view a frozen backbone will see is known beforehand, so that only the head is trained."""
        plain = self.augmentation.kind in ("none", "flip") and not (self.augmentation.mixup or self.augmentation.cutmix)
        return self.network.freeze == "backbone" and plain


def load_plan(path: Path) -> TrainingPlan:
    """The plan in a JSON file; `NotFound` when there is none, `InvalidRequest` naming the field that is wrong."""
    return parse_plan(read_json(path))


def save_plan(path: Path, plan: TrainingPlan) -> None:
    """Write `plan` as JSON."""
    write_json(path, plan.model_dump(mode="json"))


def parse_plan(document: object) -> TrainingPlan:
    """A plan from a JSON document. Raises `InvalidRequest` naming the field, the rule and what arrived."""
    try:
        return TrainingPlan.model_validate(document)
    except ValidationError as error:
        raise invalid_plan(error) from error


def invalid_plan(error: ValidationError) -> InvalidRequest:
    """Pydantic's first complaint as one readable line."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "the plan"
    return InvalidRequest(f"training plan: {field}: {first['msg'].lower()}, got {first['input']!r}")
