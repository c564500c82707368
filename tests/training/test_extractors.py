from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.integer_machine import pretend
from tintype.datasets.transforms import Preprocessing
from tintype.errors import Unsupported
from tintype.models import networks
from tintype.models.networks import Network
from tintype.training import extractors
from tintype.training.device import Place
from tintype.training.extractors import EXTRACTORS, Circumstances, Precision, choices, error
from tintype.training.plan import ComputePlan

CPU = Place(torch.device("cpu"), half=None, channels_last=True, threads=1)
VNNI = frozenset({"avx2", "avx512_vnni"})
SIDE = 64
PREPROCESSING = Preprocessing(SIDE, mean=(0.5, 0.5, 0.5), std=(0.2, 0.25, 0.3))
MANY = Circumstances(CPU, PREPROCESSING, ComputePlan(), images=10_000, flags=VNNI)


@pytest.fixture(scope="module")
def network() -> Network:
    """Convolutions, batch norms and sums, with statistics as training leaves them."""
    torch.manual_seed(0)
    network = networks.create("resnet10t", 3, image_size=SIDE)
    for seed in range(10):
        network.module(normalised(pictures(16, seed=100 + seed)))
    network.module.eval()
    return network


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Smooth noise, as photographs are: uint8 (n, s, s, 3)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 128 + 60 * torch.randn(count, 3, 4, 4, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bilinear")
    return np.ascontiguousarray(fine.clip(0, 255).byte().permute(0, 2, 3, 1).numpy())


def normalised(batch: np.ndarray) -> Tensor:
    return torch.from_numpy(PREPROCESSING.normalise(batch))


def exact(network: Network, batch: np.ndarray) -> Tensor:
    with torch.inference_mode():
        return networks.features(network.module, normalised(batch))


def names(there: Circumstances) -> list[str]:
    return [name for name, choice in EXTRACTORS.items() if choice in choices(there)]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (MANY, ["integers", "merged", "module"]),
        (replace(MANY, flags=frozenset({"avx2"})), ["merged", "module"]),
        (replace(MANY, compute=ComputePlan(precision="fp32")), ["merged", "module"]),
        (replace(MANY, images=100), ["merged", "module"]),
        (replace(MANY, place=replace(CPU, half=torch.bfloat16)), ["integers", "merged", "module"]),
        (replace(MANY, place=replace(CPU, device=torch.device("cuda"), half=torch.bfloat16)), ["module"]),
    ],
    ids=["vnni", "no vnni", "asked for fp32", "few images", "bf16", "gpu"],
)
def test_what_suits_a_machine(there: Circumstances, expected: list[str]) -> None:
    assert names(there) == expected


@pytest.mark.parametrize(
    ("name", "place", "precision", "largest_error"),
    [
        ("module", CPU, "fp32", 1e-5),
        ("merged", CPU, "fp32", 1e-5),
        ("merged", replace(CPU, half=torch.bfloat16), "bf16", 0.03),
        ("module", replace(CPU, half=torch.bfloat16), "bf16", 0.03),
        ("integers", CPU, "int8", 0.15),
        ("integers", replace(CPU, half=torch.bfloat16), "int8", 0.15),
    ],
)
def test_every_way_gives_the_network_s_features(
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    place: Place,
    precision: Precision,
    largest_error: float,
) -> None:
    pretend(monkeypatch)
    extract = EXTRACTORS[name].make(copied(network), replace(MANY, place=place), pictures(32))
    batch = pictures(24, seed=2)
    found = extract(batch)
    assert found.dtype == torch.float32
    assert found.shape == (24, network.feature_dim)
    assert extract.precision == precision == EXTRACTORS[name].precision(place)
    assert error(found, exact(network, batch)) <= largest_error


@pytest.mark.parametrize(
    ("limit", "complaint"), [("LARGEST_ERROR", "% off"), ("LARGEST_TIME", "not much faster")], ids=["error", "time"]
)
def test_integers_that_do_not_pay_are_refused(
    network: Network, monkeypatch: pytest.MonkeyPatch, limit: str, complaint: str
) -> None:
    pretend(monkeypatch)
    monkeypatch.setattr(extractors, limit, 1e-6)
    threads = torch.get_num_threads()
    with pytest.raises(Unsupported, match=complaint):
        EXTRACTORS["integers"].make(copied(network), MANY, pictures(32))
    assert torch.get_num_threads() == threads


def test_integers_need_some_images_to_be_made(network: Network) -> None:
    with pytest.raises(Unsupported, match="too few images"):
        EXTRACTORS["integers"].make(copied(network), MANY, pictures(4))


def test_a_network_that_cannot_be_traced_has_no_merged_form(network: Network) -> None:
    class Branching(torch.nn.Module):
        def forward_features(self, batch: Tensor) -> Tensor:
            return batch if batch.sum() > 0 else -batch

        def forward_head(self, maps: Tensor, pre_logits: bool) -> Tensor:
            return maps.mean(dim=(2, 3))

    with pytest.raises(Unsupported, match="cannot be merged"):
        EXTRACTORS["merged"].make(replace(network, module=Branching()), MANY, pictures(2))


def test_the_error_is_a_share_of_what_tells_images_apart() -> None:
    wanted = torch.tensor([[1000.0], [1001.0], [1002.0]])
    assert error(wanted, wanted) == 0
    assert error(wanted + 0.1, wanted) == pytest.approx(0.1 * 3**0.5 / 2**0.5, rel=1e-3)


def copied(network: Network) -> Network:
    """Extractors may change what they are given."""
    other = networks.create(network.name, network.classes, image_size=network.image_size)
    other.module.load_state_dict(network.module.state_dict())
    other.module.eval()
    return other
