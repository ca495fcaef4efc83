"""Bake a project from the template, show it at work, and bring home what was edited in it.

python tests/template.py bake build                  makes build/bike-demand and build/late-parcels from the defaults
python tests/template.py home build/bike-demand      puts its notebooks and modules back into the template
python tests/template.py demo build/demo             bakes a project there, installs it, and runs its tour
python tests/template.py reference build/reference   bakes a project there, installs it, and writes docs/reference.md
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from cookiecutter.exceptions import OutputDirExistsException
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.project}}"
PROJECT, PACKAGE = "bike-demand", "bike_demand"
PROJECTS = {"regression": PROJECT, "classification": "late-parcels"}


def bake(into: Path, **answers: str) -> Path:
    """Generate a project below `into` without asking; raises cookiecutter's errors."""
    into.mkdir(parents=True, exist_ok=True)
    made = cookiecutter(str(ROOT), no_input=True, output_dir=str(into), extra_context=answers, default_config=True)
    return Path(made)


def edited_files(project: Path, package: str) -> dict[Path, Path]:
    """Template path -> file, for all notebooks and modules of a project, or of the template itself."""
    files = [*(project / "nbs").rglob("*.ipynb"), *(project / package).rglob("*.py")]
    relative = (file.relative_to(project) for file in files if ".ipynb_checkpoints" not in file.parts)
    return {
        Path(str(path).replace(package, "{{cookiecutter.package}}", 1) if path.parts[0] == package else path): project
        / path
        for path in relative
    }


def with_placeholders(text: str, name: Path, project: Path) -> str:
    """Put the placeholders back into a baked file; raises `ValueError` for text that Jinja would take for its own."""
    description = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["description"]
    placeholders = {
        description: "{{cookiecutter.__description}}",
        project.name.replace("-", "_"): "{{cookiecutter.package}}",
        project.name: "{{cookiecutter.project}}",
    }
    for mark in ("{{", "{%", "{#"):
        if mark in text:
            raise ValueError(
                f"{name} holds {mark!r}, which cookiecutter would read as a placeholder: write it otherwise"
            )
    for value, placeholder in placeholders.items():
        text = text.replace(value, placeholder)
    return text


def bring_home(project: Path) -> list[str]:
    """Copy notebooks and modules of a baked project into the template, and prove that baking gives them back."""
    task = next((task for task, name in PROJECTS.items() if name == project.name), None)
    if not task:
        raise ValueError(
            f"{project} is not baked from the defaults: those are called {' and '.join(PROJECTS.values())}"
        )
    package = project.name.replace("-", "_")
    home = {
        path: with_placeholders(file.read_text(encoding="utf-8"), path, project)
        for path, file in edited_files(project, package).items()
    }
    into = TEMPLATE
    if task == "classification":  # its data and model; everything else is a regression's
        home = {path: text for path, text in home.items() if path.stem in ("00_data", "01_train", "data", "model")}
        into = TEMPLATE / "classification"
    there = edited_files(into, "{{cookiecutter.package}}")
    changed = []
    for path in there.keys() - home.keys():
        there[path].unlink()
        changed.append(f"deleted {path}")
    for path, text in home.items():
        file = into / path
        if path not in there or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
            changed.append(f"brought {path}")
    with tempfile.TemporaryDirectory() as folder:
        again = edited_files(bake(Path(folder), task=task), package)
        for path, file in edited_files(project, package).items():
            if again[path].read_bytes() != file.read_bytes():
                raise ValueError(f"{path} does not come back from the template as it was")
    return sorted(changed)


def copy_of_the_template(into: Path) -> Path:
    """A repository of its own with the template as it is now, committed or not."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(lambda name: name and (ROOT / name).exists(), names):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_bytes((ROOT / name).read_bytes())
    author = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*author, "commit", "--quiet", "--allow-empty", "--message=now"],
    ):
        subprocess.run(["git", *words], cwd=into, check=True)
    return into


def uv_alone() -> Path:
    """A folder that has uv, and nothing else that is installed beside this Python."""
    folder = ROOT / "build" / "uv"
    folder.mkdir(parents=True, exist_ok=True)
    for tool in ("uv", "uvx"):
        if not (folder / tool).exists():
            (folder / tool).unlink(missing_ok=True)
            (folder / tool).symlink_to(Path(sys.executable).with_name(tool))
    return folder


def environment(**settings: str) -> dict[str, str]:
    """What a person's environment would be: with uv, which trusts the system's certificates, without this Python."""
    own = ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "BENTOML_HOME", "CHAMPION_FILE", "IOLOG_DIR")
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    wanted = inherited | {"UV_SYSTEM_CERTS": "1"} | settings
    return wanted | {"PATH": os.pathsep.join(filter(None, [str(uv_alone()), wanted.get("PATH")]))}


def install(project: Path, *words: str) -> Path:
    """Make the project's environment with `uv sync`, on this Python; return the folder of its commands."""
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--python", sys.executable, *words]
    subprocess.run(sync, cwd=project, env=environment(), check=True)
    return project / ".venv" / ("Scripts" if os.name == "nt" else "bin")


def demo(folder: Path) -> str:
    """Generate, install and tour a project in `folder`; return what was answered and recorded."""
    shutil.rmtree(folder, ignore_errors=True)
    project = bake(folder)
    print("installing what it needs", flush=True)
    commands = install(project)
    store = environment(BENTOML_HOME=str(folder.resolve() / "bentoml"))
    subprocess.run([commands / "job", "run", "tour"], cwd=project, env=store, check=True)
    [path] = (project / "runs" / "tour").glob("*/run.json")
    figures = json.loads(path.read_bytes())["figures"]
    print(f"report: {path.with_name('report.html')}")
    if figures["answered"] != figures["recorded"]:
        raise ValueError(f"{figures['answered']} answered, but {figures['recorded']} recorded")
    return f"demo ok: answered={figures['answered']} recorded={figures['recorded']}"


def reference(folder: Path) -> None:
    """Generate and install a project in `folder`, and write docs/reference.md by it."""
    shutil.rmtree(folder, ignore_errors=True)
    project = bake(folder)
    python = install(project) / "python"
    docs = ROOT / "docs"
    subprocess.run([python, docs / "reference.py", docs / "reference.md"], cwd=project, env=environment(), check=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["bake", into]:
            try:
                print(*(bake(Path(into), task=task) for task in PROJECTS), sep="\n")
            except OutputDirExistsException:
                sys.exit(f"{into} holds a project already: bring its edits home or remove it, then bake again")
        case ["home", project]:
            try:
                print("\n".join(bring_home(Path(project))) or "nothing has changed")
            except ValueError as error:
                sys.exit(str(error))
        case ["demo", folder]:
            try:
                print(demo(Path(folder)))
            except (ValueError, subprocess.CalledProcessError) as error:
                sys.exit(f"demo failed: {error}")
        case ["reference", folder]:
            reference(Path(folder))
        case _:
            sys.exit(__doc__)
