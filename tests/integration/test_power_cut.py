"""What was safe stays safe when the power is cut, after any system call."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from power import followed, needs_descriptors
from segments_of import ROW, answered, received, write_schema, write_segment
from small_models import HOUR, HOUR_AND_TEMP, save

from daybook import champion, compaction, models
from daybook.example import contract
from daybook.files import Folder, write_atomically
from daybook.log import Log


@needs_descriptors
def test_write_atomically_leaves_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, seen = tmp_path / "root", []
    write_atomically(root / "champion.json", b"before")

    def check(left: Path) -> None:
        seen.append((left / "champion.json").read_bytes())

    disk = followed(
        root, tmp_path / "cuts", check, monkeypatch, lambda: write_atomically(root / "champion.json", b"after")
    )
    assert set(seen) == {b"before", b"after"} and seen[-1] == seen[-2] == b"after"
    draft = disk.calls[0].partition(" ")[2]
    assert disk.calls[:3] == [f"fsync {draft}", f"replace {draft}", "fsync ."]


@needs_descriptors
def test_put_syncs_the_folders_that_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_of: list[Path] = []
    (tmp_path / "root").mkdir()
    folder = Folder.at(tmp_path / "root")
    followed(tmp_path / "root", tmp_path / "cuts", left_of.append, monkeypatch, lambda: folder.put("a/b/c.json", b"{}"))
    assert (left_of[-1] / "a/b/c.json").read_bytes() == b"{}"


@needs_descriptors
def test_put_file_syncs_its_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_of: list[Path] = []
    (tmp_path / "root").mkdir()
    (tmp_path / "source").write_bytes(b"model")
    folder = Folder.at(tmp_path / "root")
    work = lambda: folder.put_file("models/a", tmp_path / "source")  # noqa: E731
    followed(tmp_path / "root", tmp_path / "cuts", left_of.append, monkeypatch, work)
    assert (left_of[-1] / "models/a").read_bytes() == b"model"


@needs_descriptors
def test_compaction_loses_no_entry_that_was_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "WORKERS", 1)
    log = Log(contract, tmp_path / "iolog")
    write_schema(log.folder)
    write_segment(log.folder, answered(1, [ROW, ROW], [1, 2]), received(2, {"r1:0": 5}), b"no entry\n")
    write_segment(log.folder, answered(3, [ROW], [3]), name="host-1-abcdef01-1.jsonl.open")

    def check(left: Path) -> None:
        cut = Log(contract, left)
        assert (len(cut.predictions()), len(cut.actuals()), len(cut.requests())) == (3, 1, 3)
        assert [path.read_bytes() for path in left.glob("[rq]*/*/*0.jsonl") if b"no entry" in path.read_bytes()]

    disk = followed(log.folder, tmp_path / "cuts", check, monkeypatch, log.compact)
    assert len(disk.calls) > 20 and not list(log.folder.glob("raw/*/*"))


@needs_descriptors
def test_compaction_into_another_folder_loses_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(contract, tmp_path / "root/iolog", tmp_path / "root/store")
    write_schema(log.folder)
    write_segment(log.folder, answered(1, [ROW, ROW], [1, 2]))
    (tmp_path / "root/store").mkdir()

    def check(left: Path) -> None:
        cut = Log(contract, left / "iolog", left / "store")
        assert (len(cut.predictions()), len(cut.requests())) == (2, 1)

    followed(tmp_path / "root", tmp_path / "cuts", check, monkeypatch, log.compact)
    assert log.store.list("archive") and not list(log.folder.glob("raw/*/*"))


@needs_descriptors
def test_promote_names_only_a_model_that_is_on_the_disk(
    demand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = save(HOUR), save(HOUR_AND_TEMP)
    champion.promote(first, "the first", {"mae": 3.5})
    expected, archives = {first, second}, {tag: b"" for tag in (first, second)}

    def check(left: Path) -> None:
        named = json.loads((left / "champion.json").read_text())["model"]
        assert named in expected
        archives[named] = (left / "models" / champion.archive_name(named)).read_bytes()

    followed(demand, tmp_path / "cuts", check, monkeypatch, lambda: champion.promote(second, "better", {"mae": 3.0}))
    for tag in expected:
        assert archives[tag] == Path(champion.model_store().root, champion.archive_name(tag)).read_bytes() != b""
    assert champion.read_champion().model == second


@needs_descriptors
def test_save_leaves_a_model_on_the_disk(demand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(HOUR)
    home, left_of, tags = Path(os.environ["BENTOML_HOME"]), [], []
    followed(home, tmp_path / "cuts", left_of.append, monkeypatch, lambda: tags.append(save(HOUR_AND_TEMP)))
    folder = Path(models.get(tags[0]).path)
    assert models.folder_sha256(left_of[-1] / folder.relative_to(home)) == models.sha256(tags[0])


COMPACT = """
import sys
from daybook.example import contract
from daybook.log import Log
Log(contract, sys.argv[1]).compact()
"""


@pytest.mark.long
def test_compacted_entries_are_on_the_copy_of_a_mounted_disk(loop_image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk" / "iolog"
    write_schema(folder)
    for segment in range(3):
        lines = (answered(segment * 100 + number, [ROW], [number]) for number in range(100))
        write_segment(folder, *lines, name=f"host-1-abcdef01-{segment}.jsonl")
    os.sync()
    subprocess.run([sys.executable, "-c", COMPACT, str(folder)], check=True)
    write_atomically(folder / "other", b"whose sync also brings the names of all other files to the disk")
    shutil.copyfile(loop_image, tmp_path / "copy")
    (tmp_path / "after").mkdir()
    subprocess.run(["mount", "-o", "loop", str(tmp_path / "copy"), str(tmp_path / "after")], check=True)
    try:
        assert len(Log(contract, tmp_path / "after" / "iolog").predictions()) == 300
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "after")], check=True)
