"""A small project and two versions of its template, for tests of updates; no cookiecutter, and no nbdev."""

import json
import subprocess
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

VERSIONS = {"v1": "1" * 40, "v2": "2" * 40, "v3": "3" * 40}
CELLS = ["#| default_exp model", "#| export\nrate = 1", "#| export\ndepth = 8", "#| export\nseed = 0"]
Files = dict[str, str]


def git(folder: Path, *args: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def notebook(*cells: str) -> str:
    """A notebook as nbdev leaves it."""
    made = [new_code_cell(cell, id=f"cell-{at}") for at, cell in enumerate(cells)]
    return nbformat.writes(new_notebook(cells=[new_markdown_cell("# Model", id="title"), *made])) + "\n"


def files(version: str, **changes: str) -> Files:
    """The project as a version of the template generates it."""
    table = f'[tool.daybook]\ntemplate = "../daybook"\ncommit = "{VERSIONS[version]}"\n\n[tool.daybook.answers]\n'
    nbdev = '[project]\nname = "rentals"\nversion = "1"\n\n[tool.nbdev]\nlib_path = "rentals"\n\n'
    return {
        "README.md": "Rentals\n\n\nThe end\n",
        "champion.json": '{"model": null}\n',
        "pyproject.toml": f'{nbdev}{table}project = "rentals"\n',
        ".gitignore": "_modidx.py\n",
        ".gitattributes": "*.ipynb merge=notebook diff=notebook\n",
        "daybook/sql.py": "library = 1\n",
        "nbs/01_train.ipynb": notebook(*CELLS),
        "rentals/__init__.py": "",
        "rentals/model.py": "rate = 1\ndepth = 8\nseed = 0",
    } | changes


def write(folder: Path, content: Files) -> None:
    """Write files below a folder."""
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def commit(root: Path, message: str, content: Files | None = None) -> Path:
    """Write files, and commit everything."""
    write(root, content or {})
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return root


def export(root: Path) -> None:
    """Write the modules of all notebooks, as nbdev would in more time."""
    for path in (root / "nbs").glob("*.ipynb"):
        cells = ["".join(cell["source"]) for cell in json.loads(path.read_bytes())["cells"]]
        name = next(cell for cell in cells if "default_exp" in cell).split()[-1]
        text = "\n".join(cell.partition("\n")[2] for cell in cells if cell.startswith("#| export"))
        (root / "rentals" / f"{name}.py").write_text(text)


def sources(root: Path) -> list[str]:
    """The cells of the notebook."""
    cells = json.loads((root / "nbs/01_train.ipynb").read_bytes())["cells"]
    return ["".join(cell["source"]) for cell in cells]


OURS = {"README.md": "Our rentals\n\n\nThe end\n", "nbs/01_train.ipynb": notebook(*CELLS[:3], "#| export\nseed = 7")}
THEIRS = {
    "README.md": "Rentals\n\n\nThat is all\n",
    "nbs/01_train.ipynb": notebook(CELLS[0], "#| export\nrate = 2", *CELLS[2:]),
    "daybook/sql.py": "library = 2\n",
    "daybook/log.py": "",
    "champion.json": '{"model": "theirs"}\n',
}


def check_both(root: Path) -> None:
    """Both sides' changes are there, and committed."""
    assert git(root, "status", "--porcelain") == ""
    assert (root / "README.md").read_text() == "Our rentals\n\n\nThat is all\n"
    assert sources(root)[2::2] == ["#| export\nrate = 2", "#| export\nseed = 7"]
    module = (root / "rentals/model.py").read_text()
    assert "rate = 2" in module and "seed = 7" in module
    assert {path.name for path in (root / "daybook").iterdir()} == {"sql.py", "log.py"}
    assert (root / "champion.json").read_text() == '{"model": null}\n'
    assert VERSIONS["v2"] in (root / "pyproject.toml").read_text()
