"""The library's chapters are clean, and its modules are what they export."""

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = Path("{{cookiecutter.project}}", "daybook")


def sources(root: Path) -> dict[str, str]:
    """Path -> text, of all chapters and modules."""
    files = [*(root / "nbs").glob("*.ipynb"), *(root / LIBRARY).glob("[!_]*.py")]
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_chapters_are_clean_and_exported(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "nbs", tmp_path / "nbs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / LIBRARY).mkdir(parents=True)  # without the modules: one that no chapter exports is left over
    shutil.copy(ROOT / LIBRARY / "__init__.py", tmp_path / LIBRARY)
    for command in ("nbdev-clean", "nbdev-export"):
        subprocess.run([Path(sysconfig.get_path("scripts"), command)], cwd=tmp_path, check=True)
    before, after = sources(ROOT), sources(tmp_path)
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert not differ, f"{', '.join(differ)}: run `make export`, and delete modules that have no chapter"


def test_chapters_hold_no_placeholder() -> None:
    for name, text in sources(ROOT).items():
        assert not re.search(r"\{\{ ?cookiecutter", text), name


def test_chapters_hold_no_path_of_a_machine() -> None:
    owners = (ROOT / LIBRARY).parent.glob("nbs/*.ipynb")
    texts = sources(ROOT) | {path.name: path.read_text(encoding="utf-8") for path in owners}
    assert [name for name, text in texts.items() if "site-packages" in text or str(ROOT) in text] == []


def test_one_module_imports_bentoml() -> None:
    modules = {name: text for name, text in sources(ROOT).items() if name.endswith(".py")}
    found = [name for name, text in modules.items() if re.search(r"^\s*(import|from) _?bentoml", text, re.MULTILINE)]
    assert found == [str(LIBRARY / "bento.py")]


def test_exported_cells_are_short() -> None:
    for name, text in sources(ROOT).items():
        for cell in json.loads(text)["cells"] if name.endswith(".ipynb") else ():
            lines = "".join(cell["source"]).splitlines()
            assert lines[:1] != ["#| export"] or len(lines) <= 61, f"{name}: {lines[1:3]}"


def test_modules_are_short() -> None:
    lengths = {name: text.count("\n") for name, text in sources(ROOT).items() if name.endswith(".py")}
    assert {name: length for name, length in lengths.items() if length > 250} == {}


def test_test_files_are_short() -> None:
    lengths = {path.name: path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").glob("*/*.py")}
    assert {name: length for name, length in lengths.items() if length > 250} == {}
