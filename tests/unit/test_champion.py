"""Which model is in production, and how it gets from machine to machine."""

import io
import json
import os
import secrets
import shutil
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import bentoml
import pytest
from fsspec import filesystem
from small_models import FRAME, HOUR, HOUR_AND_TEMP, save

from daybook import champion, models
from daybook.project import DaybookError

V02 = {
    "model": "demand:ab12cd34",
    "sha256": "0" * 64,
    "figures": {"mae": 3.5},
    "reason": "better",
    "decision": "20120101T000000-0badcafe",
    "who": "Ada",
    "when": "2026-01-01T12:00:00Z",
    "previous": None,
}


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, demand: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`MODEL_STORE`: a folder of the project, and a file system that is not on this machine."""
    if request.param == "folder":
        return str(demand / "models")
    url = f"memory://models-{secrets.token_hex(4)}"
    monkeypatch.setenv("MODEL_STORE", url)
    return url


def archives(store: str) -> list[str]:
    """The names of the files in `MODEL_STORE`."""
    files = filesystem("memory" if store.startswith("memory") else "file")
    return sorted(path.rpartition("/")[2] for path in files.find(store))


def archive(tag: str) -> Path:
    """A model's file in the project's `models/`."""
    return Path(champion.model_store().root, champion.archive_name(tag))


def test_read_champion_of_a_new_project(demand: Path) -> None:
    assert champion.read_champion() == champion.Champion(model=None, metrics={}, reason="None yet.")


def test_read_champion_knows_the_words_of_02(demand: Path) -> None:
    (demand / "champion.json").write_text(json.dumps(V02))
    read = champion.read_champion()
    assert (read.model, read.metrics, read.promoted_by) == ("demand:ab12cd34", {"mae": 3.5}, "Ada")
    assert read.promoted_at == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "{}", '{"model": 7}', '{"model": null, "metrics": {}, "reason": "", "more": 1}'])
def test_read_champion_says_what_is_wrong(demand: Path, text: str) -> None:
    (demand / "champion.json").write_text(text)
    with pytest.raises(DaybookError, match="champion.json must be JSON with model, metrics and reason"):
        champion.read_champion()


def test_promote_writes_the_new_words(demand: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "."], check=True)
    subprocess.run(["git", "config", "user.name", "Ada"], check=True)
    tag = save(HOUR)
    champion.promote(tag, "the first", {"mae": 3.5}, decision="20120101T000000-0badcafe")
    written = json.loads((demand / "champion.json").read_text())
    age = datetime.now(UTC) - datetime.fromisoformat(written.pop("promoted_at"))
    assert 0 <= age.total_seconds() < 60
    assert written == {
        "model": tag,
        "sha256": models.sha256(tag),
        "metrics": {"mae": 3.5},
        "reason": "the first",
        "decision": "20120101T000000-0badcafe",
        "promoted_by": "Ada",
        "previous": None,
        "previous_sha256": None,
    }
    assert sorted(path.name for path in demand.iterdir() if "champion" in path.name) == ["champion.json"]


def test_read_champion_says_that_two_branches_differ(demand: Path) -> None:
    Path("champion.json").write_text('<<<<<<< HEAD\n{"model": "a:1"}\n=======\n{"model": "a:2"}\n>>>>>>> other\n')
    with pytest.raises(DaybookError, match="champion.json has a conflict: keep the model of one side"):
        champion.read_champion()


def test_promote_says_that_the_store_of_models_cannot_be_written(demand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (demand / "file").touch()
    monkeypatch.setenv("MODEL_STORE", str(demand / "file" / "models"))
    with pytest.raises(DaybookError, match="file/models cannot be written: "):
        champion.store_model("demand:a")


def test_promote_follows_a_champion_of_02(demand: Path) -> None:
    (demand / "champion.json").write_text(json.dumps(V02))
    assert champion.promote(save(HOUR), "with its code", {}).previous == V02["model"]


def test_promote_keeps_the_way_back(store: str) -> None:
    first, second = save(HOUR), save(HOUR_AND_TEMP)
    champion.promote(first, "the first", {})
    for name in archives(store):
        filesystem("memory" if store.startswith("memory") else "file").rm(f"{store}/{name}")
    champion.promote(second, "better", {})
    assert archives(store) == sorted(champion.archive_name(tag) for tag in (first, second))
    bentoml.models.delete(first)
    champion.fetch_model(first)
    assert champion.promote(first, "back", {}).previous == second


def test_promote_refuses_what_cannot_be_loaded(demand: Path) -> None:
    tag = save(HOUR)
    before = (demand / "champion.json").read_bytes()
    shutil.rmtree(Path(models.get(tag).path, "code"))
    with pytest.raises(DaybookError, match="brings no code"):
        champion.promote(tag, "the first", {})
    with pytest.raises(models.ModelNotFound, match="no model demand:none"):
        champion.promote("demand:none", "the first", {})
    assert (demand / "champion.json").read_bytes() == before


def test_store_model_is_one_step_and_happens_once(store: str) -> None:
    tag = save(HOUR)
    url = champion.store_model(tag)
    assert archives(store) == [champion.archive_name(tag)]
    assert url == champion.store_model(tag)
    assert archives(store) == [champion.archive_name(tag)]


def test_served_fetches_the_champion(store: str) -> None:
    tag = save(HOUR)
    expected = models.load(tag).predict(FRAME)
    champion.promote(tag, "the first", {})
    save(HOUR_AND_TEMP)
    bentoml.models.delete(tag)
    assert champion.served("demand") == tag
    assert (models.load(tag).predict(FRAME) == expected).all()


def test_served_is_the_latest_without_a_champion(demand: Path) -> None:
    save(HOUR)
    latest = save(HOUR_AND_TEMP)
    assert champion.served("demand") == latest
    with pytest.raises(models.ModelNotFound, match="daybook run train"):
        champion.served("circle")


def test_fetch_model_says_where_it_looked(store: str) -> None:
    with pytest.raises(models.ModelNotFound, match="neither in this machine's store nor as .*demand-none.bentomodel"):
        champion.fetch_model("demand:none")


def test_fetch_model_refuses_another_hash(demand: Path) -> None:
    tag = save(HOUR)
    champion.store_model(tag)
    bentoml.models.delete(tag)
    with pytest.raises(DaybookError, match="is not the model that champion.json names: its hash differs"):
        champion.fetch_model(tag, "0" * 64)
    assert not models.exists(tag)


def test_fetch_model_runs_no_code(demand: Path, tmp_path: Path) -> None:
    tag, marker = save(HOUR), tmp_path / "marker"
    champion.promote(tag, "the first", {})
    for name in ("__init__", "data", "model"):
        file = Path(models.get(tag).path, "code", "demand", f"{name}.py")
        file.write_text(f"open({str(marker)!r}, 'w').close()\n{file.read_text()}")
    archive(tag).unlink()
    champion.store_model(tag)
    bentoml.models.delete(tag)
    with pytest.raises(DaybookError, match="its hash differs"):
        champion.served("demand")
    assert not marker.exists()
    assert not models.exists(tag)


def test_fetch_model_refuses_another_tag(demand: Path) -> None:
    tag = save(HOUR)
    champion.store_model(tag)
    archive(tag).rename(archive("demand:other"))
    with pytest.raises(DaybookError, match=f"is not the model demand:other: it says that it is {tag}"):
        champion.fetch_model("demand:other")


def test_fetch_model_refuses_a_model_of_02(demand: Path) -> None:
    tag = save(HOUR)
    shutil.rmtree(Path(models.get(tag).path, "code"))
    champion.store_model(tag)
    bentoml.models.delete(tag)
    (demand / "champion.json").write_text(json.dumps(V02 | {"model": tag}))
    with pytest.raises(DaybookError, match="brings no code, as Daybook 0.2 .*-p force=true"):
        champion.served("demand")


@pytest.mark.parametrize("name", ["../outside", "code/../../outside", "/tmp/outside-of-daybook"])
def test_unpack_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    file = tmp_path / "model.bentomodel"
    with tarfile.open(file, "w:gz") as members:
        entry = tarfile.TarInfo(name)
        entry.size = 4
        members.addfile(entry, io.BytesIO(b"code"))
    with pytest.raises(DaybookError, match="which is outside its folder"):
        champion.unpack(file, tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["model.bentomodel"]
    assert not Path("/tmp/outside-of-daybook").exists()


def test_unpack_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    file = tmp_path / "model.bentomodel"
    with tarfile.open(file, "w:gz") as members:
        link = tarfile.TarInfo("code")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
        members.addfile(link)
        entry = tarfile.TarInfo("code/model.py")
        entry.size = 4
        members.addfile(entry, io.BytesIO(b"code"))
    champion.unpack(file, tmp_path / "model")
    assert os.listdir(tmp_path / "outside") == []
    assert not (tmp_path / "model" / "code").is_symlink()


def test_model_store_must_be_a_place(demand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = save(HOUR)
    monkeypatch.setenv("MODEL_STORE", "moon://base")
    with pytest.raises(DaybookError, match="MODEL_STORE: moon://base is no place to keep files in"):
        champion.store_model(tag)
