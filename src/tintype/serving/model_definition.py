"""Which model is to answer: its files, the code that goes with it, and which of two kinds it is.

    ours        an archive of `tintype.models.archive`, answered by the fast path
    a script    SageMaker's contract: model_fn, input_fn, predict_fn, output_fn, transform_fn in code/inference.py of
                the archive, in a script that comes apart from the weights, or in none at all (the toolkit's defaults)

The kind is found by looking. An archive of ours that has code/inference.py, or comes with an entry point, is a script:
whoever put it there wants it to run.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, final

from tintype.errors import BadArchive, NotFound, not_found
from tintype.extraction import extract, is_archive
from tintype.jobs.source import entry_name, place_source
from tintype.models.archive import DESCRIPTION, LIMITS, Archive, open_unpacked
from tintype.storage import storage_errors

PROGRAM_VARIABLE = "SAGEMAKER_PROGRAM"
MAY_LACK_MODEL_VARIABLE = "TINTYPE_MAY_LACK_MODEL"      # see Handler in scripts/contract.py; of endpoints of the API
DEFAULT_PROGRAM = "inference.py"
ACCEPT_VARIABLE = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
MODEL, CODE = "model", "code"

Json = dict[str, Any]


class Kind(StrEnum):
    """How a model is run."""

    OURS = "tintype"
    SCRIPT = "script"


@final
@dataclass(frozen=True)
class ModelDefinition:
    """What an endpoint's variant is made of. Plain values: it travels as JSON."""

    archive: str                            # a model.tar.gz, or the folder it was unpacked to
    name: str = "AllTraffic"                # of the variant, for logs and metrics
    entry_point: str = ""                   # the user's script, in `source` or by itself; "": by looking
    source: str = ""                        # a folder or an archive with the code, when it comes apart
    environment: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = ""                 # a CPU type hides the GPUs from a script
    workers: int = 0                        # processes; 0: what the settings say

    def to_json(self) -> Json:
        """Plain values, for JSON."""
        return {**asdict(self), "environment": dict(self.environment)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ModelDefinition:
        """What `to_json` wrote."""
        return cls(**document)


@final
@dataclass(frozen=True)
class PreparedModel:
    """A model whose files are in place and have been looked at."""

    kind: Kind
    model: Path                             # the unpacked archive; what a script gets as model_dir
    base: Path                              # the folder that a script sees as /opt/ml; `base`/model is the model
    program: str = DEFAULT_PROGRAM          # the script's name below model/code
    ours: Archive | None = None

    @property
    def code(self) -> Path:
        """Where the script is."""
        return self.model / CODE


def prepare(definition: ModelDefinition, directory: Path) -> PreparedModel:
    """Put the files of a model in place below the new folder `directory`. Takes a while for a large one.

    Raises `NotFound`, `BadArchive`, `InvalidRequest` (a script that is no Python), `StorageFailed`.
    """
    with storage_errors(directory):
        directory.mkdir(parents=True)
    given = Path(definition.archive)
    program = definition.entry_point or definition.environment.get(PROGRAM_VARIABLE, "")
    model = given if given.is_dir() else _unpacked(given, directory / MODEL)
    if not program and not (model / CODE / DEFAULT_PROGRAM).is_file() and (model / DESCRIPTION).is_file():
        return PreparedModel(Kind.OURS, model, directory, ours=open_unpacked(model))
    if model is given:
        model = _own_view(given, directory / MODEL)
    return PreparedModel(Kind.SCRIPT, model, directory, _place_program(definition, program, model))


def _unpacked(archive: Path, model: Path) -> Path:
    if not archive.is_file():
        raise NotFound(f"there is no model archive {archive}")
    if not is_archive(archive):
        raise BadArchive(f"{archive.name} is no archive; give a model.tar.gz or a folder")
    return extract(archive, model, LIMITS)


def _own_view(given: Path, model: Path) -> Path:
    """A folder that a script may write to and that code can be put into, with the files of the one given."""
    with storage_errors(model):
        model.mkdir()
        for entry in given.iterdir():
            if entry.name == CODE:
                shutil.copytree(entry, model / CODE)
            else:
                (model / entry.name).symlink_to(entry.absolute())
    return model


def _place_program(definition: ModelDefinition, program: str, model: Path) -> str:
    """The script's name below model/code, after its source has been put there."""
    code = model / CODE
    if not definition.source and not Path(definition.entry_point).is_file():
        if definition.entry_point and not (code / definition.entry_point).is_file():
            there = (str(path.relative_to(code)) for path in code.rglob("*.py"))
            raise not_found("entry point", definition.entry_point, there)
        return program or DEFAULT_PROGRAM
    staged = model.parent / "source" / CODE
    staged.parent.mkdir()
    place_source(definition.entry_point or program or DEFAULT_PROGRAM, definition.source, staged)
    with storage_errors(code):
        shutil.copytree(staged, code, dirs_exist_ok=True)
    return entry_name(definition.entry_point or program or DEFAULT_PROGRAM, definition.source)
