from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import fsspec
import pytest

from tintype.errors import BadArchive, InvalidRequest, NotFound
from tintype.jobs.source import EntryKind, Program, check_program, check_source, entry_name, place_source

HELLO = "print('hello')\n"


def folder(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path = path.with_name(path.name.replace("_py", ".py").replace("_sh", ".sh"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def tarball(path: Path, members: dict[str, str | None]) -> Path:
    """A .tar.gz with these members; None makes a folder."""
    with tarfile.open(path, "w:gz") as bundle:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
                bundle.addfile(member)
            else:
                member.size = len(content.encode())
                bundle.addfile(member, io.BytesIO(content.encode()))
    return path


def code_of(tmp_path: Path) -> Path:
    (tmp_path / "job" / "code").mkdir(parents=True, exist_ok=True)
    return tmp_path / "job" / "code"


def test_a_single_file_comes_alone(tmp_path: Path) -> None:
    folder(tmp_path / "src", hpo_py=HELLO, other_py=HELLO)
    code = code_of(tmp_path)
    assert place_source(str(tmp_path / "src" / "hpo.py"), "", code) == Program("hpo.py", EntryKind.SCRIPT)
    assert os.listdir(code) == ["hpo.py"]


def test_a_folder_comes_whole_but_for_what_nobody_wants(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", train__hpo_py=HELLO, model_py=HELLO, __pycache____x="junk")
    (source / ".git").mkdir()
    (source / "loop").symlink_to(source)
    (source / "dangling").symlink_to(source / "nowhere")
    (source / "linked.py").symlink_to(source / "model.py")
    os.mkfifo(source / "pipe")
    code = code_of(tmp_path)
    program = place_source("train/hpo.py", str(source), code)
    assert program == Program("train/hpo.py", EntryKind.SCRIPT)
    assert sorted(os.listdir(code)) == ["linked.py", "model.py", "train"]
    assert not (code / "linked.py").is_symlink()


def test_a_home_inside_the_source_folder_is_not_copied_into_itself(tmp_path: Path) -> None:
    source = folder(tmp_path, hpo_py=HELLO)
    code = tmp_path / ".tintype" / "jobs" / "one" / "code"
    code.mkdir(parents=True)
    place_source("hpo.py", str(source), code)
    assert os.listdir(code) == ["hpo.py"]


@pytest.mark.parametrize("names", [("hpo.py", "lib/net.py"), ("./hpo.py", "./lib/net.py")])
def test_a_tarball_as_the_sdk_makes_it(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = tarball(tmp_path / "sourcedir.tar.gz", {"": None, names[0]: HELLO, names[1]: HELLO})
    code = code_of(tmp_path)
    assert place_source("hpo.py", str(archive), code).entry_point == "hpo.py"
    assert (code / "lib" / "net.py").read_text() == HELLO


def test_a_url_of_an_archive_and_of_a_folder(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    archive = tarball(tmp_path / "sourcedir.tar.gz", {"hpo.py": HELLO})
    memory.pipe("/bucket/job/source/sourcedir.tar.gz", archive.read_bytes())
    memory.pipe("/bucket/folder/train_model.py", HELLO.encode())
    first = code_of(tmp_path / "a")
    assert place_source("hpo.py", "memory://bucket/job/source/sourcedir.tar.gz", first).kind is EntryKind.SCRIPT
    second = code_of(tmp_path / "b")
    assert place_source("train_model.py", "memory://bucket/folder", second).kind is EntryKind.SCRIPT
    with pytest.raises(NotFound, match="memory://bucket/nothing"):
        place_source("train_model.py", "memory://bucket/nothing.tar.gz", code_of(tmp_path / "c"))


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py"])
def test_a_hostile_tarball_leaves_nothing(tmp_path: Path, name: str) -> None:
    archive = tarball(tmp_path / "sourcedir.tar.gz", {"hpo.py": HELLO, name: HELLO})
    code = code_of(tmp_path)
    with pytest.raises(BadArchive, match="outside the archive"):
        place_source("hpo.py", str(archive), code)
    assert os.listdir(code) == []
    assert os.listdir(code.parent) == ["code"]
    assert not (tmp_path / "evil.py").exists()


def test_what_is_no_archive(tmp_path: Path) -> None:
    folder(tmp_path, notes_txt="hello")
    with pytest.raises(BadArchive, match="neither a folder"):
        place_source("hpo.py", str(tmp_path / "notes_txt"), code_of(tmp_path))


def test_the_second_attempt_keeps_what_the_first_left(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", hpo_py=HELLO)
    code = code_of(tmp_path)
    place_source("hpo.py", str(source), code)
    (code / "state.txt").write_text("from the first attempt")
    place_source("hpo.py", str(source), code)
    assert (code / "state.txt").exists()


def test_a_killed_copy_leaves_nothing_to_the_next_attempt(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", hpo_py=HELLO)
    code = code_of(tmp_path)
    (code.parent / ".code.abc" / "code").mkdir(parents=True)
    (code / "half.py").write_text("def (")
    place_source("hpo.py", str(source), code)
    assert os.listdir(code) == ["hpo.py"]
    assert sorted(os.listdir(code.parent)) == [".tintype-source", "code"]


def test_kinds(tmp_path: Path) -> None:
    code = folder(tmp_path / "plain", run_sh="#!/bin/bash\necho\n", main_py=HELLO, go="#!/usr/bin/env python\n")
    assert check_program(code, "run.sh").kind is EntryKind.COMMAND
    assert check_program(code, "go").kind is EntryKind.COMMAND
    assert check_program(code, "main.py").kind is EntryKind.SCRIPT
    package = folder(tmp_path / "package", setup_py="", main_py=HELLO, net____main___py=HELLO, run_sh="echo")
    (package / "net").mkdir(exist_ok=True)
    (package / "net" / "__main__.py").write_text(HELLO)
    assert check_program(package, "main.py") == Program("main.py", EntryKind.PACKAGE)
    assert check_program(package, "main.py").module == "main"
    assert check_program(package, "net").kind is EntryKind.PACKAGE
    assert check_program(package, "run.sh").kind is EntryKind.COMMAND


def test_a_missing_entry_point_names_what_is_there(tmp_path: Path) -> None:
    code = folder(tmp_path, train_model_py=HELLO, hpo_py=HELLO)
    with pytest.raises(NotFound, match=r"no entry point named 'train\.py'; did you mean 'train_model\.py'"):
        check_program(code, "train.py")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("def f():\n    x = 1\n      y = 2\n", r"IndentationError in hpo.py, line 3: unexpected indent: 'y = 2'"),
        ("import os\nprint('a'\n", r"SyntaxError in hpo.py, line 2: '\(' was never closed"),
        ("if True:\n\tx = 1\n        y = 2\n", r"TabError in hpo.py, line 3"),
        ("", "is empty"),
        ("print(1)\0", "null bytes|source code string"),
        ("[" * 100_000, "hpo.py"),
    ],
)
def test_a_script_that_is_no_python(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "hpo.py").write_text(content)
    with pytest.raises(InvalidRequest, match=said):
        check_program(tmp_path, "hpo.py")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "hpo.py").write_bytes(b"x = '\xff\xfe'\n")
    with pytest.raises(InvalidRequest, match=r"hpo\.py"):
        check_program(tmp_path, "hpo.py")
    (tmp_path / "hpo.ipynb").write_text("{}")
    with pytest.raises(InvalidRequest, match="neither Python nor a shell script"):
        check_program(tmp_path, "hpo.ipynb")


def test_an_entry_point_outside_its_source(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", hpo_py=HELLO)
    assert entry_name(str(source / "hpo.py"), str(source)) == "hpo.py"
    assert entry_name("code/hpo.py", "") == "hpo.py"
    for outside in ("/etc/passwd", "../hpo.py"):
        with pytest.raises(InvalidRequest, match="source folder"):
            entry_name(outside, str(source))


def test_what_can_be_seen_before_the_job_is_accepted(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", hpo_py="def (", good_py=HELLO)
    check_source("good.py", str(source))
    check_source(str(source / "good.py"), "")
    check_source("whatever.py", "s3://elsewhere/sourcedir.tar.gz")
    for entry_point, source_dir in (("hpo.py", str(source)), (str(source / "hpo.py"), "")):
        with pytest.raises(InvalidRequest, match="line 1"):
            check_source(entry_point, source_dir)
    with pytest.raises(NotFound, match="source folder"):
        check_source("hpo.py", str(tmp_path / "nowhere"))


SMALL_DISK = """
import os, sys
from pathlib import Path
from tintype.errors import StorageFailed
from tintype.jobs.source import place_source
code = Path(sys.argv[2]) / "job" / "code"
code.mkdir(parents=True)
try:
    place_source(sys.argv[3], sys.argv[1], code)
except StorageFailed as error:
    print(error)
print(os.listdir(code), os.listdir(code.parent))
"""


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_disk_that_is_really_full(tmp_path: Path, kind: str) -> None:
    source = folder(tmp_path / "src", hpo_py=HELLO)
    (source / "large.txt").write_text("x" * (1 << 20))
    if kind == "archive":
        with tarfile.open(tmp_path / "sourcedir.tar.gz", "w:gz") as bundle:
            bundle.add(source, "")
        source = tmp_path / "sourcedir.tar.gz"
    (tmp_path / "child.py").write_text(SMALL_DISK)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=256k small {disk}"
    run = f"{mount} && exec {sys.executable} {tmp_path}/child.py {source} {disk} hpo.py"
    who = ["--map-root-user"] if os.getuid() else []
    ran = subprocess.run(["unshare", "--mount", *who, "sh", "-c", run], capture_output=True, text=True, check=False)
    if "Traceback" not in ran.stderr and ran.returncode != 0:
        pytest.skip(f"no mounts of our own here: {ran.stderr}")
    assert "the disk is full" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "[] ['code']"


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", hpo_py=HELLO)
    (source / "hpo.py").unlink()
    (source / "hpo.py").mkdir()
    with pytest.raises(NotFound, match="entry point"):
        place_source("hpo.py", str(source), code_of(tmp_path))
