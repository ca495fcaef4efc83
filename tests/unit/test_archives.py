"""Archives of models from outside: bounded while they are unpacked, and only under the name that was asked for."""

import io
import tarfile
from pathlib import Path

import bentoml
import pytest
from small_models import HOUR, save

from daybook import champion, models
from daybook.project import DaybookError


def archive_of(path: Path, *sizes: int) -> Path:
    """An archive with files of zeros."""
    with tarfile.open(path, "w:gz") as members:
        for number, size in enumerate(sizes):
            entry = tarfile.TarInfo(f"{number}.bin")
            entry.size = size
            members.addfile(entry, io.BytesIO(bytes(size)))
    return path


def test_unpack_stops_at_a_number_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion, "MAX_BYTES", 10_000)
    champion.unpack(archive_of(tmp_path / "a", 5_000, 5_000), tmp_path / "small")
    with pytest.raises(DaybookError, match="b is too large: it holds more than 10,000 files or 10,000 bytes"):
        champion.unpack(archive_of(tmp_path / "b", 5_000, 5_000, 1), tmp_path / "large")
    assert sum(path.stat().st_size for path in (tmp_path / "large").iterdir()) == 10_000


def test_unpack_writes_nothing_of_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion, "MAX_BYTES", 10_000)
    bomb = archive_of(tmp_path / "bomb", 50_000_000)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(DaybookError, match="too large"):
        champion.unpack(bomb, tmp_path / "large")
    assert not (tmp_path / "large").exists()


def test_unpack_stops_at_a_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion, "MAX_FILES", 3)
    with pytest.raises(DaybookError, match="too large"):
        champion.unpack(archive_of(tmp_path / "many", 0, 0, 0, 0), tmp_path / "model")


@pytest.mark.parametrize("length", [0, 10, 60])
def test_unpack_says_what_is_no_archive(tmp_path: Path, length: int) -> None:
    whole = archive_of(tmp_path / "whole", 100).read_bytes()
    (tmp_path / "torn").write_bytes(whole[:length])
    with pytest.raises(DaybookError, match="torn is no archive of a model"):
        champion.unpack(tmp_path / "torn", tmp_path / "model")


@pytest.mark.parametrize("tag", ["../secret:v1", "demand", "demand:../v1", "/etc:passwd/x", ""])
def test_fetch_model_looks_only_for_names_of_models(demand: Path, tag: str) -> None:
    with pytest.raises(DaybookError, match="is no model: a model is called name:version"):
        champion.fetch_model(tag)


def test_served_takes_no_model_of_another_name(demand: Path) -> None:
    tag = save(HOUR)
    champion.promote(tag, "the first", {})
    bentoml.models.delete(tag)
    with pytest.raises(DaybookError, match=f"champion.json names {tag}, which is no model of flowers"):
        champion.served("flowers")
    assert not models.exists(tag)


def test_hash_covers_every_file_but_the_stores_own(demand: Path) -> None:
    folder = Path(models.get(save(HOUR)).path)
    before = models.folder_sha256(folder)
    (folder / "code" / "model.yaml").write_text("a file of this name elsewhere")
    assert models.folder_sha256(folder) != before
