"""What run.json says, what a notebook hands over, and how runs are found."""

import json
import math
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daybook import runs
from daybook.files import Folder
from daybook.project import DaybookError, version
from daybook.runs import Run, all_runs, current, find_run, latest, new_id, open_runs, record, recorded, save_json

NOW = datetime.now(UTC)
RUN = Run(new_id(NOW), "train", "nbs/01_train.ipynb", {"n": 1}, "done", NOW.isoformat(), daybook=version())
NOTHING = dict.fromkeys(("verdict", "summary", "command", "alert", "model", "data"))


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What is displayed, as a notebook saves it: with sorted keys."""
    outputs: list[dict] = []

    def display(data: dict, raw: bool) -> None:
        outputs.append(json.loads(json.dumps({"data": data}, sort_keys=True)))

    monkeypatch.setattr("IPython.display.display", display)
    return outputs


def test_record_shows_and_hands_over(outputs: list[dict]) -> None:
    record(rows=17379, mae=23.456789, model="demand:ab12", alert="late")
    assert "mae              23.4568" in outputs[0]["data"]["text/plain"]
    expected = {"model": "demand:ab12", "alert": "late", "metrics": {"mae": 23.456789, "rows": 17379}}
    assert recorded([{"outputs": outputs}]) == NOTHING | expected | {"verdict": "ALERT"}
    assert list(recorded([{"outputs": outputs}])["metrics"]) == ["rows", "mae"], "the first one ranks a sweep"


def test_recorded_lets_the_last_value_count(outputs: list[dict]) -> None:
    record(mae=2, rmse=3, data="a")
    record(mae=1)
    cells = [{"outputs": outputs[:1]}, {"source": ""}, {"outputs": outputs[1:]}]
    assert recorded(cells) == NOTHING | {"data": "a", "verdict": "OK", "metrics": {"mae": 1, "rmse": 3}}
    assert recorded([{"source": ""}]) == NOTHING | {"metrics": {}}


def test_record_shows_a_card(outputs: list[dict]) -> None:
    record(verdict="PROMOTE", summary="b saves <12 %>", command="daybook run promote", alert="twice the error", mae=2)
    html, text = (outputs[0]["data"][kind] for kind in ("text/html", "text/plain"))
    assert "b saves &lt;12 %&gt;" in html and html.index("ALERT") < html.index("PROMOTE") < html.index(
        "twice the error"
    )
    assert text.splitlines()[0] == "ALERT, PROMOTE  b saves <12 %>  twice the error"
    assert text.splitlines()[-1] == "next: daybook run promote"


@pytest.mark.parametrize(
    "given, verdict",
    [({}, "OK"), ({"alert": "late"}, "ALERT"), ({"verdict": "WARNING"}, "WARNING"), ({"verdict": "KEEP"}, "KEEP")]
    + [({"verdict": "PROMOTE", "alert": "late"}, "PROMOTE"), ({"verdict": "WARNING", "alert": "late"}, "ALERT")],
)
def test_recorded_has_a_verdict(outputs: list[dict], given: dict, verdict: str) -> None:
    record(**given)
    assert recorded([{"outputs": outputs}])["verdict"] == verdict


def test_record_refuses_a_verdict_without_a_badge(outputs: list[dict]) -> None:
    with pytest.raises(DaybookError, match="verdict 'GOOD' is none: use OK, WARNING, ALERT, PROMOTE or KEEP"):
        record(verdict="GOOD")
    assert not outputs


def test_run_is_read_as_it_was_written() -> None:
    assert Run.from_json(RUN.to_json()) == RUN
    assert json.loads(RUN.to_json())["daybook"] == version()
    assert RUN.path == f"train/{RUN.id}" and len(RUN.id) == 24


def test_run_is_json_without_nan(outputs: list[dict]) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    record(figure=math.nan, other=-math.inf)
    run = replace(RUN, **recorded([{"outputs": outputs}]))
    assert json.loads(run.to_json(), parse_constant=refuse)["metrics"] == {"figure": None, "other": None}
    assert math.isnan(Run.from_json(run.to_json()).metrics["figure"])
    json.dumps(outputs, allow_nan=False)  # a kernel warns, in the report, where that cannot be
    outputs[0]["data"]["application/vnd.daybook.record+json"]["metrics"] = [["figure", "nan"]]  # as a kernel writes it
    assert math.isnan(recorded([{"outputs": outputs}])["metrics"]["figure"])


def test_run_of_daybook_0_2_is_read() -> None:
    old = json.loads(RUN.to_json())
    del old["metrics"], old["alert"], old["daybook"]
    old |= {"figures": {"mae": 2.0}, "alarm": "drift", "of_a_later_version": True}
    read = Run.from_json(json.dumps(old).encode())
    assert read == replace(RUN, metrics={"mae": 2.0}, alert="drift", daybook="")


@pytest.mark.parametrize("text", [b"{}", b"[]", b"no JSON", b'"text"'])
def test_run_that_cannot_be_read_raises(text: bytes) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Run.from_json(text)


def test_run_whose_process_is_gone_has_failed() -> None:
    running = replace(RUN, status="running", host=socket.gethostname(), pid=os.getpid())
    assert Run.from_json(running.to_json()).status == "running"
    for dead in (replace(running, pid=2**22 + 1), replace(running, start="2001-01-01T00:00:00+00:00")):
        assert Run.from_json(dead.to_json()).error == "Died: its process ended and did not say how"
    elsewhere = replace(running, host="elsewhere", pid=2**22 + 1)
    assert Run.from_json(elsewhere.to_json()).status == "running"


def test_current_is_the_run_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.run_folder.cache_clear()
    monkeypatch.delenv("DAYBOOK_RUN_ID", raising=False)
    assert current() is None
    monkeypatch.setenv("DAYBOOK_RUN_ID", RUN.id)
    monkeypatch.setenv("DAYBOOK_RUN_FOLDER", str(tmp_path))
    (tmp_path / "run.json").write_bytes(RUN.to_json())
    assert current() == RUN and runs.run_id() == RUN.id
    save_json("decision.json", {"promote": NOW})
    assert json.loads((tmp_path / "decision.json").read_text()) == {"promote": str(NOW)}
    runs.run_folder.cache_clear()


def test_notebook_sha256_is_of_code_alone() -> None:
    cells = [{"cell_type": "code", "source": ["1 + 1"]}, {"cell_type": "markdown", "source": ["text"]}]
    before = runs.notebook_sha256(json.dumps({"cells": cells}).encode())
    cells[1]["source"] = ["a better text"]
    assert runs.notebook_sha256(json.dumps({"cells": cells}).encode()) == before
    cells[0]["source"] = ["1 + 2"]
    assert runs.notebook_sha256(json.dumps({"cells": cells}).encode()) != before


def test_code_sha256_covers_package_and_dependencies(probe: Callable) -> None:
    seen = {runs.code_sha256()}
    for name in ("probes/__init__.py", "probes/deep/data.py", "uv.lock", "pyproject.toml", "beside.py"):
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + "# changed\n")
        seen.add(runs.code_sha256())
    assert len(seen) == 6
    Path("notes.txt").write_text("")
    assert runs.code_sha256() in seen


def test_code_sha256_covers_the_library(probe: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = runs.code_sha256()
    (tmp_path / "daybook").mkdir()
    monkeypatch.setattr(runs, "library_file", str(tmp_path / "daybook" / "__init__.py"))
    assert runs.code_sha256() != before


def test_git_commit_needs_no_git(probe: Callable) -> None:
    assert runs.git_commit() is None or len(runs.git_commit()) >= 40


@pytest.fixture
def folder(probe: Callable) -> Folder:
    """Three runs of two jobs, and a file that is none."""
    folder = open_runs()
    for day, job in enumerate(("train", "drift", "train"), 1):
        run = replace(RUN, id=f"2024010{day}T000000-0123456{day}", job=job, start=f"2024-01-0{day}")
        folder.put(f"{run.path}/run.json", run.to_json())
    folder.put("train/broken/run.json", b"{}")
    folder.put("train/edited/run.json", replace(RUN, summary=3).to_json())
    folder.put("sweeps/1/report.html", b"")
    return folder


def test_all_runs_are_sorted(folder: Folder, capsys: pytest.CaptureFixture) -> None:
    assert [run.start[-1] for run in all_runs(folder)] == ["3", "2", "1"]
    said = capsys.readouterr().err
    assert all(f"train/{id}/run.json cannot be read: left out" in said for id in ("broken", "edited"))
    assert [run.start[-1] for run in all_runs(folder, "drift")] == ["2"]
    assert latest("train").start[-1] == "3"
    with pytest.raises(DaybookError, match="no run of backtest yet: `daybook run backtest` makes one"):
        latest("backtest")


def test_all_runs_are_found_in_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "work [v2]")
    folder.put(f"{RUN.path}/run.json", RUN.to_json())
    assert [run.id for run in all_runs(folder)] == [RUN.id]


def test_find_run_takes_any_part_that_is_clear(folder: Folder) -> None:
    for text in ("20240102", "01234562", "20240102T000000-01234562"):
        assert find_run(folder, text).job == "drift"
    assert find_run(folder, "last").start == "2024-01-03"
    with pytest.raises(DaybookError, match="2024 may be .*: write more of it"):
        find_run(folder, "2024")
    with pytest.raises(DaybookError, match="no run 1999: `daybook list` shows them"):
        find_run(folder, "1999")
    with pytest.raises(DaybookError, match="no run last"):
        find_run(Folder.at(f"{folder.root}/nothing"), "last")
