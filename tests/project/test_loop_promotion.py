"""Backtest and promote as jobs: verdict, exit code and decision, the way back, and the way without a backtest."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from loops import World

pytest_plugins = "loops"

Read = Callable[[], dict[str, Any]]


def test_backtest_judges_and_promotion_follows(world: World, champion: Read) -> None:
    good, old = world.models["good"], world.models["old"]
    output = world.run("backtest", labels=world.labels, candidates=good, code=3)
    assert "ALERT: mae is" in output and "times the" in output
    decision = world.read("backtest", "decision.json")
    assert decision["v"] == 2 and decision["verdict"] == "promote"
    assert all(condition["is_met"] for condition in decision["comparison"]["rule"])
    run = json.loads((world.folder("backtest") / "run.json").read_text())
    assert run["verdict"] == "PROMOTE" and run["summary"].startswith(f"Promote {good}: mae is ")
    assert run["command"] == f"daybook run promote -p candidate={good}" and run["alert"] == decision["alert"]
    assert list(run["metrics"])[:4] == [f"mae_{name}" for name in ("in_service", "when_made", "baseline", "candidate")]
    assert decision["comparison"]["high"] < 0 and decision["champion"] == old
    assert decision["metrics"][good]["mae"] < decision["metrics"][old]["mae"] == pytest.approx(decision["in_service"])
    assert set(decision["inputs"]["models"]) == {good, old}
    assert decision["retrain"]["end"] == decision["window"]["start"] == "2012-06-03"
    assert decision["retrain"]["command"].startswith("daybook sweep train -p start=2012-03-05,")
    path = world.folder("backtest") / "decision.json"

    changed = world.home / "changed.json"
    changed.write_text(path.read_text().replace(decision["inputs"]["rows"], "1-0", 1))
    output = world.run("promote", candidate=good, decision=changed, code=1)
    assert "the log or its actuals changed since" in output and champion()["model"] == old

    world.run("promote", candidate=good, decision=path)
    now = champion()
    assert (now["model"], now["previous"], now["decision"]) == (good, old, decision["run"])
    assert now["metrics"] == decision["metrics"][good] and now["reason"].startswith("mae ")
    assert now["promoted_by"] and now["promoted_at"]
    stored = {file.name for file in (world.home / "models").iterdir()}
    assert stored == {f"{tag.replace(':', '-')}.bentomodel" for tag in (good, old)}

    world.run("promote", candidate="previous", reason="a try")
    assert (champion()["model"], champion()["previous"]) == (old, good)
    assert champion()["reason"] == "Back to the champion before: a try"


def test_a_candidate_that_is_no_better_is_kept_out_unless_forced(world: World, champion: Read) -> None:
    poor, good = world.models["poor"], world.models["good"]
    world.run("backtest", labels=world.labels, candidates=f"{poor},{good}", code=3)
    decision = world.read("backtest", "decision.json")
    assert decision["comparison"]["candidate"] == good and decision["comparison"]["level"] == 0.975
    world.run("backtest", labels=world.labels, candidates=poor, code=3)
    decision = world.read("backtest", "decision.json")
    assert decision["verdict"] == "keep" and decision["comparison"]["difference"] > 0
    path = world.folder("backtest") / "decision.json"
    assert "does not speak for" in world.run("promote", candidate=poor, decision=path, code=1)
    assert "without a backtest, with -p reason=" in world.run("promote", candidate=poor, force="true", code=1)
    world.run("promote", candidate=poor, force="true", reason="a drill")
    assert (champion()["model"], champion()["reason"]) == (poor, "Without a backtest: a drill")


def test_backtest_as_of_a_day_sees_what_had_arrived(world: World) -> None:
    world.run("backtest", labels=world.labels, as_of="2012-02-01", tolerated=5)
    decision = world.read("backtest", "decision.json")
    assert decision["window"]["end"] == "2012-01-29" and decision["actuals"]["days_late_median"] == 3.0
    facts = decision["actuals"]
    assert facts["with_actual"] < facts["predictions"] < 31 * 24 + 1, "February was not there yet"
    assert facts["predicted_after_as_of"] > 3000
    run = json.loads((world.folder("backtest") / "run.json").read_text())
    assert (run["alert"], run["verdict"]) == (decision["alert"], "ALERT" if decision["alert"] else "OK")
