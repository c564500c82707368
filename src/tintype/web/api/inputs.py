"""InputDataConfig: what the channels of a request are here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tintype.errors import BadData, InvalidRequest, NotFound, Unsupported
from tintype.jobs.job import Channel
from tintype.storage import is_url, read_json, scratch_directory
from tintype.web.api.surroundings import Locate, Surroundings
from tintype.web.faults import AwsFault

Json = Mapping[str, Any]

REFUSED_SOURCES = {
    "FileSystemDataSource": "file systems of AWS are not reached from here; copy the data to a bucket",
    "DatasetSource": "data sets of a hub are not reached from here; copy the data to a bucket",
}


def channels_of(configuration: Sequence[Json], default_mode: str, around: Surroundings) -> tuple[Channel, ...]:
    """The channels of a request. Raises `Unsupported`, `InvalidRequest`, `BadData` naming the channel."""
    return tuple(_channel(one, default_mode, around) for one in configuration)


def input_location(uri: str, locate: Locate) -> str:
    """Where to read input data. When nothing is there, AWS's code and the beginning of its words, and what to do."""
    try:
        return locate(uri)
    except NotFound as error:
        message = f'No S3 objects found under S3 URL "{uri}" given in input data source: {error}'
        raise AwsFault("ValidationException", message) from error


def notes_on(configuration: Sequence[Json]) -> list[str]:
    """What of the channels is done otherwise than on AWS."""
    notes = []
    for one in configuration:
        source = _s3_source(one)
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            notes.append(f"channel {one['ChannelName']!r}: every host gets all of the data, not a shard of it")
    return notes


def _channel(one: Json, default_mode: str, around: Surroundings) -> Channel:
    name = one["ChannelName"]
    for source, reason in REFUSED_SOURCES.items():
        if one["DataSource"].get(source):
            raise Unsupported(f"channel {name!r}: {source}: {reason}")
    if one.get("CompressionType", "None") != "None":
        raise Unsupported(f"channel {name!r}: CompressionType {one['CompressionType']} is for Pipe mode only; use None")
    source = _s3_source(one)
    if not source:
        raise InvalidRequest(f"channel {name!r} has no DataSource.S3DataSource")
    mode = one.get("InputMode") or default_mode
    if mode == "Pipe":
        raise Unsupported(f"channel {name!r}: the input mode Pipe is not there; use File or FastFile")
    return Channel(name, _location(name, source, around), mode, one.get("ContentType", ""))


def _s3_source(one: Json) -> Json:
    return one["DataSource"].get("S3DataSource") or {}


def _location(name: str, source: Json, around: Surroundings) -> str:
    kind, uri = source["S3DataType"], source["S3Uri"]
    match kind:
        case "S3Prefix":
            return input_location(uri, around.locate)
        case "ManifestFile":
            return str(_listed(name, uri, around))
        case _:
            raise Unsupported(f"channel {name!r}: the S3DataType {kind} is not there; use S3Prefix or ManifestFile")


def _listed(name: str, uri: str, around: Surroundings) -> Path:
    """A folder of links to the files that a manifest lists: `[{"prefix": "s3://..."}, "a.jpg", ...]`."""
    manifest = input_location(uri, around.locate)
    if is_url(manifest):
        raise Unsupported(f"channel {name!r}: a manifest is read from the buckets of this server only, got {uri}")
    document = read_json(Path(manifest))
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        raise BadData(f"channel {name!r}: {uri} is no manifest; its first entry is an object with a prefix")
    prefix, names = str(document[0].get("prefix", "")), document[1:]
    folder = around.generated / "manifests" / hashlib.sha256(repr((prefix, names)).encode()).hexdigest()[:16]
    if not folder.exists():
        with scratch_directory(folder.parent, ".manifest.") as scratch:
            for one in names:
                _link(scratch / "files", str(one), around.locate(f"{prefix}{one}"), name)
            os.rename(scratch / "files", folder)
    return folder


def _link(folder: Path, name: str, target: str, channel: str) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise BadData(f"channel {channel!r}: the manifest lists {name!r}, which leads out of the channel")
    if is_url(target) or not Path(target).is_file():
        raise BadData(f"channel {channel!r}: the manifest lists {name!r}, which is not in a bucket of this server")
    (folder / relative).parent.mkdir(parents=True, exist_ok=True)
    (folder / relative).symlink_to(target)
