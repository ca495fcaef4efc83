"""The page of all runs, and the pictures of metrics on it."""

import math
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from test_recent import NOW, champion, made

from daybook.files import Folder
from daybook.overview import Overview, overview_page, update_overview, write_overview
from daybook.runs import Run, open_runs
from daybook.trends import Line, lines_of, metric_of, trend_names, trend_svg


def page(*runs: Run, **facts: object) -> str:
    """The page of some runs."""
    jobs: dict[str, list[Run]] = {}
    for run in runs:
        jobs.setdefault(run.job, []).append(run)
    return overview_page(Overview(**{"project": "rentals", "written": NOW, "production": None, "jobs": jobs} | facts))


def is_well_formed(text: str) -> bool:
    """Whether every element is closed in order."""
    open_tags: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list) -> None:
            if tag not in ("meta", "br"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Parser().feed(text)
    return not open_tags


def test_page_answers_first() -> None:
    alert = made("drift", alert="hum has moved", command="daybook run backtest", metrics={"moved": 1})
    text = page(alert, made("train", verdict="OK", summary="Better than the baseline"), production=champion(5))
    order = ["Something has to be done: drift", "hum has moved", "daybook run backtest", "demand:ab12", "Better than"]
    assert [text.index(each) for each in order] == sorted(text.index(each) for each in order)
    assert f'href="drift/{alert.id}/report.html"' in text and "see above" in text
    assert is_well_formed(text) and "://" not in text and "promoted since" not in text


@pytest.mark.parametrize(("days", "ends"), [((0.1, 0.05), ("03:36", "04:48")), ((9, 2), ("2024-02-21", "2024-02-28"))])
def test_trends_say_when(days: tuple[float, float], ends: tuple[str, str]) -> None:
    text = page(*(made("backtest", each, metrics={"mae": each}) for each in sorted(days)))
    assert all(f">{end}<" in text for end in ends)


@pytest.mark.parametrize(
    ("runs", "facts", "expected"),
    [
        ([], {}, ["Nothing has been run yet", "champion.json cannot be read"]),
        ([], {"production": champion(1)}, ["since", "2024-02-29 06:00 UTC"]),
        ([made("drift", verdict="OK")], {}, ["Nothing has to be done."]),
        ([made("train", status="running")], {}, ["RUNNING", "Nothing has to be done."]),
        ([made("train", status="failed", error=None)], {}, ["FAILED", "it failed"]),
        (
            [made("drift", 5, alert="hum has moved")],
            {"production": champion(1)},
            ["Nothing has to be done.", "ALERT", "(a model was promoted since)"],
        ),
        ([made("train", sweep="1")], {"sweeps": ["1"]}, ["of a sweep:", 'href="sweeps/1/report.html"']),
    ],
)
def test_page_of_few_runs(runs: list[Run], facts: dict, expected: list[str]) -> None:
    text = page(*runs, **facts)
    assert all(each in text for each in expected) and is_well_formed(text)


def test_page_says_that_no_model_is_in_production() -> None:
    none = replace(champion(1), model=None)
    text = page(production=none)
    assert "No model is in production yet" in text and "daybook run train" in text
    older, newer = (made("train", hour, model=f"demand:{hour}") for hour in (1, 2))
    text = page(made("train", 3, model="demand:worst", sweep="1"), newer, older, production=none)
    assert "daybook run promote -p candidate=demand:2<" in text, "the newest that is no part of a sweep"


def test_page_links_the_backtest_that_decided() -> None:
    decided = made("backtest", 7, verdict="PROMOTE")
    text = page(decided, production=replace(champion(1), decision=decided.id, promoted_by="Ada", previous="demand:old"))
    assert "this backtest</a>" in text and "by Ada" in text and "demand:old" in text


def test_page_shows_text_from_outside_as_text() -> None:
    bad = "<script>alert(1)</script>\"'&"
    run = made("drift", alert=bad, summary=bad, command=bad, metrics={bad: 1.0})
    runs = [replace(run, job=bad, id=bad), replace(run, job=bad, id="2", status="failed", error=bad, sweep=bad)]
    production = replace(champion(1), model=bad, reason=bad, promoted_by=bad, previous=bad, metrics={bad: 1.0})
    text = page(*runs, project=bad, production=production, sweeps=[bad])
    assert "<script>alert" not in text and text.count("<script>") == 1 and is_well_formed(text)
    assert all(re.fullmatch(r"[\w.%/-]+", link) for link in re.findall(r'href="(.*?)"', text))


def test_links_lead_to_reports(tmp_path: Path) -> None:
    folder, runs = open_runs(tmp_path), [made("train"), made("a job & more"), made("drift", 2)]
    for run in runs:
        folder.put(f"{run.path}/run.json", run.to_json())
        folder.put(f"{run.path}/report.html", b"")
    folder.put("sweeps/1/report.html", b"")
    update_overview(folder)
    links = set(re.findall(r'href="(.*?)"', (tmp_path / "index.html").read_text(encoding="utf-8")))
    assert len(links) == 4 and all((tmp_path / unquote(link)).is_file() for link in links)


def test_write_overview_writes_elsewhere(probe: Callable) -> None:
    folder = open_runs("memory://overview/runs")
    folder.put("train/1/run.json", made("train").to_json())
    assert write_overview(folder) == "memory:///overview/runs/index.html"
    assert b"train/1/report.html" in folder.read("index.html")
    for path in folder.list():
        folder.delete(path)


def test_write_overview_is_atomic(probe: Callable) -> None:
    folder = open_runs()
    for days in range(30):
        run = made("train", days)
        folder.put(f"{run.path}/run.json", run.to_json())
    write_overview(folder)
    threads = [threading.Thread(target=lambda: [write_overview(folder) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert folder.read("index.html").endswith(b"</html>\n")
    assert [path.name for path in Path("runs").iterdir() if path.is_file()] == ["index.html"]


def test_update_overview_says_why_it_cannot(probe: Callable, capsys: pytest.CaptureFixture) -> None:
    Path("runs").write_text("a file")
    update_overview(open_runs())
    said = capsys.readouterr().err
    assert said.startswith("the overview cannot be written: ") and said.count("\n") == 1


def test_overview_imports_nothing_large() -> None:
    large = "matplotlib pandas numpy bentoml nbconvert IPython"
    script = f"import sys; import daybook.overview; print([name for name in '{large}'.split() if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("mae_in_service", ("mae", "in service")),
        ("log_loss_when_made", ("log_loss", "when made")),
        ("baseline_mae", ("mae", "baseline")),
        ("mae", ("mae", "")),
        ("baseline", ("baseline", "")),
    ],
)
def test_metric_of_a_name(name: str, metric: tuple[str, str]) -> None:
    assert metric_of(name) == metric


def test_trend_names_of_a_job() -> None:
    names = ["mae_in_service", "rows", "mae_when_made", "mae_baseline", "mae_candidate", "bias", "rmse"]
    assert trend_names([made("backtest", metrics=dict.fromkeys(names, 1))]) == [
        ["mae_in_service", "mae_when_made", "mae_baseline"],
        ["bias"],
    ]
    assert trend_names([]) == []


def test_lines_have_gaps_and_at_least_two_numbers() -> None:
    values = [1, math.nan, "gone", math.inf, 3]  # the newest first
    runs = [made("drift", day, metrics={} if value == "gone" else {"psi": value}) for day, value in enumerate(values)]
    [line] = lines_of(runs, ["psi", "moved"])
    assert str(line.values) == "[3.0, nan, nan, nan, 1.0]"
    svg = trend_svg("psi", runs, [line])
    assert "nan" not in svg and svg.count("<circle") == 2 and "psi from 3 to 1, between 1 and 3" in svg


def test_trend_marks_alerts_and_needs_no_colour() -> None:
    runs = [made("drift", 1, alert="moved"), made("drift", 8)]
    svg = trend_svg("psi", runs, [Line("in service", [1.0, 2.0]), Line("when made", [1.0, 1.0])])
    assert svg.count('class="alert"') == 1 == svg.count("<circle") and "1 with an alert" in svg
    assert "in service</text>" in svg and "when made</text>" in svg and 'role="img"' in svg


def test_overview_of_a_folder_that_cannot_be_listed(probe: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_runs("memory://overview/lost")
    monkeypatch.setattr(type(folder.fs), "ls", lambda *_, **__: 1 / 0)
    update_overview(folder)  # a sentence, and no exception
    assert not Folder.list(open_runs())
