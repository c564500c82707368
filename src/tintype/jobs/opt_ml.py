"""The job's directory as /opt/ml, for scripts that have that path written into them.

A process that enters a mount namespace of its own may bind any folder anywhere without anybody else seeing it; root
may do so at once, others by way of a user namespace, where the kernel lets them. Where /opt/ml does not exist (it
usually does not), /opt is covered by an empty one that has all of its entries bound back and `ml` besides, so nothing
on the machine changes. The namespace goes when the last process in it does.

`enter` is for a process that has just been forked: it must have one thread, and does not come back from where it went.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable
from pathlib import Path

OPT, OPT_ML = "/opt", "/opt/ml"
HOSTS = "/etc/hosts"

# linux/sched.h, linux/mount.h
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2

# Loaded before any fork: a child must not take the dynamic loader's lock.
_libc = ctypes.CDLL(None, use_errno=True)


def enter(directory: Path, hosts_file: Path | None = None) -> str | None:
    """Let this process and its children see `directory` as /opt/ml, and `hosts_file` as /etc/hosts.

    Returns None when they do, else the reason why they do not; then nothing has changed, but for a namespace of its
    own that shows the same.
    """
    if reason := _obstacle(directory):
        return reason
    try:
        _private_namespace()
        working = os.getcwd()
        if hosts_file is not None and os.path.exists(HOSTS):
            _mount(str(hosts_file), HOSTS, "", MS_BIND)
        _bind_opt_ml(directory)
        os.chdir(working)           # what was /opt/... before is below what covers it now
    except (OSError, AttributeError) as error:          # AttributeError: no Linux
        return f"this machine does not let a job have a view of its own: {error}"
    return None


def _obstacle(directory: Path) -> str:
    root = directory.resolve()
    if root == Path(OPT_ML) or root.is_relative_to(OPT_ML):
        return "" if root == Path(OPT_ML) else f"the job's directory is itself below {OPT_ML}"
    if not os.path.isdir(OPT):
        return f"there is no folder {OPT}"
    if os.path.isdir(OPT_ML) and os.listdir(OPT_ML):
        return f"{OPT_ML} is in use on this machine"
    return ""


def _private_namespace() -> None:
    """Mounts from here on are seen by this process and its children alone."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _call("unshare", lambda: _libc.unshare(CLONE_NEWNS))
    else:
        _call("unshare", lambda: _libc.unshare(CLONE_NEWNS | CLONE_NEWUSER))
        # The same user inside as outside: files that the script writes are ours as before.
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("none", "/", "", MS_REC | MS_PRIVATE)


def _bind_opt_ml(directory: Path) -> None:
    device = os.stat(OPT).st_dev
    try:
        if not os.path.isdir(OPT_ML):
            _cover_opt()
        _mount(str(directory.resolve()), OPT_ML, "", MS_BIND | MS_REC)
    except OSError:
        if os.stat(OPT).st_dev != device:
            # Half of a view would be worse than none: a model written to it would be lost.
            _call(f"umount {OPT}", lambda: _libc.umount2(OPT.encode(), MNT_DETACH))
        raise


def _cover_opt() -> None:
    """An empty /opt with everything of the real one bound back into it, and a folder `ml`."""
    real = os.open(OPT, os.O_RDONLY | os.O_DIRECTORY)       # still names the real one when it is covered
    try:
        entries = {name: os.stat(name, dir_fd=real, follow_symlinks=False).st_mode for name in os.listdir(real)}
        _mount("tintype", OPT, "tmpfs", 0, "mode=755,size=1m")
        for name, mode in entries.items():
            path = f"{OPT}/{name}"
            if stat.S_ISLNK(mode):
                os.symlink(os.readlink(name, dir_fd=real), path)
                continue
            if stat.S_ISDIR(mode):
                os.mkdir(path)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
            _mount(f"/proc/self/fd/{real}/{name}", path, "", MS_BIND | MS_REC)
        os.mkdir(OPT_ML)
    finally:
        os.close(real)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    def call() -> int:
        return _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)

    _call(f"mount {target}", call)


def _call(what: str, function: Callable[[], int]) -> None:
    if function() != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
