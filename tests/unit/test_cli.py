"""The command: what it understands, what it prints, and how it ends."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybook import cli, jobs, sweep
from daybook.cli import daybook, main
from daybook.project import DaybookError, version
from daybook.runs import Run, open_runs

Probe = Callable[..., str]
EXAMPLE = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {"number": 1}, "done", "2024-01-01T00:00:00", 4.25)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the command calls in place of `run`, `rerun` and `sweep`; `EXAMPLE` is what they return."""
    calls: list[tuple] = []
    for module, name in ((jobs, "run"), (jobs, "rerun"), (sweep, "sweep")):

        def called(*args: Any, _name: str = name, **options: Any) -> Any:
            calls.append((_name, *args, options))
            return sweep.Sweep("1", "probe", ("number",), [EXAMPLE], None, False, 0) if _name == "sweep" else EXAMPLE

        monkeypatch.setattr(module, name, called)
    return calls


def test_run_passes_its_options_on(probe: Probe, calls: list[tuple]) -> None:
    Path("values.yaml").write_text("number: 3\nday: 2024-02-29\n")
    words = "run probe --params values.yaml -p number=2 -p text=a=b --engine kernel --time-limit 60 --runs s3://b/runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "open_runs", lambda url: open_runs())
        assert main(words.split()) == 0
    name, job, args, options = calls[0]
    assert (name, job, str(args["day"])) == ("run", "probe", "2024-02-29")
    assert (args["number"], args["text"]) == ("2", "a=b"), "-p comes before the file"
    assert options == {"engine": "kernel", "time_limit": 60.0, "runs_url": "s3://b/runs"}
    assert main(["rerun", "last", "-p", "token=swordfish"]) == 0
    assert calls[1] == ("rerun", "last", {"token": "swordfish"}, {"engine": None, "time_limit": None, "runs_url": None})


def test_sweep_passes_its_options_on(probe: Probe, calls: list[tuple]) -> None:
    Path("grid.yaml").write_text("rate: 0.01..0.3:log\nnumber: [1, 2]\n")
    words = (
        "sweep probe --grid grid.yaml -p number=3,4 -p number=5 --sample 9 --seed 2 --workers 3 --maximize mae --force"
    )
    assert main([*words.split(), "--scheduler", "tcp://host:8786"]) == 0
    _, job, args, options = calls[0]
    assert (job, args) == ("probe", {"rate": "0.01..0.3:log", "number": ["3,4", "5"]})
    assert callable(options.pop("on_progress"))
    expected = {"sample": 9, "seed": 2, "workers": 3, "minimize": (), "maximize": ("mae",)}
    expected |= {
        "force": True,
        "trials": None,
        "engine": "shell",
        "time_limit": None,
        "scheduler": "tcp://host:8786",
        "runs_url": None,
    }
    assert options == expected
    assert main("sweep probe -p number=1..9 --trials 5 --minimize mae --minimize n --maximize r2".split()) == 0
    assert [calls[1][3][name] for name in ("trials", "minimize", "maximize")] == [5, ("mae", "n"), ("r2",)]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("run porbe", "no job porbe: did you mean probe? there is: probe"),
        ("run probe -p number", "-p number: write -p name=value"),
        ("run probe -p number=many", "number=many: input should be a valid integer"),
        ("run probe -p nubmer=1", "no parameter nubmer: did you mean number?"),
        ("run probe -p number=1 -p number=2", "is given 2 times: a run takes one value, `daybook sweep` takes several"),
        ("run probe --params there-is-none.yaml", "there-is-none.yaml cannot be read"),
        ("run probe --params list.yaml", "list.yaml holds no parameters"),
        ("run probe --params broken.yaml", "broken.yaml cannot be read"),
        ("run probe --engine steam", "'steam' is not one of 'shell', 'kernel'; see `daybook run --help`"),
        ("run probe --time-limit 0", "'0' is not a number of at least 0.1"),
        ("run", "Missing argument 'NAME'"),
        ("runn probe", "No such command 'runn'"),
        ("sweep probe -p number=1..9", "say how many to draw with --sample"),
        ("sweep probe -p number=9..1 --sample 3", "a range goes up"),
        ("sweep probe -p number=1 --workers 0", "'0' is not a number of at least 1"),
        ("sweep probe -p number=1 --minimize a --maximize b", "only with --trials they may name several"),
        ("sweep probe -p number=1..9 --trials 3 --minimize a --maximize a", "name each metric once"),
        ("sweep probe -p number=1..9 --trials 3 --sample 3", "use one of them"),
        ("sweep probe -p number=1,2 --runs moon://base", "moon://base is no place to keep files in"),
        ("list --limit many", "'many' is not a number"),
        ("show 1999", "no run 1999"),
        ("rerun 1999", "no run 1999"),
        ("clean probe", "Missing option '--keep'"),
    ],
)
def test_wrong_calls_are_one_sentence(probe: Probe, capfd: pytest.CaptureFixture, words: str, hint: str) -> None:
    probe("1 + 1")
    Path("list.yaml").write_text("- 1\n")
    Path("broken.yaml").write_text("a: b: c\n")
    assert main(words.split()) == 2
    said = capfd.readouterr().err.strip().splitlines()
    lines = [line for line in said if not re.fullmatch(r"[ 0-9:-]*probe .*", line)]  # the progress of a sweep
    assert len(lines) == 1 and lines[0].startswith("daybook: ") and hint in lines[0]
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("changes", "code", "printed"),
    [
        ({"metrics": {"mae": 2.0}, "model": "demand:ab12"}, 0, "mae              2.0"),
        ({"alert": "half of the rows are missing"}, 3, "ALERT: half of the rows are missing"),
        ({"verdict": "OK", "summary": "Nothing has moved"}, 0, "OK: Nothing has moved\n"),
        ({"verdict": "WARNING", "summary": "Too few", "command": "daybook list"}, 0, "Too few\nnext: daybook list\n"),
        ({"status": "failed", "error": "ValueError: late"}, 1, "probe failed after 4.2 s: ValueError: late"),
        ({"status": "failed", "error": "DaybookError: no rows"}, 1, "DaybookError: no rows"),
    ],
)
def test_run_ends_with_an_exit_code(
    probe: Probe, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, changes: dict, code: int, printed: str
) -> None:
    monkeypatch.setattr(jobs, "run", lambda *_, **__: replace(EXAMPLE, **changes))
    assert main(["run", probe()]) == code
    assert printed in "".join(capsys.readouterr())


def test_run_that_failed_shows_its_cell(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    assert main(["run", probe("message = 'late'", "raise ValueError(message)")]) == 1
    said = capsys.readouterr().err
    assert "raise ValueError(message)" in said and "\x1b" not in said and "message = 'late'" not in said
    assert re.search(r"as far as it came: runs/probe/\S+\n$", said)


def test_main_says_that_it_was_stopped(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "run", stop)
    assert main(["run", probe()]) == 130 and capsys.readouterr().err.strip() == "daybook: stopped"


def test_main_needs_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def fail() -> None:
        raise DaybookError("no project here")

    monkeypatch.setattr("daybook.notebooks.project_root", fail)
    assert main(["params", "train"]) == 2 and capsys.readouterr().err == "daybook: no project here\n"


def test_params_shows_types_defaults_and_help(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    lines = "day: date = date(2011, 1, 1)\nkind: Literal['x', 'y'] = 'x'  # which of them"
    lines += "\nverb: HTTPMethod = HTTPMethod.GET"
    probe("from http import HTTPMethod", parameters=lines)
    assert main(["params", "probe"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"kind +Literal\['x', 'y'\] +'x' +which of them", said)
    assert re.search(r"verb +HTTPMethod: CONNECT, DELETE, GET, .+ +'GET'", said)
    assert main(["params", "probe", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {
        "name": "day",
        "type": "date",
        "allowed": "",
        "default": "2011-01-01",
        "help": "",
    }


def test_run_writes_the_overview_once(probe: Probe, calls: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr("daybook.overview.write_overview", lambda folder: written.append(folder.root))
    assert main(["run", probe()]) == main(["rerun", "last"]) == main("sweep probe -p number=1,2".split()) == 0
    assert written == [str(Path("runs").resolve())] * 3


def test_run_survives_an_overview_that_cannot_be_written(
    probe: Probe, calls: list[tuple], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(folder: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("daybook.overview.write_overview", fail)
    assert main(["run", probe()]) == 0
    assert capsys.readouterr().err == "the overview cannot be written: [Errno 28] No space left on device\n"


OF_NO_JOB = ("adopt", "check", "ship", "docs", "git", "export", "update")


def test_help_and_version(capsys: pytest.CaptureFixture) -> None:
    assert main(["--version"]) == 0 and capsys.readouterr().out == f"daybook {version()}\n"
    jobs_commands = {"run", "sweep", "params", "list", "show", "rerun", "clean"}
    assert set(daybook.commands) == jobs_commands | {*OF_NO_JOB}
    for name in daybook.commands:
        assert main([name, "--help"]) == 0 and f"Usage: daybook {name}" in capsys.readouterr().out
    assert main([]) == 2 and "Usage: daybook" in capsys.readouterr().err


def test_documented_calls_are_understood() -> None:
    text = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    documented = re.findall(r"^    (daybook .*)", text, re.MULTILINE)
    assert len(documented) >= 15
    for line in documented:
        name, *words = shlex.split(line, comments=True)[1:]
        daybook.commands[name].make_context(name, words)
    assert {line.split()[1] for line in documented} >= set(daybook.commands) - {*OF_NO_JOB}


def test_start_is_fast() -> None:
    slow = "rich yaml joblib matplotlib papermill IPython nbconvert pandas psutil fastcore fsspec"
    script = f"import sys; import daybook.cli; print([name for name in '{slow}'.split() if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_command_is_a_module_too(probe: Probe) -> None:
    done = subprocess.run([sys.executable, "-m", "daybook", "run", "nosuch"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "daybook: no job nosuch: there are: none\n")
