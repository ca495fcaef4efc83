"""The notebooks are clean, and the modules are what they export."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PACKAGE = "{{cookiecutter.package}}"


def sources(root: Path) -> dict[str, str]:
    """Path -> text, of all notebooks and modules."""
    files = [*(root / "nbs").rglob("*.ipynb"), *(root / PACKAGE).rglob("*.py")]
    names = {path.relative_to(root): path for path in files if path.name != "_modidx.py"}
    visible = {name: path for name, path in names.items() if not any(part.startswith(".") for part in name.parts)}
    return {name.as_posix(): path.read_text(encoding="utf-8") for name, path in visible.items()}


def test_notebooks_are_clean_and_exported(tmp_path: Path) -> None:
    for name in ("nbs", "pyproject.toml"):  # without the modules: one that no notebook exports is left over
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, tmp_path / name)
    (tmp_path / PACKAGE).mkdir()
    for command in ("nbdev-clean", "nbdev-export"):
        subprocess.run([Path(sysconfig.get_path("scripts"), command)], cwd=tmp_path, check=True)
    before, after = sources(PROJECT), sources(tmp_path)
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert not differ, f"{', '.join(differ)}: run nbdev-clean and nbdev-export, and delete modules without a notebook"
