"""Jobs as people write them: what a cell, a parameter or a folder of runs may hold."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from secret_jobs import outputs, written

from daybook import options
from daybook.cli import daybook
from daybook.jobs import clean, rerun, run
from daybook.notebooks import _content_sha256
from daybook.parameters import model_of, parse
from daybook.project import DaybookError
from daybook.runs import all_runs, open_runs
from daybook.space import space

Probe = Callable[..., str]


def test_rerun_has_the_values_of_the_run(probe: Probe) -> None:
    parameters = "note: str | None = ''\nsizes: list[float] = [1.0]\npenalty: str | None = 'none'"
    job = probe("print(repr((note, sizes, penalty)))", parameters=parameters)
    first = run(job, {"sizes": "nan,1"})
    assert outputs(first) == outputs(rerun("last")) == "('', [nan, 1.0], 'none')\n"


def test_secret_without_a_value_is_no_traceback(probe: Probe) -> None:
    made = run(written("token: SecretStr = SecretStr(None)", "print('begun')"))
    assert (made.status, outputs(made)) == ("done", "begun\n")


def test_secrets_are_told_apart_by_capitals(probe: Probe) -> None:
    parameters = "key: SecretStr = SecretStr('abcdef')\nKEY: SecretStr = SecretStr('abcdef')"
    job = written(parameters, "print(len(key.get_secret_value()), len(KEY.get_secret_value()))")
    assert outputs(run(job, {"key": "abcdef", "KEY": "abcdefghij"})) == "6 10\n"


@pytest.mark.parametrize(
    ("line", "text", "reason"),
    [
        ("x: Literal[1, 2, 8] = 1", "1..8", "input should be"),
        ("x: bool = False", "no..yes", "input should be"),
        ("x: datetime = datetime(2020, 1, 1)", "2020-01-01..2020-02-01T00:00:00Z", "both ends need a time zone"),
    ],
)
def test_range_of_values_that_are_listed_or_differ_in_kind_is_refused(line: str, text: str, reason: str) -> None:
    with pytest.raises(DaybookError, match=reason):
        space(model_of(line), {"x": text})


def test_word_that_is_a_value_is_not_missing() -> None:
    parameters = model_of("penalty: Literal['none', 'l2'] | None = 'l2'")
    assert dict(parse(parameters, {"penalty": "none"})) == {"penalty": "none"}
    assert dict(parse(parameters, {"penalty": ""})) == {"penalty": None}


def test_name_that_would_vanish_is_refused() -> None:
    with pytest.raises(DaybookError, match="is no parameter"):
        model_of("model_config: str = 'a'")


def test_json_of_parameters_may_have_tabs_and_emoji(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps({"note": "\U0001f600"}, indent="\t"))
    assert options.read_file(tmp_path / "p.json") == {"note": "\U0001f600"}


def test_list_finds_what_run_has_made(probe: Probe) -> None:
    job = probe("1", parameters="rate: float = 0.5\nnames: list[str] = ['x']")
    run(job, {"rate": "1e-3", "names": "a,b"})
    for option in ("rate=1e-3", "rate=0.001", "names=a,b"):
        found = CliRunner().invoke(daybook, ["list", job, "-p", option]).output
        assert "no such run" not in found, option
    assert "no such run; there are 1" in CliRunner().invoke(daybook, ["list", job, "-p", "rate=2"]).output


def test_sweep_repeats_a_run_whose_linked_files_have_changed(probe: Probe) -> None:
    for folder in ("elsewhere", "data"):
        Path(folder).mkdir()
    Path("elsewhere/a.txt").write_text("1")
    Path("data/part").symlink_to(Path("elsewhere").resolve())
    Path("data/loop").symlink_to(Path("data").resolve())
    first = _content_sha256(Path("data"))
    assert first == _content_sha256(Path("data"))
    Path("elsewhere/a.txt").write_text("12")
    assert _content_sha256(Path("data")) != first


def test_clean_stays_in_the_folder_of_runs(probe: Probe) -> None:
    made = run(probe("1"))
    for job in ("..", ".", "probe/../.."):
        with pytest.raises(DaybookError, match="is no job"):
            clean(open_runs(), 0, job)
    assert all_runs(open_runs()) == [made]


@pytest.mark.parametrize("content", ["null", "[]", '{"id": "1"}', "[" * 100_000, '"start"'])
def test_file_that_is_no_run_leaves_the_others(probe: Probe, content: str) -> None:
    made = run(probe("1"))
    odd = Path("runs/probe/odd/run.json")
    odd.parent.mkdir()
    odd.write_text(content)
    assert all_runs(open_runs()) == [made]
    wrong = json.loads(Path("runs", made.path, "run.json").read_bytes()) | {"start": None, "seconds": "1"}
    odd.write_text(json.dumps(wrong))
    assert all_runs(open_runs()) == [made]


def test_metric_beyond_all_floats_leaves_the_overview(probe: Probe) -> None:
    made = run(probe("from daybook.runs import record\nrecord(x=10**400, y=2**70)"))
    assert math.isnan(made.metrics["x"]) and made.metrics["y"] == 2**70, "JSON has no infinity"
    assert CliRunner().invoke(daybook, ["list", "--html"]).exit_code == 0


@pytest.mark.parametrize("id", [None, "same"])
def test_notebook_whose_cells_have_no_id_of_their_own_runs_quietly(probe: Probe, id: str | None) -> None:
    path = Path("nbs", f"01_{probe('1', '2')}.ipynb")
    notebook = json.loads(path.read_bytes())
    for cell in notebook["cells"]:
        cell |= {"id": id}
        if id is None:
            del cell["id"]
    path.write_text(json.dumps(notebook))
    code = "from daybook.jobs import run; print(run('probe').path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    executed = json.loads(Path("runs", done.stdout.strip(), "notebook.ipynb").read_bytes())
    assert done.stderr == "" and len({cell["id"] for cell in executed["cells"]}) == 3
