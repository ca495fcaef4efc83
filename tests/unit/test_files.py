"""Folders on any file system, files in one step, and hashes."""

import errno
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybook.files import Folder, sha256_file, sha256_tree, write_atomically
from daybook.project import DaybookError


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    """A folder on this machine, and one that is not."""
    folder = Folder.at(tmp_path if request.param == "local" else f"memory://{secrets.token_hex(4)}/runs")
    yield folder
    for path in folder.list():
        folder.delete(path)


def test_folder_reads_what_it_wrote(folder: Folder) -> None:
    folder.put("b/2.json", b"two")
    folder.put("a/1.json", b"one")
    folder.put("a/1.json", b"uno")
    assert folder.list() == ["a/1.json", "b/2.json"]
    assert folder.list("b") == ["b/2.json"]
    assert folder.read("a/1.json") == b"uno"
    assert folder.read_all(["a/1.json", "b/2.json", "c/3.json"]) == {"a/1.json": b"uno", "b/2.json": b"two"}


def test_folder_lacks_files(folder: Folder) -> None:
    assert folder.list("nowhere") == []
    folder.delete("nowhere/1.json")
    with pytest.raises(FileNotFoundError):
        folder.read("nowhere/1.json")


def test_deleting_what_another_process_deletes_is_no_error(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("a", b"1")
    monkeypatch.setattr(Folder, "exists", lambda *_: True)
    folder.delete("a")
    folder.delete("a")
    assert folder.list() == []


def test_folder_says_urls(tmp_path: Path) -> None:
    assert Folder.at(tmp_path).url("a/1.json") == f"{tmp_path}/a/1.json"
    assert Folder.at("memory://bucket").url("a/1.json").startswith("memory://")


def test_folder_hides_drafts(tmp_path: Path) -> None:
    (tmp_path / ".run.json.1234").write_bytes(b"half")
    assert Folder.at(tmp_path).list() == []


def test_folder_files_are_not_for_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Folder.at(tmp_path).put("run.json", b"{}")
    finally:
        os.umask(before)
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("url", ["moon://base", "s4://bucket/runs"])
def test_folder_refuses_unknown_urls(url: str) -> None:
    with pytest.raises(DaybookError, match="no place to keep files in"):
        Folder.at(url)


def test_folder_says_when_it_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder.at("memory://bucket")

    def fail(path: str) -> None:
        raise TimeoutError("no answer")

    monkeypatch.setattr(folder.fs, "cat_file", fail, raising=False)
    with pytest.raises(DaybookError, match="bucket cannot be reached: no answer"):
        folder.read("a")


def test_write_atomically_keeps_the_file_when_it_fails(tmp_path: Path) -> None:
    write_atomically(tmp_path / "run.json", b"before")
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "run.json", "no bytes")
    assert (tmp_path / "run.json").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_write_atomically_is_never_seen_half_done(tmp_path: Path) -> None:
    file, contents = tmp_path / "run.json", [b"a" * 2**20, b"b" * 2**20]
    write_atomically(file, contents[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for content in contents:
                write_atomically(file, content)

    writer = threading.Thread(target=write)
    writer.start()
    seen = {file.read_bytes() for _ in range(200)}
    stop.set()
    writer.join()
    assert seen <= set(contents)


def test_write_atomically_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "champion.json", b"{}")
    finally:
        os.umask(before)
    assert (tmp_path / "champion.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "files",
    [{"a": b"1", "b": b"2"}, {"a": b"12", "b": b""}, {"a": b"", "b": b"12"}, {"a1": b"", "b": b"2"}, {"ab": b"12"}],
)
def test_sha256_tree_tells_folders_apart(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, content in {"a": b"1", "c/b": b"2"}.items():
        write_atomically(tmp_path / "one" / name, content)
    for name, content in files.items():
        write_atomically(tmp_path / "two" / name, content)
    assert sha256_tree(tmp_path / "one") != sha256_tree(tmp_path / "two")
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "one")


def test_sha256_tree_leaves_out_paths_and_no_other_file_of_the_name(tmp_path: Path) -> None:
    write_atomically(tmp_path / "model.skops", b"1")
    before = sha256_tree(tmp_path, exclude={"model.yaml"})
    write_atomically(tmp_path / "model.yaml", b"2")
    assert sha256_tree(tmp_path, exclude={"model.yaml"}) == before != sha256_tree(tmp_path)
    write_atomically(tmp_path / "code" / "model.yaml", b"2")
    assert sha256_tree(tmp_path, exclude={"model.yaml"}) != before


def test_sha256_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "empty", b"")
    assert sha256_file(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("is_one_disk", [True, False])
def test_take_moves_a_file(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_one_disk: bool) -> None:
    source, replace = tmp_path / "raw" / "segment.jsonl", os.replace
    write_atomically(source, b"{}\n")

    def refuse(first: Path, second: Path) -> None:
        if Path(first) == source and not is_one_disk:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(first, second)

    monkeypatch.setattr(os, "replace", refuse)
    folder.take("archive/segment.jsonl", source)
    assert folder.read("archive/segment.jsonl") == b"{}\n"
    assert not source.exists() and folder.exists("archive/segment.jsonl")


def test_take_leaves_the_source_if_the_folder_refuses_it(tmp_path: Path) -> None:
    write_atomically(tmp_path / "segment.jsonl", b"{}\n")
    write_atomically(tmp_path / "archive", b"no folder")
    with pytest.raises(OSError, match="archive"):
        Folder.at(tmp_path).take("archive/segment.jsonl", tmp_path / "segment.jsonl")
    assert (tmp_path / "segment.jsonl").exists()


def test_write_atomically_writes_what_a_link_points_to(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "champion.json").write_text("{}")
    (tmp_path / "champion.json").symlink_to(tmp_path / "shared" / "champion.json")
    write_atomically(tmp_path / "champion.json", b"new")
    assert (tmp_path / "shared" / "champion.json").read_bytes() == b"new" and (tmp_path / "champion.json").is_symlink()


def test_folder_reads_names_that_look_like_patterns(folder: Folder) -> None:
    folder.put("train [v2]/run.json", b"2")
    folder.put("train/run.json", b"1")
    assert folder.read_all(folder.list()) == {"train [v2]/run.json": b"2", "train/run.json": b"1"}
