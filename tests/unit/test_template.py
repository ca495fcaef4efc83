"""What a project was made from: the table in pyproject.toml, and the command that generates it again."""

from pathlib import Path

import jinja2
import pytest

from daybook import template
from daybook.project import DaybookError
from daybook.template import Origin, clone_template, commit_of, public_address, read_origin

PROJECT = Path(template.__file__).parents[1]
TABLE = '[tool.daybook]\ntemplate = "gh:ann/daybook"\ncommit = "{}"\n\n[tool.daybook.answers]\nproject = "rentals"\n'


def test_read_origin_has_the_answers(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TABLE.format("a" * 40))
    assert read_origin(tmp_path) == Origin("gh:ann/daybook", "a" * 40, {"project": "rentals"})


@pytest.mark.parametrize(
    "text", ["", "[tool", "[tool]\ndaybook = 1\n", TABLE.format(""), TABLE.format("--upload-pack=x")]
)
def test_read_origin_refuses_in_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(DaybookError, match="pyproject.toml") as refused:
        read_origin(tmp_path)
    assert "\n" not in str(refused.value)


def test_read_origin_refuses_a_project_without_pyproject(tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="no whole table"):
        read_origin(tmp_path)


def test_cookiecutter_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(template.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DaybookError, match="an update needs cookiecutter or uv on the PATH"):
        template._cookiecutter()
    for name, version, chosen in (
        ("cookiecutter", "1.7.3", None),
        ("uvx", "", "uvx"),
        ("cookiecutter", "2.5.0", "uvx"),
        ("cookiecutter", "2.10.1", "cookiecutter"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\necho 'Cookiecutter {version} from /usr/lib (Python 3.11)'\n")
        (tmp_path / name).chmod(0o755)
        if chosen:
            assert template._cookiecutter()[0] == str(tmp_path / chosen)
        else:
            with pytest.raises(DaybookError, match="'cookiecutter>=2.6,<3'"):
                template._cookiecutter()


def test_name_template_keeps_no_password(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_bytes(
        b'[tool.x]\ntemplate = "mine"\n\n[tool.daybook] # made from\r\ntemplate = "/tmp/clone"\r\ncommit = ""\r\n'
    )
    template._name_template(file, "https://ann:secret@example.org/day\\book")
    assert file.read_bytes().splitlines()[1::3] == [
        b'template = "mine"',
        b'template = "https://example.org/day\\\\book"',
    ]


def test_commit_of_takes_no_option(tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="the template has no version --all"):
        commit_of(tmp_path, "--all")


def test_origin_of_projects_that_name_it_with_two_schemes_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        TABLE.format("a" * 40).replace("gh:ann/daybook", "https://https://example.org/daybook")
    )
    assert read_origin(tmp_path).template == "https://example.org/daybook"


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("https://example.org/daybook", "https://example.org/daybook"),
        ("https://token@example.org/daybook.git", "https://example.org/daybook.git"),
        ("HTTPS://ann:p@ss@example.org/@team/daybook", "HTTPS://example.org/@team/daybook"),
        ("git@example.org:ann/daybook.git", "git@example.org:ann/daybook.git"),
        ("gh:ann/daybook", "gh:ann/daybook"),
        ("/srv/my daybook", "/srv/my daybook"),
    ],
)
def test_project_names_its_template_without_a_password(address: str, named: str) -> None:
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    lines = text[text.index("{%- set at") : text.index('commit = "{{')]
    made = jinja2.Template(lines).render(cookiecutter={"_template": address}).strip()
    assert made == f'template = "{named}"' and public_address(named) == named == public_address(address)


def test_clone_template_shows_no_password(tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="no template at https://127.0.0.1:1/daybook, or none") as refused:
        clone_template("https://ann:secret@127.0.0.1:1/daybook", tmp_path, tmp_path)
    assert "secret" not in str(refused.value)
