"""Put the new project under version control, and say what to do next."""

import json
import os
import subprocess
from pathlib import Path

environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(Path.cwd().parent)}  # git must see no repository around it


def git(*args: str) -> bytes:
    """What git prints; nothing if it is not there or fails."""
    try:
        return subprocess.check_output(["git", *args], env=environment, stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return b""


if "{{cookiecutter.ci}}" != "github":
    os.removedirs(".github/workflows")  # empty, since no file in it got a name
if "{{cookiecutter.task}}" == "classification":  # the other chapters' outputs are of a regression
    for path in set(Path("nbs").glob("*.ipynb")) - {Path("nbs/00_data.ipynb")}:
        notebook = json.loads(path.read_bytes())
        for cell in notebook["cells"]:
            cell.update({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})
        path.write_bytes(json.dumps(notebook, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n")
for variable in git("rev-parse", "--local-env-vars").decode().split():
    environment.pop(variable, None)
if git("config", "user.name") and git("config", "user.email") and git("init", "--initial-branch=main"):
    git("add", "--all")
    git("commit", "--no-verify", "--no-gpg-sign", "--message=Start the project")
print("""cd {{cookiecutter.project}} && uv sync    (or: python -m venv .venv, then .venv/bin/pip install -e ".[dev]")
uv run daybook run tour               simulates a year in production, in some minutes
uv run daybook adopt your-table.csv   looks at a table of yours, and says how to make it the project's own
uv run jupyter lab                    opens the notebooks; README.md says which are yours""")
