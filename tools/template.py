"""Bake projects from the template, and bring the chapters that were edited in one back.

python tools/template.py bake build                  bake build/bike-demand, build/late-parcels and build/bike-net
python tools/template.py sync build/bike-demand      copy its chapters and modules back into the template
python tools/template.py demo build/demo             bake a project there, install it, and run its tour
python tools/template.py library build/library       bake a project there, with what the library's tests need
python tools/template.py reference build/reference   bake a project there, install it, and write docs/reference.md
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path

from cookiecutter.exceptions import OutputDirExistsException
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.project}}"
PROJECT, PACKAGE = "bike-demand", "bike_demand"
# Name -> answers. A chapter of several is edited in the first: the others have its outputs, or none.
PROJECTS = {
    PROJECT: {},
    "late-parcels": {"task": "classification"},
    "bike-net": {"model": "net", "project": "bike-net"},
}
DEFAULTS = {"task": "regression", "model": "trees"}
AUTHOR = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
# Settings of the caller, which must not reach a project.
SETTINGS = tuple("BENTOML CHAMPION_ DAYBOOK_ GIT_ IOLOG_ MAKE MLFLOW_ MODEL_STORE PYTHON SERVICE_ VIRTUAL_ENV".split())


def bake(folder: Path, **answers: str) -> Path:
    """Generate a project below `folder` without asking; raises cookiecutter's errors."""
    folder.mkdir(parents=True, exist_ok=True)
    project = cookiecutter(str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers, default_config=True)
    for name in ("__pycache__", ".ruff_cache"):  # left where the library was used
        shutil.rmtree(Path(project, "daybook", name), ignore_errors=True)
    Path(project, "daybook", "_modidx.py").unlink(missing_ok=True)
    return Path(project)


def chapters(project: Path, package: str) -> dict[str, Path]:
    """Path below the project -> file, of the chapters and the package's modules; of the template too."""
    files = [*(project / "nbs").glob("*.ipynb*"), *(project / package).glob("*.py*")]  # *: of a conditional name
    files = (path for path in files if path.is_file() and path.name != "_modidx.py")
    return {path.relative_to(project).as_posix(): path for path in files}


def name_for(name: str, answers: dict[str, str]) -> str:
    """What a file of the template is called in a project; empty if its condition does not hold."""
    if not (match := re.fullmatch(r"\{% if cookiecutter\.(\w+) ([=!]=) '(.*)' %\}(.*)\{% endif %\}", name)):
        return name
    question, operator, value, file = match.groups()
    is_met = ((DEFAULTS | answers)[question] == value) == (operator == "==")
    return file if is_met else ""


def template_file(name: str, package: str, answers: dict[str, str]) -> Path:
    """Where the template has a project's file: under a conditional name if projects have different ones."""
    folder, _, file = name.rpartition("/")
    folder = TEMPLATE / folder.replace(package, "{{cookiecutter.package}}")
    return next((path for path in folder.iterdir() if name_for(path.name, answers) == file), folder / file)


def with_placeholders(text: str, name: str, project: Path) -> str:
    """Put the placeholders back into a baked file; raises `ValueError` for text that Jinja would take for its own."""
    description = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["description"]
    placeholders = {
        description: "{{cookiecutter.__description}}",
        project.name.replace("-", "_"): "{{cookiecutter.package}}",
        project.name: "{{cookiecutter.project}}",
    }
    for mark in ("{{", "{%", "{#"):
        if mark in text:
            raise ValueError(f"{name} contains {mark!r}, which cookiecutter would take for a placeholder: rewrite it")
    for value, placeholder in placeholders.items():
        text = text.replace(value, placeholder)
    return text


def sync(project: Path) -> list[str]:
    """Copy chapters and modules of a baked project into the template, and prove that baking gives them back."""
    if project.name not in PROJECTS:
        raise ValueError(f"{project} is not baked from the template: use a folder {' or '.join(PROJECTS)}")
    answers, package = PROJECTS[project.name], project.name.replace("-", "_")
    files = {template_file(name, package, answers): name for name in chapters(project, package)}
    if answers:  # only what no project before it has
        files = {file: name for file, name in files.items() if not name_for(file.name, {})}
    changes = []
    for file, name in files.items():
        text = with_placeholders((project / name).read_text(encoding="utf-8"), name, project)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8", newline="\n")
            changes.append(f"copied {name}")
    for name, file in chapters(TEMPLATE, "{{cookiecutter.package}}").items():
        is_here = name_for(file.name, answers) and (not answers or not name_for(file.name, {}))
        if file not in files and is_here:
            file.unlink()
            changes.append(f"deleted {name}")
    with tempfile.TemporaryDirectory() as folder:
        again = chapters(bake(Path(folder), **answers), package)
        for name, file in chapters(project, package).items():
            if name not in again or again[name].read_bytes() != file.read_bytes():
                raise ValueError(f"{name} does not come back from the template as it is in {project}")
    return sorted(changes)


def copy_of_the_template(folder: Path) -> Path:
    """A repository of its own with the template as it is now, committed or not."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(lambda name: name and (ROOT / name).exists(), names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for args in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*AUTHOR, "commit", "--quiet", "--allow-empty", "--message=now"],
    ):
        subprocess.run(["git", *args], cwd=folder, check=True)
    return folder


def uv_alone() -> Path:
    """A folder that has uv, and nothing else that is installed beside this Python."""
    folder = ROOT / "build" / "uv"
    folder.mkdir(parents=True, exist_ok=True)
    for tool in ("uv", "uvx"):
        with tempfile.TemporaryDirectory(dir=folder) as draft:  # processes side by side must not see it missing
            Path(draft, tool).symlink_to(Path(sys.executable).with_name(tool))
            Path(draft, tool).replace(folder / tool)
    return folder


@cache
def uv_cache() -> str:
    """The folder in which uv keeps what it has downloaded, for projects with another home too."""
    command = [sys.executable, "-m", "uv", "cache", "dir"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def environment(**settings: str) -> dict[str, str]:
    """A person's environment: with uv, which trusts the system's certificates, without this Python's own settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    variables = inherited | {"BENTOML_DO_NOT_TRACK": "true", "UV_SYSTEM_CERTS": "1", "UV_CACHE_DIR": uv_cache()}
    variables |= {"GOMP_SPINCOUNT": "1000"} | settings  # threads that spin for longer take the cores of other tests
    return variables | {"PATH": os.pathsep.join(filter(None, [str(uv_alone()), variables.get("PATH")]))}


def install(project: Path, *args: str, python: str = sys.executable) -> Path:
    """Make the project's environment with `uv sync`; return the folder of its commands."""
    command = [sys.executable, "-m", "uv", "sync", "--quiet", "--python", python, *args]
    subprocess.run(command, cwd=project, env=environment(), check=True)
    return project / ".venv" / ("Scripts" if os.name == "nt" else "bin")


def library(folder: Path) -> None:
    """An environment in which the library's chapters and tests run where they lie: a project's, with what tests it."""
    shutil.rmtree(folder, ignore_errors=True)
    python = install(bake(folder), "--all-extras") / "python"
    tools = [
        "onnx>=1.19,<2",
        "onnxruntime>=1.23,<2",
        "cookiecutter>=2.6,<3",
        "hypothesis>=6.100,<7",
        "pytest-xdist>=3.6,<4",
    ]
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, *tools]
    subprocess.run(command, env=environment(), check=True)


def demo(folder: Path) -> str:
    """Generate, install and tour a project in `folder`; return how much was answered and logged."""
    shutil.rmtree(folder, ignore_errors=True)
    project = bake(folder)
    print("installing its dependencies", flush=True)
    commands = install(project)
    name = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Tester"}  # who promotes
    variables = environment(BENTOML_HOME=str(folder.resolve() / "bentoml"), **name)
    subprocess.run([commands / "daybook", "run", "tour"], cwd=project, env=variables, check=True)
    [path] = (project / "runs" / "tour").glob("*/run.json")
    metrics = json.loads(path.read_bytes())["metrics"]
    print(f"report: {path.with_name('report.html')}")
    if metrics["answered"] != metrics["logged"]:
        raise ValueError(f"{metrics['answered']} answered, but {metrics['logged']} logged")
    return f"demo ok: answered={metrics['answered']} logged={metrics['logged']}"


def reference(folder: Path) -> None:
    """Generate and install a project in `folder`, and write docs/reference.md with it."""
    shutil.rmtree(folder, ignore_errors=True)
    project = bake(folder)
    command = [install(project) / "python", ROOT / "tools" / "reference.py", ROOT / "docs" / "reference.md"]
    subprocess.run(command, cwd=project, env=environment(), check=True)


def main(args: list[str]) -> None:
    """Run one of the commands above."""
    match args:
        case ["bake", folder]:
            print(*(bake(Path(folder), **answers) for answers in PROJECTS.values()), sep="\n")
        case ["sync", project]:
            print("\n".join(sync(Path(project).resolve())) or "nothing has changed")
        case ["demo", folder]:
            print(demo(Path(folder)))
        case ["library", folder]:
            library(Path(folder))
        case ["reference", folder]:
            reference(Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OutputDirExistsException as error:
        sys.exit(f"{error}: sync what was edited there, or remove it, then bake again")
    except (ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"{sys.argv[1]} failed: {error}")
