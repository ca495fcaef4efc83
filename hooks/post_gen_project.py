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
if "{{cookiecutter.task}} {{cookiecutter.model}}" != "regression trees":  # of which the other chapters' outputs are
    kept = {Path("nbs/00_data.ipynb"), Path("nbs/{% if cookiecutter.task == 'regression' %}01_train.ipynb{% endif %}")}
    cleared = {"outputs": [], "execution_count": None}
    for path in set(Path("nbs").glob("*.ipynb")) - kept:
        notebook = json.loads(path.read_bytes(), object_hook=lambda part: part | cleared if "outputs" in part else part)
        path.write_bytes(json.dumps(notebook, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n")
for variable in git("rev-parse", "--local-env-vars").decode().split():
    environment.pop(variable, None)
template = Path(os.environ.get("PWD", ""), r"{{ cookiecutter.get('_repo_dir', '') }}", ".git")
facts, commit = Path("pyproject.toml"), git("--git-dir", str(template), "rev-parse", "HEAD").strip()
facts.write_bytes(facts.read_bytes().replace(b'\ncommit = ""', b'\ncommit = "%s"' % commit))  # not by cruft
if git("config", "user.name") and git("config", "user.email") and git("init", "--initial-branch=main"):
    git("add", "--all")
    git("commit", "--no-verify", "--no-gpg-sign", "--message=Start the project")
print("""cd {{cookiecutter.project}} && uv sync    (or: python -m venv .venv, then .venv/bin/pip install -e ".[dev]")
uv run daybook run tour               simulates a year in production, in some minutes
uv run daybook adopt your-table.csv   looks at a table of yours, and says how to make it the project's own
uv run jupyter lab                    opens the notebooks; README.md says which are yours""")
