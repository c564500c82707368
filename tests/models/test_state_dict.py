from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tintype.errors import BadArchive, InvalidRequest
from tintype.models.networks import Network, create
from tintype.models.state_dict import fit, read


class Payload:
    """Pickles into a call that makes a file, as an attacker's would."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def small(classes: int = 3, side: int = 16) -> Network:
    return create("small_cnn", classes, image_size=side)


def test_a_pickle_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "w.pth"
    torch.save({"state_dict": {"a": torch.ones(1)}, "extra": Payload(mark)}, path)
    with pytest.raises(BadArchive, match="could run code"):
        read(path)
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(BadArchive):
        read(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the payload is harmless, so that this test shows nothing"


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), tmp_path / "module.pth")
    with pytest.raises(BadArchive, match="could run code"):
        read(tmp_path / "module.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.bin"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken zip", b"\xff" * 64, b"\x80\x02}q\x00."])
def test_damaged_files_are_bad_archives(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadArchive, match="w\\."):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_cut_short_is_a_bad_archive(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    state = small().module.state_dict()
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    content = path.read_bytes()
    for length in (1, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BadArchive):
            read(path)


@pytest.mark.parametrize("content", [{}, [torch.ones(1)], {"a": 1}, {1: torch.ones(1)}, {"state_dict": {"a": "b"}}, 5])
def test_files_that_hold_something_else_are_bad_archives(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(BadArchive, match="holds no weights"):
        read(tmp_path / "w.pth")


@pytest.mark.parametrize("envelope", [None, "state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_checkpoints_of_other_training_programs(tmp_path: Path, envelope: str | None, wrapper: str) -> None:
    state = {f"{wrapper}{key}": tensor for key, tensor in small().module.state_dict().items()}
    torch.save(state if envelope is None else {envelope: state, "epoch": 3}, tmp_path / "w.pth")
    network = small()
    assert fit(network, read(tmp_path / "w.pth"), "w").head
    for key, tensor in network.module.state_dict().items():
        assert torch.equal(tensor, state[f"{wrapper}{key}"])


def test_an_average_is_preferred_to_the_last_step(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}, "state_dict_ema": {"a": torch.ones(1)}}, tmp_path / "w.pth")
    assert read(tmp_path / "w.pth")["a"] == 1


def test_a_head_for_other_classes_is_left_out() -> None:
    network = small(classes=3)
    before = {key: tensor.clone() for key, tensor in network.module.state_dict().items()}
    given = small(classes=1000).module.state_dict()
    outcome = fit(network, given, "w")
    after = network.module.state_dict()
    assert not outcome.head
    assert outcome.loaded == len(given) - 2
    for key, tensor in after.items():
        assert torch.equal(tensor, before[key] if key.startswith("head.") else given[key])


def test_a_file_without_a_head_leaves_the_new_one() -> None:
    given = {key: tensor for key, tensor in small().module.state_dict().items() if not key.startswith("head.")}
    assert not fit(small(), given, "w").head


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("stages.0.0.weight"), r"w does not fit small_cnn: it lacks stages\.0\.0\.weight"),
        (lambda state: state.update({"layer9.x": torch.ones(1)}), r"it also has layer9\.x"),
        (lambda state: state.update({"head.x": torch.ones(1), "stages.0.0.weight": torch.ones(1)}), "of another shape"),
    ],
)
def test_misfits_are_named_and_change_nothing(change: Any, message: str) -> None:
    network = small()
    before = {key: tensor.clone() for key, tensor in network.module.state_dict().items()}
    state = dict(small().module.state_dict())
    change(state)
    with pytest.raises(InvalidRequest, match=message):
        fit(network, state, "w")
    assert all(torch.equal(before[key], tensor) for key, tensor in network.module.state_dict().items())


def test_weights_of_a_deeper_network_are_not_half_loaded() -> None:
    with pytest.raises(InvalidRequest, match="it also has"):
        fit(create("resnet18", 3, image_size=64), create("resnet34", 3, image_size=64).module.state_dict(), "w")


def test_files_without_batch_counters_are_whole() -> None:
    state = {key: one for key, one in small().module.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert fit(small(), state, "w").head


def test_position_embeddings_are_stretched_to_another_image_size() -> None:
    given = create("vit_tiny_patch16_224", 3, image_size=64).module.state_dict()
    network = create("vit_tiny_patch16_224", 3, image_size=96)
    assert fit(network, given, "w").head
    assert network.module.state_dict()["pos_embed"].shape == (1, 37, 192)
    assert torch.equal(network.module.state_dict()["blocks.0.norm1.weight"], given["blocks.0.norm1.weight"])
