from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn

from tintype.errors import InvalidRequest, NotFound
from tintype.models.networks import Depth, Network, create, features, freeze, head, known_names, stages

SPLITTABLE = [
    ("resnet18", 64), ("efficientnet_b0", 64), ("mobilenetv3_large_100", 64), ("vit_tiny_patch16_224", 64),
    ("small_cnn", 32), ("convnext_atto", 64), ("densenet121", 64), ("repvgg_a0", 64),
]  # fmt: skip


def images(side: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, side, side)


def batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


def trainable(network: Network) -> set[str]:
    return {name for name, parameter in network.module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(("name", "side"), SPLITTABLE)
def test_head_of_features_is_the_whole_network(name: str, side: int) -> None:
    network = create(name, 5, image_size=side, drop_rate=0.3)
    network.module.eval()
    batch = images(side)
    with torch.inference_mode():
        pooled = features(network.module, batch)
        logits = head(network.module)(pooled)
        expected = network.module(batch)
    assert pooled.shape == (2, network.feature_dim)
    assert logits.shape == (2, 5)
    torch.testing.assert_close(logits, expected, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "side"), SPLITTABLE)
def test_what_a_network_says_of_itself(name: str, side: int) -> None:
    network = create(name, 5, image_size=side)
    names = {key for key, _ in network.module.named_modules()}
    assert set(network.head_names) <= names
    assert network.module.get_submodule(network.head_names[0]) is head(network.module)
    defaults = network.preprocessing_defaults
    assert all(0 < one < 1 for one in (*defaults.mean, *defaults.std))
    assert defaults.image_size > 0
    assert create(network.name, 5, image_size=side).module.state_dict().keys() == network.module.state_dict().keys()


def test_unknown_names_list_those_that_are_near() -> None:
    with pytest.raises(NotFound, match="'resnet18'"):
        create("resnet_18", 2, image_size=32)
    with pytest.raises(NotFound, match=r"resnet18\.a1_in1k"):
        create("resnet18.a1_in1kk", 2, image_size=32)
    with pytest.raises(NotFound, match=r"no network named 'mobilenet_v2\.x'"):
        create("mobilenet_v2.x", 2, image_size=32)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "local-dir:/tmp", "", "resnet18:x"])
def test_names_that_would_fetch_something_are_unknown(name: str) -> None:
    with pytest.raises(NotFound, match="there is no network named"):
        create(name, 2, image_size=32)


@pytest.mark.parametrize(
    ("classes", "image_size", "drop_rate"),
    [(0, 32, 0.0), (2, 0, 0.0), (2, 32, 1.0), (2, 32, -0.1), (2, 32, float("nan"))],
)
def test_impossible_shapes_are_refused(classes: int, image_size: int, drop_rate: float) -> None:
    with pytest.raises(InvalidRequest, match="a network needs"):
        create("resnet18", classes, image_size=image_size, drop_rate=drop_rate)


def test_an_image_too_small_for_the_network_is_refused_before_training() -> None:
    with pytest.raises(InvalidRequest, match="densenet121 cannot take images of 16 px"):
        create("densenet121", 2, image_size=16)
    with pytest.raises(InvalidRequest, match="vit_tiny_patch16_224 cannot"):
        create("vit_tiny_patch16_224", 2, image_size=8)


def test_a_transformer_is_built_for_the_image_size() -> None:
    network = create("vit_tiny_patch16_224", 2, image_size=96)
    assert network.module(images(96)).shape == (2, 2)
    assert network.image_size == 96


@pytest.mark.parametrize(("alias", "name"), [("mobilenet_v2", "mobilenetv2_100"), ("vit_b_16", "vit_base_patch16_224")])
def test_spellings_of_torchvision(alias: str, name: str) -> None:
    with torch.device("meta"):
        assert create(alias, 2, image_size=64).name == name
    assert {alias, name} <= set(known_names())


def test_tags_are_part_of_the_name() -> None:
    assert create("resnet18.tv_in1k", 2, image_size=64).name == "resnet18.tv_in1k"


def test_networks_with_two_heads_say_so() -> None:
    network = create("deit_tiny_distilled_patch16_224", 2, image_size=32)
    assert len(network.head_names) == 2
    with pytest.raises(InvalidRequest, match="several heads"):
        head(network.module)


@pytest.mark.parametrize(
    ("name", "eps"),
    [("tf_efficientnet_b7", 1e-3), ("efficientnet_b7", 1e-3), ("efficientnet_b6", 1e-3),
     ("efficientnet_b5.tv_in1k", 1e-3), ("efficientnet_b5", 1e-5), ("efficientnet_b0", 1e-5)],
)  # fmt: skip
def test_batch_norm_has_the_eps_of_the_published_weights(name: str, eps: float) -> None:
    with torch.device("meta"):
        module = create(name, 6, image_size=64).module
    assert {norm.eps for norm in batch_norms(module)} == {eps}


def test_efficientnet_b7_builds_freezes_and_answers() -> None:
    network = create("tf_efficientnet_b7", 6, image_size=64)
    freeze(network, "backbone")
    network.module.train()
    assert trainable(network) == {"classifier.weight", "classifier.bias"}
    assert not any(norm.training for norm in batch_norms(network.module))
    assert network.feature_dim == 2560
    with torch.inference_mode():
        assert network.module(images(64)).shape == (2, 6)


def test_every_parameter_of_the_backbone_is_in_one_stage() -> None:
    for name in ("resnet18", "mobilenetv3_small_050", "convnext_atto", "small_cnn"):
        network = create(name, 3, image_size=64)
        found = [one for stage in stages(network) for one in stage]
        heads = {one for one, _ in network.module.named_parameters() if one.startswith(network.head_names)}
        assert sorted(found) == sorted({one for one, _ in network.module.named_parameters()} - heads)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [("backbone", ("fc.",)), (0, ("fc.",)), (1, ("fc.", "layer4.")), (3, ("fc.", "layer4.", "layer3.", "layer2."))],
)
def test_depth_leaves_trailing_stages_trainable(depth: Depth, expected: tuple[str, ...]) -> None:
    network = create("resnet18", 3, image_size=64)
    freeze(network, depth)
    names = {name for name, _ in network.module.named_parameters()}
    assert trainable(network) == {name for name in names if name.startswith(expected)}


def test_more_stages_than_there_are_is_an_error_that_says_how_many() -> None:
    network = create("resnet18", 3, image_size=64)
    for depth in (6, -1):
        with pytest.raises(InvalidRequest, match="has 5 stages"):
            freeze(network, depth)


def test_a_frozen_batch_norm_does_not_move_when_training() -> None:
    network = create("resnet18", 3, image_size=64)
    freeze(network, 1)
    before = copy.deepcopy(network.module.state_dict())
    network.module.train()
    network.module(images(64, 4)).sum().backward()
    after = network.module.state_dict()
    moved = {key for key in after if not torch.equal(before[key], after[key])}
    assert moved
    assert all(key.startswith("layer4.") for key in moved)
    assert network.module.training
    assert network.module.get_submodule("layer4").training
    assert not network.module.get_submodule("layer3").training


def test_a_copy_of_a_frozen_network_is_frozen_by_itself() -> None:
    network = create("small_cnn", 3, image_size=16)
    freeze(network, "backbone")
    twin = copy.deepcopy(network.module)
    twin.train()
    assert not any(norm.training for norm in batch_norms(twin))
    freeze(network, "none")
    network.module.train()
    twin.train()
    assert all(norm.training for norm in batch_norms(network.module))
    assert not any(norm.training for norm in batch_norms(twin))


def test_freezing_again_starts_afresh() -> None:
    network = create("resnet18", 3, image_size=64)
    freeze(network, "backbone")
    freeze(network, "none")
    network.module.train()
    assert all(parameter.requires_grad for parameter in network.module.parameters())
    assert all(part.training for part in network.module.modules())


def test_a_frozen_backbone_gives_the_same_features_in_training_as_in_evaluation() -> None:
    network = create("efficientnet_b0", 3, image_size=32)
    freeze(network, "backbone")
    batch = images(32)
    with torch.inference_mode():
        training = features(network.module.train(), batch)
        evaluation = features(network.module.eval(), batch)
    torch.testing.assert_close(training, evaluation, rtol=0, atol=0)


def test_every_network_of_timm_is_known() -> None:
    assert set(timm.list_models()) < set(known_names())
    assert "small_cnn" in known_names()
