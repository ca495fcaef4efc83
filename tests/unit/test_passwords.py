"""Passwords in URLs: a run uses them, and neither its files nor an error shows them."""

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell

from daybook.cli import daybook
from daybook.execution import secrets_of
from daybook.jobs import rerun, run
from daybook.notebooks import Job
from daybook.passwords import is_masked, masked, without_password
from daybook.project import DaybookError
from daybook.runs import EngineName, open_runs
from daybook.sources import open_source

Probe = Callable[..., str]
URL = "postgresql://ann:pass%20word@db.example/orders"
PARAMETERS = "database: str | None = None\nnumber: int = 1"
USES = "from daybook.runs import record\nrecord(length=len(database))\nprint(database, 'pass word')"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:secret@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("postgresql://shop:shop@shop/shop", "postgresql://shop:***@shop/shop"),
        ("postgresql://ann:p@ss/word@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://host/db?user=ann&password=secret&a=1", "postgresql://host/db?user=ann&password=***&a=1"),
        ("postgresql://:secret@host/db?sslpassword=other", "postgresql://:***@host/db?sslpassword=***"),
        ("https://host/t.csv?sig=secret&a=1", "https://host/t.csv?sig=***&a=1"),
        ("s3://b/t.csv?X-Amz-Signature=secret", "s3://b/t.csv?X-Amz-Signature=***"),
        ("https://host/t.csv?a=1&access_token=secret", "https://host/t.csv?a=1&access_token=***"),
        ("https://secret@host/t.csv", "https://***@host/t.csv"),
    ],
)
def test_masked_takes_the_password_out_of_a_url(url: str, shown: str) -> None:
    assert masked(url) == masked(shown) == shown and is_masked(shown) and not is_masked(url)
    assert without_password(f"no {url}", url).count("secret") == 0


@pytest.mark.parametrize(
    "text", ["orders.csv", "sqlite:///shop.db", "http://host:9000/a@b.csv", "a:b@c", "SELECT 'a://b:c@d'", "", "12:30"]
)
def test_masked_leaves_other_texts(text: str) -> None:
    assert masked(text) == text and not is_masked(text) and not is_masked([text, None, 3])


@pytest.mark.parametrize("engine", ["shell", "kernel"])
def test_run_uses_a_password_that_none_of_its_files_has(probe: Probe, engine: EngineName) -> None:
    ended = run(probe(USES, "1 / (number - 1)", parameters=PARAMETERS), {"database": URL}, engine=engine)
    assert ended.metrics["length"] == len(URL) and ended.error == "ZeroDivisionError: division by zero"
    assert ended.parameters["database"] == "postgresql://ann:***@db.example/orders"
    files = sorted(Path(open_runs().url(ended.path)).iterdir())
    assert [file.name for file in files] == ["notebook.ipynb", "report.html", "run.json"]
    for file in files:
        assert "pass%20word" not in file.read_text() and "pass word" not in file.read_text()
        assert "db.example" in file.read_text()


def test_run_redacts_a_short_password_in_its_url_only(probe: Probe) -> None:
    probe(parameters=PARAMETERS)
    task = Job.find("probe").task({"database": "postgresql://ann:ann@host/ann"})
    assert set(secrets_of(task)) == {":ann@", "password=ann"}


def test_commands_show_no_password(probe: Probe) -> None:
    run(probe(USES, parameters=PARAMETERS), {"database": URL})
    for arguments in (["list", "--json"], ["show", "last"], ["show", "last", "--json"]):
        shown = CliRunner().invoke(daybook, arguments).output
        assert "ann:***@db.example" in shown and "pass" not in shown
    shown = CliRunner().invoke(daybook, ["list", "--json", "-p", f"database={URL}"]).output
    assert len(json.loads(shown)) == 1


def test_rerun_needs_a_url_with_a_password_again(probe: Probe) -> None:
    before = run(probe(USES, parameters=PARAMETERS), {"database": URL, "number": 2})
    with pytest.raises(DaybookError, match="password in database: .* daybook rerun .* -p database=...$"):
        rerun("last")
    again = rerun("last", {"database": URL})
    assert again.metrics == before.metrics and again.inputs_sha256 == before.inputs_sha256


def test_rerun_takes_a_password_that_is_a_default(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    before = run(probe(USES, parameters="database: str = os.environ['DATABASE_URL']"))
    assert before.parameters == {"database": masked(URL)} and rerun("last").metrics == before.metrics


def test_errors_of_parameters_and_sources_show_no_password(probe: Probe) -> None:
    probe(parameters="number: int = 1")
    with pytest.raises(DaybookError, match=r"number=postgresql://ann:\*\*\*@db.example/orders: input should be"):
        run("probe", {"number": URL})
    with pytest.raises(DaybookError) as error:
        open_source(URL.replace("postgresql", "nosuch"))
    assert "ann:***@db.example" in str(error.value) and "pass" not in str(error.value)


def test_run_with_an_imported_enum_may_have_a_link(probe: Probe) -> None:
    """Any address makes its parameters be looked through for passwords."""
    name = probe("'https://example.com'", parameters="method: HTTPMethod = HTTPMethod.GET")
    notebook = nbformat.read(path := Path(f"nbs/01_{name}.ipynb"), as_version=4)
    notebook.cells.insert(0, new_code_cell("from http import HTTPMethod"))
    nbformat.write(notebook, path)
    assert run(name, {"method": "POST"}).status == "done"
