"""What people do with jobs that is odd: outputs, consoles, names, and several commands at once."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from secret_jobs import outputs, written

from daybook.cli import main
from daybook.files import Folder
from daybook.jobs import clean, run
from daybook.parameters import model_of
from daybook.preloading import imports_of
from daybook.project import DaybookError
from daybook.runs import Run, all_runs, open_runs
from daybook.space import space

Probe = Callable[..., str]


def test_reports_show_what_they_can(probe: Probe) -> None:
    job = probe("print('\\x1b[38m plain')", "print('and the next')")
    path = Path("nbs", f"01_{job}.ipynb")
    notebook = nbformat.read(path, as_version=4)
    pasted = new_markdown_cell("![](attachment:a.png)", attachments={"a.png": {"image/png": "aGVsbG8="}})
    code = new_markdown_cell("~~~\n# no heading\n~~~\n````\n```\n# neither\n````")
    gif = new_code_cell("from IPython.display import Image, display\ndisplay(Image(data=b'GIF89a', format='gif'))")
    mime = new_code_cell("display({'application/vnd.plotly.v1+json': {'data': []}}, raw=True)")
    notebook.cells += [pasted, code, gif, mime]
    nbformat.write(notebook, path)
    made = run(job)
    page = open_runs().read(f"{made.path}/report.html").decode()
    assert made.status == "done" and "and the next" in page and "data:image/png;base64,aGVsbG8=" in page
    assert "data:image/gif;base64," in page and "not shown here: application/vnd.plotly" in page
    assert "a cell that cannot be shown here: IndexError" in page and not re.search(
        "<h1[^>]*>(no heading|neither)", page
    )


def test_widgets_keep_no_secret(probe: Probe) -> None:
    code = "from comm import create_comm\nstate = {'value': token.get_secret_value(), '_model_name': 'TextModel'}\n"
    code += "state['_model_module'] = '@jupyter-widgets/controls'\n"
    code += "create_comm(target_name='jupyter.widget', data={'state': state}, metadata={'version': '2.1.0'})"
    made = run(written("token: SecretStr = SecretStr('abcdef')", code), {"token": "swordfish99"})
    files = [file for file in Path(open_runs().root, made.path).rglob("*") if file.is_file()]
    assert made.status == "done" and not any(b"swordfish99" in file.read_bytes() for file in files)


def test_imports_find_what_the_cells_above_have_set(probe: Probe) -> None:
    Path("stage.py").write_text("import os\nSTAGE = os.environ.get('STAGE')\n")
    head = "import sys, os\nsys.path.insert(0, os.environ['PWD'])"
    made = run(probe(head, "os.environ['STAGE'] = 'test'", "import stage\nprint(stage.STAGE)"))
    assert outputs(made) == "test\n"

    def preloaded(*cells: str) -> list[str]:
        return imports_of(Path("nbs", f"01_{probe(*cells)}.ipynb").read_bytes())

    assert preloaded("import csv", "%env A=1", "import this") == ["import csv"]
    assert preloaded("x = os.environ['A'] == '1'", "import this") == ["import this"]


def test_doctests_run_as_in_a_kernel(probe: Probe) -> None:
    made = run(probe("import doctest\ndoctest.testmod()", "print('and on')"))
    assert (made.status, outputs(made)) == ("done", "and on\n")


def test_list_sorts_and_names_what_is_not_there(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    job, folder = probe(), open_runs()
    for number, value in enumerate((2.5, "text", True)):
        made = Run(f"{number:024}", job, "nbs/01_probe.ipynb", {"value": value}, "done", "2024-01-01T00:00:00", 1.0)
        folder.put(f"{made.path}/run.json", made.to_json())
    assert main(["list", job, "--json", "--sort", "value"]) == 0
    assert [each["parameters"]["value"] for each in json.loads(capsys.readouterr().out)] == [True, 2.5, "text"]
    for words in (["list", "nosuch"], ["clean", "nosuch", "--keep", "1"]):
        assert main(words) == 2 and "no job nosuch" in capsys.readouterr().err
    assert main(["list", "--sort", "nosuch"]) == 2 and "no run has a metric" in capsys.readouterr().err
    assert main(["list", "--status", "failed"]) == 0 and "no such run; there are 3" in capsys.readouterr().out


def test_no_job_is_called_sweeps(probe: Probe) -> None:
    with pytest.raises(DaybookError, match="no job can be called sweeps"):
        run(probe(name="sweeps"))


def test_runs_may_be_removed_by_another_command(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_runs()
    for number in range(3):
        made = Run(f"{number:024}", probe(), "nbs/01_probe.ipynb", {}, "done", "2024-01-01T00:00:00", 1.0)
        folder.put(f"{made.path}/run.json", made.to_json())
    whole = Folder.list
    monkeypatch.setattr(Folder, "list", lambda self, path="": [*whole(self, path), f"{path}/gone.txt"])
    assert len(clean(folder, 1)) >= 2 and len(list(all_runs(folder))) == 1


def test_sweeps_try_no_secrets_and_no_infinity(probe: Probe) -> None:
    parameters = model_of("token: SecretStr = SecretStr('abcdef')\nurl: str = ''\nnumber: float = 1.0")
    for arg in ({"token": ["abcdef", "ghijkl"]}, {"url": ["postgresql://a:b@c/d", "postgresql://a:e@c/d"]}):
        with pytest.raises(DaybookError, match="a sweep tries no secrets"):
            space(parameters, arg)
    with pytest.raises(DaybookError, match="finite numbers"):
        space(parameters, {"number": "1..inf"})


def test_lines_that_are_no_parameter_say_why() -> None:
    with pytest.raises(DaybookError, match="the environment has no NO_SUCH_VARIABLE"):
        model_of("token: SecretStr = SecretStr(os.environ['NO_SUCH_VARIABLE'])")
    with pytest.raises(DaybookError, match="is no parameter"):
        model_of("a = b = 1")


def test_console_without_every_letter_ends_no_run(probe: Probe) -> None:
    job = probe("from daybook.runs import record\nrecord(summary='größer → 5 €', alert='größer', mae=1.0)")
    script = "import sys; from daybook.cli import main; sys.exit(main(['run', sys.argv[1]]))"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script, job], env=environment, capture_output=True, text=True)
    assert done.returncode == 3 and "gr\\xf6\\xdfer" in done.stdout + done.stderr and "Traceback" not in done.stderr
