"""A file of gigabytes, and a folder of twenty thousand, by the clients that people use: the server's memory stays flat.

Small here; `LARGE_UPLOADS=1` makes them the sizes that their names say.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.web.running import Running, running
from tests.web.test_real_clients import Shell

LARGE = bool(os.environ.get("LARGE_UPLOADS"))
MB = 1 << 20
FILE_BYTES = 2048 * MB + 12_345 if LARGE else 96 * MB + 12_345
FILES = 20_000 if LARGE else 400
MOST_GROWN_BYTES = 128 * MB if LARGE else 64 * MB
BUCKET = "large-bucket"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("large")) as one:
        one.client("s3").create_bucket(Bucket=BUCKET)
        yield one


def resident(server: Running) -> int:
    return psutil.Process(server.process.pid).memory_info().rss


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@pytest.mark.timeout(600)
def test_a_file_of_gigabytes_goes_up_and_comes_down(server: Running, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as stream:
        while (left := FILE_BYTES - stream.tell()) > 0:
            stream.write(os.urandom(min(MB, left)))
    s3 = server.client("s3")
    with source.open("rb") as body:
        s3.put_object(Bucket=BUCKET, Key="whole", Body=body)
    before = resident(server)
    s3.upload_file(str(source), BUCKET, "parts")
    s3.download_file(BUCKET, "parts", str(target))
    assert target.stat().st_size == FILE_BYTES
    assert digest(target) == digest(source)
    with source.open("rb") as body:
        s3.put_object(Bucket=BUCKET, Key="again", Body=body)
    assert s3.head_object(Bucket=BUCKET, Key="again")["ETag"] == s3.head_object(Bucket=BUCKET, Key="whole")["ETag"]
    assert resident(server) - before < MOST_GROWN_BYTES


UPLOAD_DATA = """
import sagemaker, sys
sagemaker.Session().upload_data(sys.argv[1], bucket=sys.argv[2], key_prefix="photos")
"""


@pytest.fixture(scope="module")
def shell(server: Running) -> Shell:
    return Shell(server)


@pytest.mark.slow
@pytest.mark.interoperation
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", ["aws s3 sync", "upload_data"])
def test_a_folder_of_twenty_thousand_files_goes_up(server: Running, shell: Shell, way: str, tmp_path: Path) -> None:
    folder, bucket = tmp_path / "photos", f"photos-by-{way.split()[-1].replace('_', '-')}"
    for number in range(FILES):
        file = folder / f"{number % 50:03d}.Breed" / f"{number:05d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(number.to_bytes(4) * 250)
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    before = resident(server)
    sync = ("aws", "s3", "sync", str(folder), f"s3://{bucket}/photos")
    if way == "upload_data":
        shell.run("python", "-c", UPLOAD_DATA, str(folder), bucket, seconds=1500)
    else:
        shell.run(*sync, "--only-show-errors", seconds=1500)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="photos/")
    listed = [one["Size"] for page in pages for one in page["Contents"]]
    assert (len(listed), set(listed)) == (FILES, {1000})
    assert shell.run(*sync, "--dryrun", seconds=300) == ""          # nothing is left to be done
    assert resident(server) - before < MOST_GROWN_BYTES
