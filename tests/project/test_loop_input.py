"""What the jobs of the loop cannot work with is one sentence, exit code 1, and no new champion."""

import json
import re

import pytest
from loops import World

pytest_plugins = "loops"
# The command in one process, call by call: what is imported once need not be imported for each sentence.
CALLS = """
import contextlib, io, json, sys
from daybook.cli import main
from daybook.supervisor import warm_up

warm_up("drift", "backtest", "promote")
results = []
for arguments in json.loads(sys.argv[1]):
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(arguments)
    results.append([code, output.getvalue()])
print(json.dumps(results))
"""
OTHER_LOGS = """
import shutil, sys
from pathlib import Path
import pandas as pd

home = Path(sys.argv[1])
for name in ("other", "changed"):
    shutil.copytree(home / "iolog", home / name, dirs_exist_ok=True)
for path in (home / "other").glob("predictions/*/*/*.parquet"):
    pd.read_parquet(path, partitioning=None).drop(columns="weathersit").to_parquet(path)
[path] = (home / "changed").glob("predictions/*/dt=2012-06-01/*.parquet")
rows = pd.read_parquet(path, partitioning=None)
rows.loc[300, "prediction"] += 1
rows.to_parquet(path)
"""
LABELS = {"twice.csv": "dteday,hr,cnt\n2012-01-01,0,7\n2012-01-01,0,9\n"}
LABELS["text.csv"] = "dteday,hr,cnt\n2012-01-01,0,many\n2012-01-01,1,9\n"
LABELS["columns.csv"] = "dteday,hr,rented\n2012-01-01,0,7\n"
LABELS["same.csv"] = "dteday,hr,cnt\n" + "".join(f"2012-01-01,{hour},7\n" for hour in range(20))
PATHS = {"labels", "folder", "decision"}
LABELLED = {"labels": "labels.parquet"}
CASES = {
    "drift-nothing-logged": (
        "drift",
        {"folder": "nowhere"},
        "no prediction of bike_demand is logged in nowhere",
    ),
    "drift-no-such-days": (
        "drift",
        {"start": "1999-01-01", "end": "1999-02-01"},
        "no logged prediction is about 1999-01-01 to 1999-01-31; there are some about 2012-01-01 to 2012-06-30",
    ),
    "drift-empty-window": (
        "drift",
        {"start": "2012-07-05"},
        "the window is empty: its first day is 2012-07-05, and its end 2012-07-01; choose an earlier start",
    ),
    "drift-no-model": ("drift", {"model": "bike_demand:gone"}, "there is no model bike_demand:gone"),
    "drift-other-contract": (
        "drift",
        {"folder": "other"},
        "the log in other has no column weathersit: it was written under another contract",
    ),
    "backtest-nothing-logged": ("backtest", {"folder": "nowhere"}, "no prediction of bike_demand is logged in nowhere"),
    "backtest-no-actuals": ("backtest", {}, "the log in iolog has no actual for any of 4,"),
    "backtest-no-file": ("backtest", {"labels": "gone.parquet"}, "labels: gone.parquet: there is no such file"),
    "backtest-twice": ("backtest", {"labels": "twice.csv"}, "labels have dteday=2012-01-01, hr=0 more than once"),
    "backtest-text": (
        "backtest",
        {"labels": "text.csv"},
        "labels: cnt: input should be a whole number of at most 64 bits: row 0 (many)",
    ),
    "backtest-columns": ("backtest", {"labels": "columns.csv"}, "labels: columns.csv: no column cnt"),
    "backtest-all-the-same": (
        "backtest",
        {"labels": "same.csv"},
        "all 20 actuals about 2011-12-05 to 2012-01-01 are 7: nothing can be judged by that",
    ),
    "backtest-file-is-younger": (
        "backtest",
        {"labels": "same.csv", "as_of": "2012-06-01"},
        "labels have no column `received`, and their file was written on ",
    ),
    "backtest-no-such-days": (
        "backtest",
        LABELLED | {"end": "2011-06-01"},
        "has an actual: there are some from 2012-01-01 to 2012-06-30",
    ),
    "backtest-too-early": (
        "backtest",
        LABELLED | {"as_of": "2011-06-01"},
        "predictions as of 2011-06-01 00:00: nothing to judge by",
    ),
    "backtest-no-model": (
        "backtest",
        LABELLED | {"candidates": "bike_demand:gone"},
        "there is no model bike_demand:gone",
    ),
    "backtest-leakage": ("backtest", LABELLED | {"candidates": "PEEKING"}, "train with end=2012-06-03"),
    "backtest-champion": ("backtest", LABELLED | {"candidates": "OLD"}, "is the champion already"),
    "backtest-not-repeated": ("backtest", LABELLED | {"folder": "changed"}, "does not repeat itself: 1 of 6"),
    "promote-no-model": ("promote", {"candidate": "bike_demand:gone"}, "there is no model bike_demand:gone"),
    "promote-no-backtest": ("promote", {"candidate": "GOOD"}, "no backtest has judged bike_demand:"),
    "promote-champion": ("promote", {"candidate": "OLD"}, "is the champion already"),
    "promote-previous": ("promote", {"candidate": "previous"}, "there was no champion before this one"),
    "promote-force": (
        "promote",
        {"candidate": "GOOD", "force": "true"},
        "should be champion without a backtest, with -p reason='...'",
    ),
    "promote-no-decision": ("promote", {"candidate": "GOOD", "decision": "gone.json"}, "gone.json cannot be read"),
}


@pytest.fixture(scope="module")
def results(world: World) -> dict[str, tuple[int, str]]:
    """Exit code and output of each case, with paths from the world's folder on."""
    for name, text in LABELS.items():
        (world.home / name).write_text(text)
    world.python(OTHER_LOGS, world.home)
    champion, calls = (world.home / "champion.json").read_bytes(), []
    for job, params, _ in CASES.values():
        params = {name: world.models.get(value.lower(), value) for name, value in params.items()}
        params |= {name: str(world.home / params[name]) for name in PATHS & params.keys()}
        words = [word for name, value in params.items() for word in ("-p", f"{name}={value}")]
        calls.append(["run", job, *words, "--runs", str(world.home / "runs")])
    outputs = json.loads(world.python(CALLS, json.dumps(calls)).splitlines()[-1])
    assert (world.home / "champion.json").read_bytes() == champion and not world.project.status()
    shortened = [(code, output.replace(f"{world.home}/", "")) for code, output in outputs]
    return dict(zip(CASES, shortened, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence(results: dict[str, tuple[int, str]], name: str) -> None:
    (code, output), (job, _, sentence) = results[name], CASES[name]
    assert code == 1 and sentence in output, output
    assert re.match(rf"{job} failed after \S+ s: (DaybookError|ModelNotFound): ", output), output
    assert "Traceback" not in output and len(output.strip().splitlines()) == 2, output
