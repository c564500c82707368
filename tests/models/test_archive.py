from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from tintype.errors import BadArchive, Conflict, InvalidRequest, NotFound, TintypeError
from tintype.models import archive
from tintype.models.archive import (
    Archive,
    Description,
    PrecisionRecord,
    TrainingRecord,
    open_archive,
    open_unpacked,
    write,
)
from tintype.models.pixel_blocks import PixelBlocks


def description(**changes: Any) -> Description:
    return Description.model_validate(
        {
            "network": "resnet18",
            "classes": ("ants", "bees"),
            "image_size": 224,
            "preprocessing": {"size": 224, "resize": "crop", "mean": [0.5, 0.5, 0.5]},
            "metrics": {"valid": {"loss": 0.25, "accuracy": 0.93}},
            "versions": {"tintype": "0.1.0"},
            "training": TrainingRecord(job="run-1", hyperparameters={"lr": 0.1, "batch-size": 32, "ema": True}, seed=7),
            **changes,
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    save_file({"fc.weight": np.ones((2, 3), np.float32)}, tmp_path / "w.safetensors")
    (tmp_path / "m.onnx").write_bytes(an_onnx_model(external=False))
    return {archive.WEIGHTS: tmp_path / "w.safetensors", archive.ONNX: tmp_path / "m.onnx"}


def an_onnx_model(*, external: bool) -> bytes:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    if external:
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="../secret")
    return helper.make_model(helper.make_graph([], "g", [], [], [weights])).SerializeToString()


def pack(path: Path, members: Mapping[str, bytes] | list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """A model.tar.gz with exactly these members, as an attacker or another program would write it."""
    listed = members if isinstance(members, list) else [(tarfile.TarInfo(name), one) for name, one in members.items()]
    with tarfile.open(path, "w:gz") as bundle:
        for member, content in listed:
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
    return path


def contents(given: Mapping[str, Path], /, **changes: Any) -> dict[str, bytes]:
    """The members of a good archive, by name; `changes` go into the description."""
    document = json.loads(archive.seal(description(), given).to_json())
    document.update(changes)
    return {
        archive.DESCRIPTION: json.dumps(document).encode(),
        **{name: path.read_bytes() for name, path in given.items()},
    }


def opened(tmp_path: Path, members: Mapping[str, bytes]) -> Archive:
    return open_archive(pack(tmp_path / "model.tar.gz", members), tmp_path / "out")


def refused(tmp_path: Path, members: Mapping[str, bytes], message: str) -> None:
    with pytest.raises(BadArchive, match=message):
        opened(tmp_path, members)


def test_what_went_in_comes_out(tmp_path: Path, files: dict[str, Path]) -> None:
    sealed = write(tmp_path / "model.tar.gz", description(), files)
    found = open_archive(tmp_path / "model.tar.gz", tmp_path / "out")
    assert found.description == sealed
    assert found.description.classes == ("ants", "bees")
    assert found.description.training.hyperparameters == {"lr": 0.1, "batch-size": 32, "ema": True}
    assert found.weights.read_bytes() == files[archive.WEIGHTS].read_bytes()
    assert found.onnx is not None
    assert found.onnx.read_bytes() == files[archive.ONNX].read_bytes()


def test_an_archive_needs_no_onnx(tmp_path: Path, files: dict[str, Path]) -> None:
    del files[archive.ONNX]
    write(tmp_path / "model.tar.gz", description(), files)
    assert open_archive(tmp_path / "model.tar.gz", tmp_path / "out").onnx is None


def test_integers_and_what_they_cost_are_kept(tmp_path: Path, files: dict[str, Path]) -> None:
    measured = PrecisionRecord(images=500, calibrated_on=64, fp32_accuracy=0.932, int8_accuracy=0.928)
    files[archive.INTEGERS] = files[archive.ONNX]
    write(tmp_path / "model.tar.gz", description(precision=measured), files)
    found = open_archive(tmp_path / "model.tar.gz", tmp_path / "out")
    assert found.description.precision == measured
    assert found.integers is not None
    assert found.integers.read_bytes() == files[archive.ONNX].read_bytes()
    assert measured.drop == pytest.approx(0.004)
    assert PrecisionRecord(reason="the network has no convolutions").drop is None


def test_an_archive_of_format_1_is_read_and_written_as_it_was(tmp_path: Path, files: dict[str, Path]) -> None:
    members = contents(files, format=1)
    del (document := json.loads(members[archive.DESCRIPTION]))["precision"]
    members[archive.DESCRIPTION] = json.dumps(document).encode()
    found = opened(tmp_path, members)
    assert (found.description.format, found.description.precision, found.integers) == (1, None, None)
    assert json.loads(found.description.to_json()) == document
    with pytest.raises(InvalidRequest, match="belongs to format 2"):
        write(tmp_path / "again.tar.gz", found.description, {**files, archive.INTEGERS: files[archive.ONNX]})


def test_how_integers_take_pixels_is_kept_since_format_3(tmp_path: Path, files: dict[str, Path]) -> None:
    files[archive.INTEGERS] = files[archive.ONNX]
    size = description().image_size
    blocks = PixelBlocks(block=1, top=1, left=1, rows=size + 2, columns=size + 2)
    write(tmp_path / "new.tar.gz", description(precision=PrecisionRecord(images=9, blocks=blocks)), files)
    assert open_archive(tmp_path / "new.tar.gz", tmp_path / "new").blocks == blocks
    document = json.loads((tmp_path / "new" / archive.DESCRIPTION).read_text())
    for wrong, reason in (
        ({"rows": size}, "description: these blocks are not for pictures"),
        ({"columns": 10 * size}, "description: these blocks are not for pictures"),
        ({"block": 0}, "greater than or equal to 1"),
    ):
        changed = {**document["precision"], "blocks": {**blocks.model_dump(), **wrong}}
        with pytest.raises(BadArchive, match=reason):
            Description.from_json(json.dumps({**document, "precision": changed}).encode())
    with pytest.raises(BadArchive, match="belong to format 3"):
        Description.from_json(json.dumps({**document, "format": 2}).encode())


def test_an_archive_of_format_2_is_read_and_written_as_it_was(tmp_path: Path, files: dict[str, Path]) -> None:
    files[archive.INTEGERS] = files[archive.ONNX]
    members = contents(files, format=2, precision=PrecisionRecord(images=9).model_dump(exclude={"blocks"}))
    document = json.loads(members[archive.DESCRIPTION])
    found = opened(tmp_path, members)
    assert (found.description.format, found.blocks) == (2, None)
    assert json.loads(found.description.to_json()) == document
    document["precision"]["blocks"] = None
    with pytest.raises(BadArchive, match="belong to format 3"):
        Description.from_json(json.dumps(document).encode())


def test_an_archive_of_format_1_cannot_hold_what_came_later(tmp_path: Path, files: dict[str, Path]) -> None:
    members = contents({**files, archive.INTEGERS: files[archive.ONNX]})
    document = json.loads(members[archive.DESCRIPTION])
    del document["precision"]
    document["format"] = 1
    refused(tmp_path, {**members, archive.DESCRIPTION: json.dumps(document).encode()}, "belong to format 2")


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, files: dict[str, Path]) -> None:
    write(tmp_path / "one.tar.gz", description(), files)
    files[archive.WEIGHTS].touch()
    write(tmp_path / "two.tar.gz", description(), dict(reversed(files.items())))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_any_tar_can_read_it_and_sees_the_description_first(tmp_path: Path, files: dict[str, Path]) -> None:
    write(tmp_path / "model.tar.gz", description(), files)
    listing = subprocess.run(["tar", "-tzf", tmp_path / "model.tar.gz"], capture_output=True, text=True, check=True)
    assert listing.stdout.split() == ["description.json", "model.onnx", "model.safetensors"]


def test_reading_an_archive_loads_no_torch(tmp_path: Path, files: dict[str, Path]) -> None:
    write(tmp_path / "model.tar.gz", description(), files)
    code = (
        "import sys; from pathlib import Path; from tintype.models.archive import open_archive; "
        "print(open_archive(Path(sys.argv[1]), Path(sys.argv[2])).description.classes); "
        "assert not {'torch', 'timm', 'onnx'} & set(sys.modules)"
    )
    arguments = [str(tmp_path / "model.tar.gz"), str(tmp_path / "out")]
    out = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert out.stdout == "('ants', 'bees')\n"


def test_numbers_that_json_cannot_say_become_null(tmp_path: Path, files: dict[str, Path]) -> None:
    given_metrics = {"valid": {"loss": float("nan"), "accuracy": float("inf"), "top5": 1.0}}
    write(tmp_path / "model.tar.gz", description(metrics=given_metrics), files)
    found = open_archive(tmp_path / "model.tar.gz", tmp_path / "out").description
    assert found.metrics == {"valid": {"loss": None, "accuracy": None, "top5": 1.0}}
    json.loads((tmp_path / "out" / archive.DESCRIPTION).read_text(), parse_constant=pytest.fail)


def test_an_unpacked_directory_opens_too(tmp_path: Path, files: dict[str, Path]) -> None:
    sealed = archive.seal(description(), files)
    for name, path in files.items():
        path.rename(tmp_path / name)
    archive.write_description(tmp_path, sealed)
    assert open_unpacked(tmp_path).description == sealed


def test_code_is_kept_and_listed_but_extra_code_is_not_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    (tmp_path / "inference.py").write_text("raise SystemExit('it was run')")
    members = contents({**files, "code/inference.py": tmp_path / "inference.py"})
    members["code/requirements.txt"] = b"numpy"         # as SageMaker's SDK adds when it packs a model again
    found = opened(tmp_path, members)
    assert "code/inference.py" in found.description.files


def test_an_archive_packed_again_by_sagemakers_sdk_opens(tmp_path: Path, files: dict[str, Path]) -> None:
    members = [(tarfile.TarInfo("/"), b"")]
    members[0][0].type = tarfile.DIRTYPE
    members += [(tarfile.TarInfo(f"./{name}"), content) for name, content in contents(files).items()]
    pack(tmp_path / "model.tar.gz", members)
    assert open_archive(tmp_path / "model.tar.gz", tmp_path / "out").description.network == "resnet18"


def test_a_missing_archive_and_a_taken_directory(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(NotFound, match="there is no model archive"):
        open_archive(tmp_path / "none.tar.gz", tmp_path / "out")
    write(tmp_path / "model.tar.gz", description(), files)
    (tmp_path / "out").mkdir()
    with pytest.raises(Conflict):
        open_archive(tmp_path / "model.tar.gz", tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["weights.bin", "../model.onnx", "code", "code/", "code/../x", "code//x", "code/a\\..\\b", "/etc/x"]
)
def test_writing_other_names_is_refused(tmp_path: Path, files: dict[str, Path], name: str) -> None:
    with pytest.raises(InvalidRequest, match="no place for"):
        write(tmp_path / "model.tar.gz", description(), {**files, name: files[archive.WEIGHTS]})
    assert not (tmp_path / "model.tar.gz").exists()


def test_writing_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"needs model\.safetensors, got no files"):
        write(tmp_path / "model.tar.gz", description(), {})


def test_writing_onnx_with_tensors_elsewhere_is_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    files[archive.ONNX].write_bytes(an_onnx_model(external=True))
    with pytest.raises(BadArchive, match="other files"):
        write(tmp_path / "model.tar.gz", description(), files)


def test_a_failed_write_leaves_the_old_archive(tmp_path: Path, files: dict[str, Path]) -> None:
    write(tmp_path / "model.tar.gz", description(), files)
    before = (tmp_path / "model.tar.gz").read_bytes()
    files[archive.ONNX].unlink()
    with pytest.raises(OSError, match=r"m\.onnx"):
        write(tmp_path / "model.tar.gz", description(), files)
    assert (tmp_path / "model.tar.gz").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 4}, "format 4, this Tintype reads formats 1, 2 and 3; upgrade"),
        ({"format": 1}, "belong to format 2"),
        ({"precision": {"images": -1}}, r"precision\.images"),
        ({"precision": {"int8_accuracy": 1.5}}, r"precision\.int8_accuracy"),
        ({"precision": {"int4_accuracy": 0.5}}, r"precision\.int4_accuracy"),
        ({"format": "1"}, "no format number"),
        ({"format": True}, "no format number"),
        ({"format": None}, "no format number"),
        ({"network": 5}, "network: Input should be a valid string"),
        ({"network": ""}, "network"),
        ({"classes": []}, "classes"),
        ({"classes": "ants"}, "classes"),
        ({"classes": ["ants", 1]}, r"classes\.1"),
        ({"classes": ["ants", "bees", "ants"]}, "classes are there twice: ants"),
        ({"image_size": "224"}, "image_size"),
        ({"image_size": 224.5}, "image_size"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 10**9}, "image_size"),
        ({"preprocessing": None}, "preprocessing"),
        ({"metrics": {"valid": 1}}, r"metrics\.valid"),
        ({"metrics": {"valid": {"loss": "low"}}}, r"metrics\.valid\.loss"),
        ({"training": {"seed": "seven"}}, r"training\.seed"),
        ({"training": {"hyperparameters": {"lr": [1]}}}, r"training\.hyperparameters"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"files": {"model.safetensors": "abc"}}, "has no SHA-256 but 'abc'"),
        ({"files": {}}, r"lists no model\.safetensors"),
    ],
)
def test_a_wrong_description_is_refused_with_the_field(
    tmp_path: Path, files: dict[str, Path], change: dict[str, Any], message: str
) -> None:
    refused(tmp_path, contents(files, **change), message)
    assert not (tmp_path / "out" / "code").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": 2}'])
def test_a_description_that_is_none(tmp_path: Path, files: dict[str, Path], content: bytes) -> None:
    refused(tmp_path, {**contents(files), archive.DESCRIPTION: content}, r"description\.json is not")


def test_a_huge_description_is_not_read(tmp_path: Path, files: dict[str, Path]) -> None:
    members = contents(files)
    members[archive.DESCRIPTION] += b" " * archive.DESCRIPTION_LIMIT_BYTES
    refused(tmp_path, members, "larger than 16,777,216 bytes")


@pytest.mark.parametrize("name", [archive.DESCRIPTION, archive.WEIGHTS, archive.ONNX])
def test_every_file_must_be_there(tmp_path: Path, files: dict[str, Path], name: str) -> None:
    members = contents(files)
    del members[name]
    refused(tmp_path, members, f"holds no {name}|{name} is missing")


@pytest.mark.parametrize("name", [archive.WEIGHTS, archive.ONNX])
def test_every_file_must_be_the_one_described(tmp_path: Path, files: dict[str, Path], name: str) -> None:
    members = contents(files)
    members[name] += b"\0"
    refused(tmp_path, members, f"{name} is not the file that description.json was written for")


def test_files_that_are_not_described_are_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    refused(tmp_path, {**contents(files), "extra.pkl": b"x"}, r"extra\.pkl is not listed")
    (tmp_path / "out").rename(tmp_path / "first")
    refused(tmp_path, {**contents(files), "sub/model.onnx": b"x"}, r"sub/model\.onnx is not listed")


@pytest.mark.parametrize("name", ["../w", "/etc/passwd", "other.pkl", "code/../../x"])
def test_a_description_that_lists_other_places_is_refused(tmp_path: Path, files: dict[str, Path], name: str) -> None:
    members = contents(files)
    listed = json.loads(members[archive.DESCRIPTION])["files"]
    refused(tmp_path, contents(files, files={**listed, name: "0" * 64}), "no place in a model archive")


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside", "..\\outside"])
def test_members_that_lead_outside_are_refused(tmp_path: Path, files: dict[str, Path], name: str) -> None:
    refused(tmp_path, {**contents(files), name: b"x"}, "points outside")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, files: dict[str, Path], kind: bytes) -> None:
    link = tarfile.TarInfo("model.onnx")
    link.type, link.linkname = kind, "/etc/passwd"
    members = [(tarfile.TarInfo(name), content) for name, content in contents(files).items() if name != archive.ONNX]
    pack(tmp_path / "model.tar.gz", [*members, (link, b"")])
    with pytest.raises(BadArchive, match="link or a device"):
        open_archive(tmp_path / "model.tar.gz", tmp_path / "out")


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "model.tar.gz", "wb") as packed:
        member = tarfile.TarInfo("model.safetensors")
        member.size = archive.LIMITS.ratio_floor_bytes + 2**20
        packed.write(member.tobuf())
        for _ in range(member.size // 2**20):
            packed.write(bytes(2**20))
    with pytest.raises(BadArchive, match="bomb"):
        open_archive(tmp_path / "model.tar.gz", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.tar.gz"]


def test_onnx_with_tensors_elsewhere_is_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    content = an_onnx_model(external=True)
    members = contents(files)
    listed = json.loads(members[archive.DESCRIPTION])["files"]
    members = contents(files, files={**listed, archive.ONNX: hashlib.sha256(content).hexdigest()})
    refused(tmp_path, {**members, archive.ONNX: content}, "other files")


def test_links_in_an_unpacked_directory_are_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    sealed = archive.seal(description(), {archive.WEIGHTS: files[archive.WEIGHTS]})
    model = tmp_path / "model"
    archive.write_description(model, sealed)
    (model / archive.WEIGHTS).symlink_to(files[archive.WEIGHTS])
    with pytest.raises(BadArchive, match=r"model\.safetensors is missing"):
        open_unpacked(model)


@settings(max_examples=40, deadline=None)
@given(
    classes=st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True),
    hyperparameters=st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.floats(-1e9, 1e9)),
    metrics=st.dictionaries(st.text(), st.dictionaries(st.text(), st.floats())),
)
def test_any_description_survives_the_trip(
    classes: list[str], hyperparameters: dict[str, Any], metrics: dict[str, dict[str, float]]
) -> None:
    try:
        given_one = description(
            classes=tuple(classes), training=TrainingRecord(hyperparameters=hyperparameters), metrics=metrics
        )
        content = given_one.to_json()
    except (TintypeError, UnicodeEncodeError, ValueError):      # half a surrogate pair is no class name
        return
    assert Description.from_json(content) == given_one


@settings(max_examples=100, deadline=None)
@given(position=st.integers(min_value=0), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_archive_is_a_bad_archive_or_the_same(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    save_file({"fc.weight": np.ones((2, 3), np.float32)}, folder / "w")
    sealed = write(folder / "model.tar.gz", description(), {archive.WEIGHTS: folder / "w"})
    content = bytearray((folder / "model.tar.gz").read_bytes())
    position %= len(content)
    damaged = content[:position] if cut else content[:position] + bytes([value]) + content[position + 1 :]
    (folder / "model.tar.gz").write_bytes(damaged)
    try:
        assert open_archive(folder / "model.tar.gz", folder / "out").description == sealed
    except BadArchive:
        assert damaged != content
