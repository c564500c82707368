"""Which kind a model is, and its files in place."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tintype.errors import BadArchive, InvalidRequest, NotFound
from tintype.models.archive import open_archive
from tintype.serving.model_definition import Kind, ModelDefinition, prepare


def packed(tmp_path: Path, files: dict[str, str]) -> Path:
    root = tmp_path / "content"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as bundle:
        bundle.add(root, arcname="/")
    return path


def test_an_archive_of_ours_packed_or_unpacked(archive: Path, tmp_path: Path) -> None:
    prepared = prepare(ModelDefinition(str(archive)), tmp_path / "one")
    assert prepared.kind is Kind.OURS
    assert prepared.ours
    assert prepared.model == tmp_path / "one" / "model"
    unpacked = open_archive(archive, tmp_path / "unpacked").directory
    again = prepare(ModelDefinition(str(unpacked)), tmp_path / "two")
    assert (again.kind, again.model) == (Kind.OURS, unpacked)


def test_an_archive_of_ours_with_an_entry_point_is_a_script(archive: Path, tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text("def model_fn(d): pass\n")
    prepared = prepare(ModelDefinition(str(archive), entry_point=str(script)), tmp_path / "one")
    assert (prepared.kind, prepared.program) == (Kind.SCRIPT, "serve.py")
    assert (prepared.code / "serve.py").is_file()
    assert (prepared.model / "description.json").is_file()


def test_the_program_is_named_by_the_environment_or_is_inference_py(tmp_path: Path) -> None:
    path = packed(tmp_path, {"model.pth": "", "code/inference.py": "", "code/endpoint.py": ""})
    assert prepare(ModelDefinition(str(path)), tmp_path / "one").program == "inference.py"
    named = ModelDefinition(str(path), environment={"SAGEMAKER_PROGRAM": "endpoint.py"})
    assert prepare(named, tmp_path / "two").program == "endpoint.py"


def test_weights_alone_are_for_the_toolkits_defaults(tmp_path: Path) -> None:
    prepared = prepare(ModelDefinition(str(packed(tmp_path, {"model.pth": "x"}))), tmp_path / "one")
    assert prepared.kind is Kind.SCRIPT
    assert not prepared.code.exists()


def test_a_folder_is_not_changed_by_code_that_comes_apart(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    (folder / "code").mkdir(parents=True)
    (folder / "weights").write_text("5")
    (folder / "code" / "inference.py").write_text("old = 1\n")
    source = tmp_path / "source"
    source.mkdir()
    (source / "inference.py").write_text("new = 1\n")
    prepared = prepare(ModelDefinition(str(folder), source=str(source)), tmp_path / "one")
    assert (prepared.code / "inference.py").read_text() == "new = 1\n"
    assert (prepared.model / "weights").read_text() == "5"
    assert (folder / "code" / "inference.py").read_text() == "old = 1\n"


@pytest.mark.parametrize(
    ("files", "more", "kind", "message"),
    [
        ({}, {"archive": "/nowhere/model.tar.gz"}, NotFound, "no model archive"),
        ({"a": ""}, {"entry_point": "serve.py", "source": "/nowhere"}, NotFound, "/nowhere"),
        ({"code/inference.py": ""}, {"entry_point": "/nowhere/serve.py"}, NotFound, "serve.py"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, files: dict[str, str], more: dict[str, str], kind: type[Exception], message: str
) -> None:
    definition = ModelDefinition(**{"archive": str(packed(tmp_path, files or {"x": ""})), **more})
    with pytest.raises(kind, match=message):
        prepare(definition, tmp_path / "one")


def test_what_is_no_archive_and_no_python(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BadArchive):
        prepare(ModelDefinition(__file__), tmp_path / "one")
    script = tmp_path / "serve.py"
    script.write_text("def model_fn(:\n")
    with pytest.raises(InvalidRequest, match=r"SyntaxError in serve\.py, line 1"):
        prepare(ModelDefinition(str(archive), entry_point=str(script)), tmp_path / "two")


def test_it_travels_as_json() -> None:
    definition = ModelDefinition("a", "B", "c.py", "d", {"E": "f"}, "ml.m5.large", 3)
    assert ModelDefinition.from_json(definition.to_json()) == definition
