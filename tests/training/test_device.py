from __future__ import annotations

import pytest
import torch

from tintype.errors import InvalidRequest
from tintype.training.device import choose_place, cpu_flags
from tintype.training.plan import ComputePlan

WITHOUT, WITH = frozenset({"avx2", "avx512f", "avx512_vnni"}), frozenset({"avx512f", "amx_bf16"})


def on_cpu(precision: str) -> ComputePlan:
    return ComputePlan.model_validate({"device": "cpu", "precision": precision})


def test_a_processor_without_bf16_computes_in_fp32() -> None:
    place = choose_place(on_cpu("auto"), processor_flags=WITHOUT)
    assert (place.half, place.precision, place.scales_loss) == (None, "fp32", False)


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_a_processor_with_bf16_uses_it(flag: str) -> None:
    assert choose_place(on_cpu("auto"), processor_flags=frozenset({flag})).half is torch.bfloat16


def test_fp32_can_be_asked_for() -> None:
    assert choose_place(on_cpu("fp32"), processor_flags=WITH).half is None


@pytest.mark.parametrize(
    ("precision", "flags", "told"), [("bf16", WITHOUT, "no bf16"), ("fp16", WITH, "fp16 needs a GPU")]
)
def test_formats_that_are_not_there_are_refused(precision: str, flags: frozenset[str], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        choose_place(on_cpu(precision), processor_flags=flags)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no usable CUDA GPU"):
        choose_place(ComputePlan(device="cuda"))
    assert choose_place(ComputePlan()).device.type == "cpu"


def test_autocast_is_off_in_fp32_and_on_in_bf16() -> None:
    weights = torch.ones(2, 2)
    for flags, dtype in ((WITHOUT, torch.float32), (WITH, torch.bfloat16)):
        with choose_place(on_cpu("auto"), processor_flags=flags).autocast():
            assert (weights @ weights).dtype is dtype


def test_threads_are_those_asked_for() -> None:
    assert choose_place(ComputePlan(threads=3)).threads == 3
    assert choose_place(ComputePlan()).threads >= 1


def test_linux_lists_the_instructions() -> None:
    assert all(flag == flag.strip() for flag in cpu_flags())
