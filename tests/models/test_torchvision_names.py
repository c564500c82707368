"""timm's networks with torchvision's tensors in them against torchvision's own networks, logit by logit."""

from __future__ import annotations

import warnings

import pytest
import torch
import torchvision
from torch import nn

from tintype.errors import InvalidRequest
from tintype.models.networks import create, known_names
from tintype.models.state_dict import fit
from tintype.models.torchvision_names import FILES, rename

EXACT = [
    ("resnet18", "resnet18"),
    ("resnet50", "resnet50"),
    ("densenet121", "densenet121"),
    ("mobilenet_v2", "mobilenet_v2"),
    ("efficientnet_b0", "efficientnet_b0"),
    ("efficientnet_b5", "efficientnet_b5.tv_in1k"),
    ("vit_b_16", "vit_b_16"),
]
LARGE = ["efficientnet_b3", "efficientnet_b7", "wide_resnet50_2"]


def torchvision_network(name: str, classes: int = 10) -> nn.Module:
    """torchvision's own, with every tensor away from its initial value, so that nothing cancels out.

    The variances are small enough for a wrong eps to show.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = getattr(torchvision.models, name)(weights=None, num_classes=classes).eval()
    for key, tensor in module.state_dict().items():
        if key.endswith("running_var"):
            tensor.uniform_(0.0005, 1.5)
        elif key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif tensor.ndim == 1 and tensor.is_floating_point():
            tensor.uniform_(0.3, 0.8)
    return module


def logits_of_both(torchvision_name: str, name: str, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    theirs = torchvision_network(torchvision_name)
    network = create(name, 10, image_size=side)
    assert fit(network, theirs.state_dict(), torchvision_name).head
    images = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        return network.module.eval()(images), theirs(images)


@pytest.mark.parametrize(("theirs", "name"), EXACT)
def test_the_logits_are_torchvisions_bit_for_bit(theirs: str, name: str) -> None:
    ours, expected = logits_of_both(theirs, name, side=224 if theirs.startswith("vit") else 65)
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_the_logits_of_large_networks_too(name: str) -> None:
    ours, expected = logits_of_both(name, name, side=65)
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)


@pytest.mark.slow
def test_a_linear_layer_written_as_a_convolution_differs_in_rounding_only() -> None:
    ours, expected = logits_of_both("vgg11_bn", "vgg11_bn", side=224)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_other_padding_gives_other_answers_and_is_refused() -> None:
    theirs = torchvision_network("efficientnet_b0").state_dict()
    with pytest.raises(InvalidRequest, match="choose the network efficientnet_b0"):
        fit(create("tf_efficientnet_b0", 10, image_size=64), theirs, "x")


def test_another_batch_norm_is_refused() -> None:
    theirs = torchvision_network("efficientnet_b5").state_dict()
    with pytest.raises(InvalidRequest, match=r"efficientnet_b5\.tv_in1k"):
        fit(create("efficientnet_b5", 10, image_size=64), theirs, "x")


def test_weights_of_another_depth_are_refused() -> None:
    theirs = torchvision_network("efficientnet_b0").state_dict()
    with pytest.raises(InvalidRequest, match="choose the network they were made for"):
        fit(create("efficientnet_b1", 10, image_size=64), theirs, "x")


def test_densenet_files_from_before_torchvision_0_3() -> None:
    state = torchvision_network("densenet121").state_dict()
    old = {key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value for key, value in state.items()}
    target = create("densenet121", 10, image_size=64).module.state_dict()
    assert rename("densenet121", old, target).keys() == state.keys()


def test_what_is_not_torchvisions_is_left_alone() -> None:
    for name in ("efficientnet_b0", "vit_tiny_patch16_224", "resnet18"):
        state = create(name, 10, image_size=64).module.state_dict()
        assert rename(name, state, state) is state


def test_the_file_names_are_those_torchvision_publishes() -> None:
    published = {
        weights.url.rsplit("/", 1)[-1]
        for name in torchvision.models.list_models(module=torchvision.models)
        for weights in torchvision.models.get_model_weights(name)
    }
    newest = {files[0] for files in FILES.values()}
    assert newest <= published


def test_every_name_in_the_table_is_a_network() -> None:
    assert {name.split(".")[0] for name in FILES} <= set(known_names())
