"""Every command of the documentation is typed by a test: here those in sentences of troubleshooting and the loop."""

import ast
import json
import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest
from helpers import Project, last_run, train
from loops import World
from pages import inline, lines_of
from template import ROOT, bake, copy_of_the_template, environment, install

pytest_plugins = "loops"

PAGES = [ROOT / "README.md", *(path for path in ROOT.glob("docs/*.md") if path.name != "reference.md")]
BLOCK = re.compile(r"^```.*?^```|^    [^\n]*$", re.MULTILINE | re.DOTALL)  # which the test of its page types
PROGRAMS = "bentoml cookiecutter cruft curl daybook docker git jupyter kubectl ls nbdev-test papermill pip python uv"
COMMAND = re.compile(rf"(?:{PROGRAMS.replace(' ', '|')}|source|train|\.venv/bin/\w+) [\w./-].*")
PAGE = "troubleshooting.md"


@cache
def asked() -> tuple[str, ...]:
    """How the commands begin that tests have from `inline`."""
    calls = []
    for path in Path(__file__).parent.glob("test_*.py"):
        calls += [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    named = [call.args[1] for call in calls if ast.unparse(call.func) == "inline"]
    return tuple(name.value for name in named if isinstance(name, ast.Constant))


def untyped(pages: list[str]) -> set[str]:
    """The commands in the sentences of these pages that no block has, and no test asks for."""
    blocks = "\n".join(block for page in pages for block in BLOCK.findall(page))
    found = (" ".join(each.split()) for page in pages for each in re.findall("`([^`]+)`", BLOCK.sub("", page)))
    return {each for each in found if COMMAND.fullmatch(each) and each not in blocks and not each.startswith(asked())}


def test_every_command_is_typed_by_a_test() -> None:
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    assert untyped(pages) == set()
    assert untyped([*pages, "Then `uv run daybook\nfly --far`, as `git revert` says."]) == {"uv run daybook fly --far"}


def test_cookiecutter_asks_and_has_answers(tmp_path: Path) -> None:
    copy_of_the_template(tmp_path / "daybook")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    person = Project(tmp_path, tmp_path, environment(PATH=path, HOME=str(tmp_path)))
    output = person.type(f"printf '\\n%.0s' {{1..20}} | {inline('../README.md', 'cookiecutter daybook')}")
    assert "trees" in output and (tmp_path / "bike-demand" / "nbs" / "01_train.ipynb").exists()


@pytest.mark.long
def test_demo_ends_as_readme_says(tmp_path: Path) -> None:
    template = copy_of_the_template(tmp_path / "daybook")
    assert re.search("^make demo ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    output = Project(template, tmp_path, environment(HOME=str(tmp_path))).type("make demo")
    last = re.fullmatch(r"demo ok: answered=(\d+) logged=(\d+)", output.splitlines()[-1])
    assert last, output[-3000:]
    assert last[1] == last[2] and int(last[1]) > 8000


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A person whom git did not know when the project was generated, and who then read the page; with a small model."""
    home, root = tmp_path_factory.mktemp("home"), bake(tmp_path_factory.mktemp("typed"))
    shutil.rmtree(root / ".git", ignore_errors=True)  # of those whom git knows
    commands = install(root)
    own = {"HOME": str(home), "BENTOML_HOME": str(home / "bentoml"), "UV_PYTHON": sys.executable}
    person = Project(root, commands, environment(GIT_CONFIG_NOSYSTEM="1", **own))
    name = inline(PAGE, "git config --global user.name")
    person.type(f"{name} Ada\n{name.replace('name', 'email')} ada@example.com")
    person.type(inline(PAGE, "git init"))
    train(person)
    return person


@pytest.mark.long
def test_champion_is_committed_reverted_and_found_in_the_history(person: Project) -> None:
    promote = "uv run daybook run promote -p candidate=latest -p force=true -p reason="
    person.type(f"{promote}first\ngit commit --quiet --all --message=first")
    train(person)
    for page in ("deployment.md", "loop.md"):
        person.type(f"{promote}other\ngit commit --quiet --all --message=other")
        person.type(f"{inline(page, 'git revert')} --no-edit HEAD")
        assert json.loads((person.root / "champion.json").read_bytes())["reason"].endswith("first")
    assert person.type(inline("loop.md", "git log champion.json")).count('Revert "other"') == 2
    lock = person.root / "uv.lock"
    before = lock.read_bytes()
    lock.write_bytes(b"")
    person.type(f"{inline(PAGE, 'git checkout')} uv.lock\n{inline(PAGE, 'uv sync')}")
    assert lock.read_bytes() == before


@pytest.mark.long
def test_first_error_of_many_is_shown(person: Project) -> None:
    module = person.root / "bike_demand" / "service.py"
    before = module.read_bytes()
    module.write_bytes(before + b"raise RuntimeError('it is broken')\n")
    try:
        output = person.type(inline(PAGE, "uv run pytest -x tests/test_service.py"), code=1)
    finally:
        module.write_bytes(before)
    assert "Captured stderr setup" in output and "RuntimeError: it is broken" in output
    assert len(re.findall("^ERROR ", output, re.MULTILINE)) == 1


@pytest.mark.long
def test_chapters_show_the_table_that_was_adopted(person: Project) -> None:
    shutil.copy(ROOT / "docs" / "example" / "sales.csv", person.root)
    person.type("uv run daybook adopt sales.csv --target sales --time day --key day --key shop")
    assert "+    shop: " in person.type(inline(PAGE, "git diff"))
    person.type(f"{inline(PAGE, 'uv run nbdev-test')}\n{inline(PAGE, 'uv run nbdev-clean')}")
    chapters = [nbformat.read(person.root / "nbs" / f"{name}.ipynb", 4) for name in ("00_data", "01_train")]
    shown = str([cell.get("outputs") for chapter in chapters for cell in chapter.cells])
    assert "Harbour" in shown and "dteday" not in shown
    person.type("uv run daybook run train -p max_iter=5")
    assert last_run(person, "train")[1]["model"].split(":")[0] in person.type(
        f"uv run {inline(PAGE, 'bentoml models list')}"
    )
    assert "01_train.ipynb" in person.type(inline(PAGE, "ls -l nbs"))


@pytest.mark.long
def test_loop_page_begins_with_what_a_team_types(world: World, tmp_path: Path) -> None:
    """A model of 2011 has served half of 2012; a job with an alert ends with 3."""
    project, labels = world.project, world.project.root / "actuals.parquet"
    shutil.copy(world.labels, labels)
    champion = world.home / "champion.json"
    before, names = champion.read_bytes(), {}
    lines = [line for line in lines_of("loop.md") if line.startswith("daybook ")]
    lines += [inline("loop.md", "daybook run train -p folds")]
    lines += [f"{inline('start.md', 'daybook run --runs')} {tmp_path} compact"]
    try:
        for line in lines:
            for name, tag in names.items():
                line = line.replace(name, tag)
            is_judged = "run backtest" in line or "run drift" in line
            project.type(f"{line} || test $? -eq 3" if is_judged else line, **world.settings)
            if "candidates=" in line:
                names["bike_demand:ab12"] = last_run(project, "backtest")[1]["command"].rpartition("=")[2]
            if "sweep" in line:
                tags = [run["model"] for run in json.loads(project.run("daybook", "list", "train", "--json"))[:2]]
                names = dict(zip(("bike_demand:ab12", "bike_demand:cd34"), tags, strict=True))
        assert last_run(project, "backtest")[1]["verdict"] == "PROMOTE"
        assert json.loads(champion.read_bytes())["model"] == names["bike_demand:ab12"]
        assert list(tmp_path.glob("compact/*/run.json"))
    finally:
        champion.write_bytes(before)
        labels.unlink()
    assert not project.status()
