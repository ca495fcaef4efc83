"""Where the project is, and tests that touch nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daybook import __version__
from daybook.project import DaybookError, from_project, isolate, package_folder, project_root, user_name, version


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and the working directory two folders below it."""
    (tmp_path / "champion.json").touch()
    (tmp_path / "nbs" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "nbs" / "deep")
    return tmp_path.resolve()


def test_root_is_the_nearest_folder_with_a_champion(folder: Path) -> None:
    assert project_root() == folder
    (folder / "nbs" / "champion.json").touch()
    assert project_root() == folder / "nbs"


def test_root_elsewhere_is_where_the_library_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (project_root() / "daybook" / "project.py").exists()


def test_package_is_where_nbdev_exports_to(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "src/shop"\n')
    assert package_folder() == folder / "src" / "shop"


@pytest.mark.parametrize("text", ["", "[tool.nbdev]\n", "no toml"])
def test_package_that_is_not_named_is_one_sentence(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(DaybookError, match="lib_path"):
        package_folder()


def test_isolate_moves_store_log_and_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BENTOML_HOME", "CHAMPION_FILE", "IOLOG_DIR", "MODEL_STORE"):
        monkeypatch.setenv(name, "mine")
    home = isolate()
    assert all(Path(os.environ[name]).is_relative_to(home) for name in ("BENTOML_HOME", "CHAMPION_FILE", "IOLOG_DIR"))
    assert '"model": null' in Path(os.environ["CHAMPION_FILE"]).read_text()


def test_user_is_the_systems_where_git_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert user_name() == "ann"


def test_isolate_leaves_nothing_behind() -> None:
    code = "from daybook.project import isolate; print(isolate())"
    home = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert home and not Path(home).exists()


def test_version_is_the_librarys() -> None:
    assert version() == __version__


def test_from_project_takes_relative_places_from_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "champion.json").write_text("{}")
    (tmp_path / "nbs").mkdir()
    monkeypatch.chdir(tmp_path / "nbs")
    assert from_project("store") == str(tmp_path / "store")
    assert from_project("store-10:00") == str(tmp_path / "store-10:00")
    same = ["/srv/store", "s3://bucket/iolog", "memory://x", None]
    assert [from_project(place) for place in same] == same
    for mistyped in ("s3:/bucket/iolog", "s3:bucket/iolog"):
        with pytest.raises(DaybookError, match=f"{mistyped} is no URL.* is s3://bucket/iolog meant?"):
            from_project(mistyped)
