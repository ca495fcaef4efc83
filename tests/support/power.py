"""A disk that keeps only what it was made to keep: what a power cut leaves, after any system call."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NAMES = ("unlink", "remove", "replace", "rename", "link", "mkdir", "fsync")
Check = Callable[[Path], None]
needs_descriptors = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc/self/fd")


class Disk:
    """Follows the system calls under a folder, and calls `check` with what a power cut would leave after each.

    Of files it keeps the content of the last fsync. Of folders it keeps, in one kind of power cut, the names of the
    last fsync less those that were unlinked since; in the other kind all names as they are, so that a file can be there
    without its content.
    """

    def __init__(self, root: Path, scratch: Path, check: Check, monkeypatch: pytest.MonkeyPatch):
        self.root, self.scratch, self.check = root, scratch, check
        self.calls: list[str] = []
        self.held: dict[int, int] = {}  # a descriptor of each file, so that no number of a file is used twice
        self.content: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}  # of each folder, with the number of the file
        self.monkeypatch, self.originals = monkeypatch, {name: getattr(os, name) for name in NAMES}
        self.cuts = 0

    def start(self) -> None:
        """Take the folder as it is for safe, and follow the calls from now on."""
        for path in [self.root, *self.root.rglob("*")]:
            self._sync(path)
        for name in NAMES:
            self.monkeypatch.setattr(os, name, self._follow(name))

    def stop(self) -> None:
        """Follow no more calls."""
        for name, original in self.originals.items():
            self.monkeypatch.setattr(os, name, original)
        for descriptor in self.held.values():
            os.close(descriptor)

    def _inode(self, path: Path) -> int:
        inode = path.stat().st_ino
        if inode not in self.held:
            self.held[inode] = os.open(path, os.O_RDONLY)
        return inode

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self.names[path] = {each.name: self._inode(each) for each in path.iterdir()}
        elif path.is_file():
            self.content[self._inode(path)] = path.read_bytes()

    def _follow(self, name: str) -> Callable:
        def call(first: str | Path | int, *rest: str | Path, **more: object) -> object:
            path = Path(f"/proc/self/fd/{first}").readlink() if isinstance(first, int) else Path(first)
            if not path.is_relative_to(self.root):
                return self.originals[name](first, *rest, **more)
            if path.is_file():
                self._inode(path)
            result = self.originals[name](first, *rest, **more)
            self.calls.append(f"{name} {path.relative_to(self.root).as_posix()}")
            if name == "fsync":
                self._sync(path)
            elif name in ("unlink", "remove"):
                self.names.get(path.parent, {}).pop(path.name, None)
            self._cut_power()
            return result

        return call

    def _cut_power(self) -> None:
        for name, original in self.originals.items():
            setattr(os, name, original)
        all_names = {path: self._inode(path) for path in self.root.rglob("*")}
        for kept in (all_names, dict(self._kept(self.root))):
            left = self.scratch / str(self.cuts)
            left.mkdir(parents=True)
            self.cuts += 1
            for path, inode in kept.items():
                target = left / path.relative_to(self.root)
                if stat.S_ISDIR(os.fstat(self.held[inode]).st_mode):
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(self.content.get(inode, b""))
            self.check(left)
        for name in NAMES:
            setattr(os, name, self._follow(name))

    def _kept(self, folder: Path) -> Iterator[tuple[Path, int]]:
        for name, inode in sorted(self.names.get(folder, {}).items()):
            yield folder / name, inode
            yield from self._kept(folder / name)


def followed(
    root: Path, scratch: Path, check: Check, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]
) -> Disk:
    """Cut the power after each system call of some work under a folder."""
    disk = Disk(root, scratch, check, monkeypatch)
    disk.start()
    try:
        work()
    finally:
        disk.stop()
    return disk
