"""The code of a project beside a model."""

import sys
from pathlib import Path

import pytest

from daybook import snapshot
from daybook.project import DaybookError


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The modules of a small project."""
    return write(
        tmp_path / "project" / "kettle",
        __init__="",
        data="contract = 'one number'\n",
        model="from .data import contract\n\n\ndef predict(x):\n    return 2 * x\n",
    )


def write(folder: Path, **modules: str) -> Path:
    """Write modules into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def take(package: Path, folder: Path) -> snapshot.Snapshot:
    """Copy a package, and load the copy."""
    snapshot.save(package, folder)
    return snapshot.load(folder)


def test_snapshots_stand_side_by_side(package: Path, tmp_path: Path) -> None:
    first = take(package, tmp_path / "first")
    write(
        package, model="from .data import contract\n\n\ndef predict(x):\n    return 3 * x\n", data="contract = 'new'\n"
    )
    second = take(package, tmp_path / "second")
    assert (first.model.predict(1), second.model.predict(1)) == (2, 3)
    assert (first.model.contract, second.model.contract) == ("one number", "new")
    assert "kettle" not in sys.modules


def test_snapshots_of_the_same_code_are_apart(package: Path, tmp_path: Path) -> None:
    first, second = take(package, tmp_path / "first"), take(package, tmp_path / "second")
    assert first.model is not second.model
    assert first.model is snapshot.load(tmp_path / "first").model


@pytest.mark.parametrize("name", ["data", "model", "snapshot", "daybook_of_mine", "äpfel"])
def test_snapshot_takes_any_package_name(package: Path, tmp_path: Path, name: str) -> None:
    package = package.rename(package.with_name(name))
    copy = take(package, tmp_path / "copy")
    assert copy.package == name
    assert copy.model.predict(1) == 2


def test_snapshot_imports_data_alone(package: Path, tmp_path: Path) -> None:
    copy = take(package, tmp_path / "copy")
    assert copy.data.contract == "one number"
    assert f"{copy.name}.model" not in sys.modules


def test_snapshot_never_runs_the_service(package: Path, tmp_path: Path) -> None:
    write(package, service="from kettle.data import contract\nraise SystemExit('run')\n")
    copy = take(package, tmp_path / "copy")
    assert copy.model.predict(1) == 2
    assert (copy.folder / "service.py").is_file()
    assert f"{copy.name}.service" not in sys.modules


def test_snapshot_copies_subpackages_but_no_bytecode(package: Path, tmp_path: Path) -> None:
    write(package / "parts", __init__="", pump="from ..data import contract\n")
    (write(package / "__pycache__") / "data.cpython-311.pyc").write_bytes(b"bytecode")
    write(package, model="from .parts.pump import contract\n", _modidx="d = {}\n")
    (package / "notes.txt").write_text("not code")
    copy = take(package, tmp_path / "copy")
    assert copy.model.contract == "one number"
    names = {path.relative_to(copy.folder).as_posix() for path in copy.folder.rglob("*") if path.is_file()}
    assert names == {"__init__.py", "data.py", "model.py", "parts/__init__.py", "parts/pump.py"}


def test_snapshot_neither_leaves_nor_reads_bytecode(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    copy = take(package, tmp_path / "copy")
    assert copy.model.predict(1) == 2
    assert list(copy.folder.rglob("__pycache__")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from kettle.data import contract\n",
        "import kettle\n",
        "import os, kettle.data as data\n",
        "def late():\n    from kettle import data\n",
        "if False:\n    import kettle.data\n",
    ],
)
@pytest.mark.parametrize("module", ["data", "model", "helpers"])
def test_snapshot_refuses_absolute_imports(package: Path, tmp_path: Path, module: str, source: str) -> None:
    write(package, **{module: source})
    with pytest.raises(DaybookError, match=rf"kettle/{module}.py, line \d, imports kettle by its name.*relative"):
        snapshot.save(package, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_snapshot_allows_other_imports(package: Path, tmp_path: Path) -> None:
    write(package, helpers="import kettle_of_another\nfrom kettles import data\nfrom . import data\n")
    snapshot.save(package, tmp_path / "copy")


def test_snapshot_fails_again_after_it_has_failed(package: Path, tmp_path: Path) -> None:
    write(package, model="import a_library_of_tomorrow\n")
    copy = take(package, tmp_path / "copy")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            assert copy.model


def test_snapshot_refuses_a_folder_without_a_package(tmp_path: Path) -> None:
    write(tmp_path / "code" / "kettle", data="")
    with pytest.raises(DaybookError, match="must hold one package with data.py and model.py"):
        snapshot.load(tmp_path / "code")


def test_snapshot_works_without_init(package: Path, tmp_path: Path) -> None:
    (package / "__init__.py").unlink()
    assert take(package, tmp_path / "copy").model.contract == "one number"


def test_under_own_name_is_for_a_while(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(package.parent)
    copy = take(package, tmp_path / "copy")
    import kettle.model

    today = kettle.model
    with pytest.raises(KeyError), snapshot.under_own_name(copy, ["kettle.model.Scaler"]):
        assert sys.modules["kettle.model"] is copy.model
        raise KeyError
    assert sys.modules["kettle.model"] is today
    with snapshot.under_own_name(copy, ["sklearn.tree.Tree", "kettles.model.Scaler"]):
        assert sys.modules["kettle.model"] is today
    for name in ("kettle", "kettle.model", "kettle.data"):
        monkeypatch.delitem(sys.modules, name)
