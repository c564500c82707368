"""Image addresses."""

from __future__ import annotations

import pytest

from tintype.web.api.images import note_on, read_image

ECR = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize("version", ["1.4.0-cpu-py3", "1.6-gpu-py36", "1.13.1-cpu-py39", "2.2-gpu-py310"])
def test_every_version_of_pytorch_is_this_machine(version: str) -> None:
    image = read_image(f"{ECR}/pytorch-training:{version}")
    assert (image.is_pytorch, image.is_built_in, image.tag) == (True, False, version)
    assert note_on(image).startswith(f"the image pytorch-training:{version} is not pulled: the job runs on Python 3.")


def test_the_built_in_algorithm() -> None:
    image = read_image("811284229777.dkr.ecr.us-east-1.amazonaws.com/image-classification:1")
    assert image.is_built_in
    assert "Tintype's own trainer" in note_on(image)


@pytest.mark.parametrize(
    ("address", "repository"),
    [
        ("mine", "mine"),
        ("registry:5000/team/mine@sha256:abc", "mine"),
        (f"{ECR}/huggingface-pytorch-training:2.1-transformers4.36-gpu-py310", "huggingface-pytorch-training"),
        ("", ""),
    ],
)
def test_other_images(address: str, repository: str) -> None:
    assert read_image(address).repository == repository
