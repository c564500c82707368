from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tintype.errors import BadArchive, InvalidRequest, NotFound
from tintype.models import archive, downloads
from tintype.models.networks import Network, create
from tintype.models.published import HubCaches
from tintype.models.weights import Weights, load, resolve, restore
from tintype.settings import Settings
from tintype.storage import file_sha256

SIDE = 64


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture
def caches(tmp_path: Path) -> HubCaches:
    return HubCaches(huggingface=tmp_path / "hf" / "hub", torch=tmp_path / "torch" / "hub")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def network(name: str = "resnet18", classes: int = 1000) -> Network:
    return create(name, classes, image_size=SIDE)


def in_hub_cache(cache: Path, repository: str, filename: str = "model.safetensors") -> Path:
    """Where the Hugging Face client would have put it: a link in a snapshot to a blob, the revision in refs/main."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / "abc123"
    for each in (snapshot, folder / "blobs", folder / "refs"):
        each.mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc123")
    (snapshot / filename).symlink_to(folder / "blobs" / "0f0f")
    return folder / "blobs" / "0f0f"


def save(state: dict[str, torch.Tensor], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    return path


@pytest.mark.parametrize("place", ["weights folder", "torch hub cache"])
def test_torchvisions_own_file_gives_torchvisions_own_logits(place: str, settings: Settings, caches: HubCaches) -> None:
    theirs = torchvision.models.resnet18(weights=None).eval()
    folder = settings.weights if place == "weights folder" else caches.torch / "checkpoints"
    path = save(theirs.state_dict(), folder / "resnet18-f37072fd.pth")

    weights = resolve("resnet18", None, settings=settings, caches=caches)
    assert weights.path == path
    assert weights.sha256 == file_sha256(path)
    assert weights.licence == "bsd-3-clause"
    assert place in weights.source
    ours = network()
    assert str(load(ours, weights)) == f"122 tensors from {weights.source}"
    images = torch.randn(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        torch.testing.assert_close(ours.module.eval()(images), theirs(images), rtol=0, atol=0)


def test_the_hugging_face_cache_is_looked_into(settings: Settings, caches: HubCaches) -> None:
    given = network()
    blob = in_hub_cache(caches.huggingface, "timm/resnet18.a1_in1k")
    save_file(given.module.state_dict(), blob)
    weights = resolve("resnet18", None, settings=settings, caches=caches)
    assert weights.path is not None
    assert weights.path.resolve() == blob.resolve()
    assert "resnet18.a1_in1k in the Hugging Face cache" in weights.source
    ours = network()
    load(ours, weights)
    assert all(torch.equal(ours.module.state_dict()[key], one) for key, one in given.module.state_dict().items())


def test_the_places_have_an_order(settings: Settings, caches: HubCaches) -> None:
    state = {"w": torch.zeros(1)}
    places = [
        save(state, caches.torch / "checkpoints" / "resnet18-f37072fd.pth"),
        in_hub_cache(caches.huggingface, "timm/resnet18.tv_in1k"),
        in_hub_cache(caches.huggingface, "timm/resnet18.a1_in1k"),
        settings.weights / "resnet18-f37072fd.pth",
        settings.weights / "resnet18.a1_in1k.safetensors",
        settings.weights / "resnet18.pth",
        settings.weights / "resnet18.safetensors",
    ]
    for path in places:
        save(state, path)
        found = resolve("resnet18", None, settings=settings, caches=caches).path
        assert found is not None
        assert found.resolve() == path.resolve()


def test_a_tag_in_the_name_has_that_tag_only(settings: Settings, caches: HubCaches) -> None:
    save({"w": torch.zeros(1)}, settings.weights / "resnet50.a1_in1k.safetensors")
    path = save({"w": torch.zeros(1)}, settings.weights / "resnet50-11ad3fa6.pth")
    assert resolve("resnet50.tv2_in1k", None, settings=settings, caches=caches).path == path
    with pytest.raises(NotFound):
        resolve("resnet50.tv_in1k", None, settings=settings, caches=caches)


def test_spellings_of_torchvision_find_their_files(settings: Settings, caches: HubCaches) -> None:
    path = save({"w": torch.zeros(1)}, settings.weights / "mobilenet_v2-7ebf99e0.pth")
    assert resolve("mobilenet_v2", None, settings=settings, caches=caches).path == path
    path = save({"w": torch.zeros(1)}, settings.weights / "efficientnet_b7_lukemelas-c5b4e57e.pth")
    assert resolve("efficientnet_b7", None, settings=settings, caches=caches).path == path


def test_the_images_that_the_weights_saw_are_described(settings: Settings, caches: HubCaches) -> None:
    save({"w": torch.zeros(1)}, settings.weights / "tf_efficientnet_b7.ap_in1k.safetensors")
    weights = resolve("tf_efficientnet_b7", None, settings=settings, caches=caches)
    assert weights.preprocessing is not None
    assert weights.preprocessing.mean == (0.5, 0.5, 0.5)
    assert network("tf_efficientnet_b0", 2).preprocessing_defaults.mean == (0.485, 0.456, 0.406)


def test_offline_with_nothing_found_lists_every_path_and_opens_no_socket(settings: Settings, caches: HubCaches) -> None:
    with pytest.raises(NotFound) as caught:
        resolve("resnet18", None, settings=settings, caches=caches)
    message = str(caught.value)
    for expected in (
        settings.weights / "resnet18.safetensors",
        settings.weights / "resnet18.pth",
        settings.weights / "resnet18.a1_in1k.safetensors",
        settings.weights / "resnet18-f37072fd.pth",
        caches.huggingface / "models--timm--resnet18.a1_in1k" / "snapshots" / "main" / "model.safetensors",
        caches.torch / "checkpoints" / "resnet18-f37072fd.pth",
    ):
        assert str(expected) in message
    assert "offline" in message
    assert "--weights none" in message
    assert "\n" not in message
    assert message.count(f"{settings.weights / 'resnet18-f37072fd.pth'}") == 1


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "small_cnn"])
def test_random_weights_only_when_asked_for(name: str, settings: Settings, caches: HubCaches) -> None:
    weights = resolve(name, "none", settings=settings, caches=caches)
    assert weights.path is None
    one = network(name, 2)
    before = {key: tensor.clone() for key, tensor in one.module.state_dict().items()}
    assert "random" in str(load(one, weights))
    assert all(torch.equal(before[key], tensor) for key, tensor in one.module.state_dict().items())


def test_small_cnn_starts_from_scratch_unless_there_is_a_file(settings: Settings, caches: HubCaches) -> None:
    assert resolve("small_cnn", None, settings=settings, caches=caches).path is None
    path = save(network("small_cnn").module.state_dict(), settings.weights / "small_cnn.safetensors")
    assert resolve("small_cnn", None, settings=settings, caches=caches).path == path


def test_an_explicit_file_wins(settings: Settings, caches: HubCaches, tmp_path: Path) -> None:
    save({"w": torch.zeros(1)}, settings.weights / "resnet18.safetensors")
    path = save(network(classes=5).module.state_dict(), tmp_path / "mine.safetensors")
    weights = resolve("resnet18", str(path), settings=settings, caches=caches)
    assert weights.path == path
    outcome = load(network(classes=2), weights)
    assert not outcome.head
    assert str(outcome).endswith("the head is new")


def test_an_explicit_file_that_is_not_there(settings: Settings, caches: HubCaches, tmp_path: Path) -> None:
    for name in ("missing.pth", "."):
        with pytest.raises(NotFound, match="there is no weights file"):
            resolve("resnet18", str(tmp_path / name), settings=settings, caches=caches)


def test_an_unfit_file_is_named(settings: Settings, caches: HubCaches, tmp_path: Path) -> None:
    path = save(network("small_cnn", 2).module.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(InvalidRequest, match=r"other\.safetensors does not fit resnet18"):
        load(network(classes=2), resolve("resnet18", str(path), settings=settings, caches=caches))


def test_a_download_that_fails_is_told_with_the_paths(
    tmp_path: Path, caches: HubCaches, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fail(address: str, *_: Any) -> NoReturn:
        asked.append(address)
        raise NotFound(f"{address} cannot be fetched: no route")

    monkeypatch.setattr(downloads, "from_hugging_face", fail)
    monkeypatch.setattr(downloads, "from_url", fail)
    with pytest.raises(NotFound, match=r"no route.*Tried: .*resnet18\.safetensors"):
        resolve("resnet18", None, settings=Settings(home=tmp_path), caches=caches)
    assert asked == ["timm/resnet18.a1_in1k", "https://download.pytorch.org/models/resnet18-f37072fd.pth"]


def test_what_was_downloaded_says_so(tmp_path: Path, caches: HubCaches, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save({"w": torch.zeros(1)}, tmp_path / "cache" / "model.safetensors")
    monkeypatch.setattr(downloads, "from_hugging_face", lambda *_: path)
    weights = resolve("resnet18", None, settings=Settings(home=tmp_path), caches=caches)
    assert weights.path == path
    assert weights.source == "resnet18.a1_in1k in a download, model.safetensors"
    assert weights.licence == "apache-2.0"


def described(one: Network, tmp_path: Path, **changes: Any) -> archive.Archive:
    weights = save(one.module.state_dict(), tmp_path / "model.safetensors")
    description = archive.Description(
        network=one.name,
        classes=tuple("abcdefgh"[: one.classes]),
        image_size=one.image_size,
        preprocessing={},
        **changes,
    )
    archive.write(tmp_path / "model.tar.gz", description, {"model.safetensors": weights})
    return archive.open_archive(tmp_path / "model.tar.gz", tmp_path / "unpacked")


def test_a_trained_network_comes_back_out_of_its_archive(tmp_path: Path) -> None:
    trained = create("resnet18", 3, image_size=SIDE)
    restored = restore(described(trained, tmp_path))
    images = torch.randn(2, 3, SIDE, SIDE)
    assert not restored.module.training
    with torch.inference_mode():
        assert torch.equal(restored.module(images), trained.module.eval()(images))


def test_an_archive_with_the_wrong_head_is_refused(tmp_path: Path) -> None:
    opened = described(create("small_cnn", 3, image_size=16), tmp_path)
    other = archive.Archive(opened.directory, opened.description.model_copy(update={"classes": ("a", "b")}))
    with pytest.raises(InvalidRequest, match="no head for the 2 classes"):
        restore(other)


def test_a_damaged_file_is_a_bad_archive(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(BadArchive, match=r"w\.pth cannot be read as weights|not a file of tensors"):
        load(network(), Weights(path, "a file"))


@pytest.mark.parametrize("name", ["resnt18", "vit_b_17", "hf-hub:timm/resnet18"])
def test_a_network_that_there_is_not_is_no_matter_of_paths(name: str, settings: Settings, caches: HubCaches) -> None:
    with pytest.raises(NotFound, match="there is no network named"):
        resolve(name, None, settings=settings, caches=caches)
