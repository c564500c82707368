"""What a training job runs: a script, a container's command, or Tintype's own trainer.

    sagemaker_program among the hyperparameters       script mode, as the SDK's estimators ask for it
    AlgorithmSpecification.ContainerEntrypoint        a command line, as the SDK's third version asks for it
    the image of image-classification                 Tintype's trainer, with that algorithm's hyperparameters
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tintype.errors import InvalidRequest, Unsupported
from tintype.jobs import hyperparameters
from tintype.jobs.job import MetricDefinition, Source
from tintype.storage import write_bytes
from tintype.training.narration import metric_definitions
from tintype.web.api.images import Image
from tintype.web.api.surroundings import Surroundings

TRAINER = "tintype.training.image_classification"
Json = Mapping[str, Any]

CHANNELS = "/opt/ml/input/data/"
PROGRAM, SUBMIT_DIRECTORY = "sagemaker_program", "sagemaker_submit_directory"
ENTRY_POINT = "entrypoint.sh"

# the built-in algorithm's metric -> our trainer's
METRICS = {
    "train:accuracy": "train:accuracy",
    "validation:accuracy": "valid:accuracy",
    "train:loss": "train:loss",
    "validation:loss": "valid:loss",
    "validation:top_k_accuracy": "valid:top5",
}


def source_of(request: Json, image: Image, around: Surroundings) -> Source:
    """What a CreateTrainingJob request runs. Raises `InvalidRequest` or `Unsupported`, naming what is missing."""
    algorithm, wire = request["AlgorithmSpecification"], request.get("HyperParameters") or {}
    if algorithm.get("ContainerEntrypoint"):
        words = [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", ())]
        return Source("script", ENTRY_POINT, str(_command(words, around.generated)))
    if program := _decoded(wire, PROGRAM):
        return Source("script", program, around.locate(_source_uri(wire, request.get("InputDataConfig") or ())))
    if image.is_built_in:
        return Source("module", TRAINER)
    raise Unsupported(
        f"the image {image.address} cannot be run here, as no image is pulled. What can be: script mode (the "
        f"hyperparameters {PROGRAM} and {SUBMIT_DIRECTORY}, which an estimator's entry_point makes), a "
        "ContainerEntrypoint, and the built-in algorithm image-classification"
    )


def metrics_of(algorithm: Mapping[str, Any], image: Image, source: Source) -> tuple[MetricDefinition, ...]:
    """The metrics that are read from the log: those of the request, and those of the built-in algorithm."""
    given = {one["Name"]: one["Regex"] for one in algorithm.get("MetricDefinitions", ())}
    if source.kind == "module" and image.is_built_in:
        ours = metric_definitions()
        given = {name: ours[our] for name, our in METRICS.items()} | given
    return tuple(MetricDefinition(name, regex) for name, regex in given.items())


def _source_uri(wire: Mapping[str, str], inputs: Sequence[Json]) -> str:
    """Of a job that is kept from the network the SDK sends the source in a channel, and names the path it will have."""
    where = _decoded(wire, SUBMIT_DIRECTORY)
    if not where:
        raise InvalidRequest(f"the hyperparameter {SUBMIT_DIRECTORY} is missing: the S3 URI of the sourcedir.tar.gz")
    if not where.startswith(CHANNELS):
        return where
    channel, _, name = where.removeprefix(CHANNELS).partition("/")
    sources = {one["ChannelName"]: one["DataSource"].get("S3DataSource") for one in inputs}
    if not sources.get(channel):
        raise InvalidRequest(f"{SUBMIT_DIRECTORY} is {where}, and InputDataConfig has no channel {channel!r} of S3")
    uri = sources[channel]["S3Uri"].rstrip("/")
    return uri if not name or uri.endswith(f"/{name}") else f"{uri}/{name}"


def _decoded(wire: Mapping[str, str], name: str) -> str:
    return str(hyperparameters.decode(wire.get(name, '""')) or "")


def _command(words: Sequence[str], generated: Path) -> Path:
    """A folder with a script that is the command line."""
    script = f"#!/bin/bash\nexec {shlex.join(words)}\n".encode()
    folder = generated / "commands" / hashlib.sha256(script).hexdigest()[:16]
    if not (folder / ENTRY_POINT).is_file():
        write_bytes(folder / ENTRY_POINT, script)
    return folder
