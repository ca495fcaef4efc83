"""The commands that list, show and remove runs."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from daybook.cli import main
from daybook.runs import Run, open_runs

Probe = Callable[..., str]
EXAMPLE = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {"number": 1}, "done", "2024-01-01T00:00:00", 4.25)


def test_list_selects_and_sorts(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    folder = open_runs()
    for number in (2, 3, 1):
        run = replace(EXAMPLE, id=f"{number:024}", parameters={"number": number}, metrics={"twice": 2 * number})
        folder.put(f"{run.path}/run.json", replace(run, status="failed" if number == 3 else "done").to_json())

    def numbers(words: str) -> list[int]:
        assert main(["list", probe(), "--json", *words.split()]) == 0
        return [run["parameters"]["number"] for run in json.loads(capsys.readouterr().out)]

    assert numbers("--sort twice") == [1, 2, 3] and numbers("--sort=-number --limit 2") == [3, 2]
    assert numbers("-p number=2 --status done") == [2] and numbers("--status failed") == [3]
    assert main(["list", "drift"]) == 2 and main(["list", "probe", "--sort", "nothing"]) == 2
    assert main(["list", "--runs", "elsewhere"]) == 0
    assert "jobs: probe\nno runs: `daybook run probe` makes one" in capsys.readouterr().out
    assert main(["list"]) == 0 and re.search(r"probe +0+3 +failed +4\.2", capsys.readouterr().out)


def test_list_of_one_job_has_the_parameters_that_differ(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    folder, same = open_runs(), {"source": "sales.csv", "folds": 1}
    for number in (1, 2):
        run = replace(EXAMPLE, id=f"{number:024}", parameters={**same, "rate": number / 10, "note": "x" * number * 40})
        folder.put(f"{run.path}/run.json", run.to_json())
    assert main(["list", probe()]) == 0
    said = capsys.readouterr().out
    assert "0001   done         4.2   rate=0.1 note=xxx" in said
    assert "0002   done         4.2   rate=0.2 note=xxxx" in said and "x… " in said
    assert "source" not in said and "folds" not in said and "verdict" not in said
    other = replace(EXAMPLE, job="other")
    folder.put(f"{other.path}/run.json", other.to_json())
    assert main(["list"]) == 0 and "rate" not in capsys.readouterr().out


def test_list_cuts_no_id_in_a_narrow_terminal(
    probe: Probe, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = replace(EXAMPLE, model="bike_demand:g4to42xlhc3heax4", metrics={"error" * n: 1.5 for n in (1, 2, 3)})
    open_runs().put(f"{run.path}/run.json", run.to_json())
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["list", probe()]) == 0
    said = capsys.readouterr().out
    assert all(text in said for text in (run.id, run.model, *(f"{name}=1.5" for name in run.metrics)))


def test_show_and_clean(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    run, folder = replace(EXAMPLE, metrics={"twice": 6}), open_runs()
    folder.put(f"{run.path}/run.json", run.to_json())
    folder.put(f"{run.path}/report.html", b"")
    assert main(["show", "last"]) == 0
    said = capsys.readouterr().out
    assert "twice            6" in said and f"runs/probe/{run.id}/report.html" in said and "alert" not in said
    assert main(["show", "last", "--json"]) == 0 and json.loads(capsys.readouterr().out) == json.loads(run.to_json())
    assert main(["clean", "--keep", "0"]) == 0
    assert capsys.readouterr().out == "1 removed, the newest 0 of each job stay\n"
    assert folder.list() == ["index.html"] and run.id not in folder.read("index.html").decode()


def test_show_says_what_a_run_says(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    run = replace(EXAMPLE, verdict="KEEP", summary="No candidate is better", alert="late", command="daybook run drift")
    open_runs().put(f"{run.path}/run.json", run.to_json())
    assert main(["show", "last"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[-7:-3]] == ["verdict", "summary", "alert", "next"]
    assert main(["list", probe()]) == 0 and "ALERT KEEP" in capsys.readouterr().out


def test_list_html_writes_the_overview(probe: Probe, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    open_runs(tmp_path / "artifacts").put(f"{EXAMPLE.path}/run.json", EXAMPLE.to_json())
    assert main(["list", "--html", "--runs", str(tmp_path / "artifacts")]) == 0
    assert capsys.readouterr().out == "../artifacts/index.html\n"
    assert f"probe/{EXAMPLE.id}/report.html" in (tmp_path / "artifacts/index.html").read_text(encoding="utf-8")
    assert main(["list", "--html", "--runs", "memory://nowhere/runs"]) == 0
    assert capsys.readouterr().out == "memory:///nowhere/runs/index.html\n"
    assert main(["list", "probe", "--html"]) == 2 and "only --runs goes with it" in capsys.readouterr().err


def test_list_sorts_by_the_start_of_a_run_and_puts_nan_last(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    """A parameter may be called start, too."""
    probe()
    for number, mae in enumerate([2.0, math.nan, 1.0]):
        run = replace(EXAMPLE, id=f"run-{number}", start=f"2024-01-0{number + 1}", parameters={"start": None})
        open_runs().put(f"probe/run-{number}/run.json", replace(run, metrics={"mae": mae}).to_json())

    def listed(sort: str) -> list[str]:
        assert main(["list", f"--sort={sort}", "--json"]) == 0
        return [run["id"][-1] for run in json.loads(capsys.readouterr().out)]

    assert (listed("start"), listed("-start")) == (["0", "1", "2"], ["2", "1", "0"])
    assert (listed("mae"), listed("-mae")) == (["2", "0", "1"], ["0", "2", "1"])


def test_list_puts_the_failed_last(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    probe()
    for number, status in enumerate(("failed", "done", "pruned", "done")):
        run = replace(EXAMPLE, id=f"run-{number}", status=status, metrics={"mae": float(number)}, verdict="OK")
        open_runs().put(f"probe/run-{number}/run.json", run.to_json())
    for sort, order in (("mae", "1302"), ("-mae", "3120")):
        assert main(["list", f"--sort={sort}", "--json"]) == 0
        assert "".join(run["id"][-1] for run in json.loads(capsys.readouterr().out)) == order
    assert main(["list", "--status", "failed"]) == 0
    assert re.search(r"run-0 +failed +FAILED ", capsys.readouterr().out)


def test_list_refuses_a_parameter_that_no_run_has(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    probe()
    for id, parameters in (("a", {"number": 1}), ("b", {"number": 1, "day": None})):
        run = replace(EXAMPLE, id=id, parameters=parameters)
        open_runs().put(f"probe/{id}/run.json", run.to_json())
    assert main(["list", "-p", "day=none", "--json"]) == 0
    assert [run["id"] for run in json.loads(capsys.readouterr().out)] == ["b"], "the other has no day"
    assert main(["list", "-p", "numbr=none"]) == 2
    assert "no run has a parameter numbr: did you mean number? there are: " in capsys.readouterr().err
    assert main(["list", "-p", "numbr=1", "--runs", "elsewhere"]) == 0, "there are no runs"


def test_copied_run_is_a_run_of_its_own(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    probe()
    for id, start in (("a", "2024-01-01"), ("b", "2024-01-02"), ("b-best", "2024-01-02")):
        run = replace(EXAMPLE, id=id.removesuffix("-best"), start=start)
        open_runs().put(f"{EXAMPLE.job}/{id}/run.json", run.to_json())
    assert main(["show", "b-best"]) == 0 and "run        b-best" in capsys.readouterr().out
    assert main(["clean", "--keep", "2"]) == 0
    assert sorted(path.name for path in Path("runs", EXAMPLE.job).iterdir()) == ["b", "b-best"]
