"""A decision: what it says, how it is read, and whether it still holds."""

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from daybook import example, judging
from daybook.backtest import Condition
from daybook.backtest_report import judge
from daybook.champion import promote
from daybook.decision import Decision, check_decision, find_decision, nullable, parse_decision, read_decision
from daybook.files import Folder
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.project import DaybookError
from daybook.runs import Run, code_sha256
from daybook.world import World

pytest_plugins = "worlds"
NAN = float("nan")


MADE = []


@pytest.fixture
def decision(world: World) -> Decision:
    """The decision of a backtest that speaks for the world's candidate; made once, as each test has the same log."""
    if not MADE:
        metrics, options = Metrics(example.loss, example.evaluate), {"as_of": world.as_of, "labels": str(world.labels)}
        MADE.append(judge(Log(example.contract), metrics, world.candidates, **options).decision)
    return MADE[0]


def check(decision: Decision, tag: str = "", **changes: object) -> None:
    """Check a decision of which something has changed."""
    options = {"code": code_sha256(), "now": decision.made} | changes
    check_decision(decision, example.contract, tag or decision.comparison.candidate, **options)


def test_decision_is_read_as_it_was_written(decision: Decision, tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(decision.model_dump(mode="json"), default=str))
    assert read_decision(str(path)) == read_decision(f"file://{path}") == decision
    content = json.loads(path.read_text())
    assert content["v"] == 2 and content["actuals"]["predictions"] == 2160
    assert set(content["inputs"]) == {"as_of", "labels", "folder", "store", "rows", "models", "code"}


@pytest.mark.parametrize(
    "text, sentence",
    [
        ('{"v": 1}', r"no decision of this version \(v: "),
        ('{"run": "a", "figure": "mae"}', "run the backtest again"),
        ("no json", r"no decision of this version \(the file: "),
    ],
)
def test_decision_of_another_version_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(DaybookError, match=sentence):
        parse_decision(text, "decision.json")


def test_decision_has_a_schema(decision: Decision) -> None:
    schema = Decision.model_json_schema()
    assert set(schema["required"]) <= set(decision.model_dump(mode="json")) == set(schema["properties"])
    assert schema["properties"]["v"]["const"] == 2
    assert set(schema["$defs"]["Condition"]["properties"]) == {"name", "needed", "found", "is_met", "words"}
    assert set(schema["$defs"]["Check"]["properties"]) >= {"name", "ratio", "low", "high", "least", "most", "is_alert"}


def test_decision_of_labels_without_a_time_of_arrival_holds(world: World, tmp_path: Path) -> None:
    """Nothing says when they arrived, so neither does the decision; the labels are the same when it is checked."""
    labels = pd.read_parquet(world.labels).drop(columns="received")
    labels.to_parquet(tmp_path / "labels.parquet")
    metrics = Metrics(example.loss, example.evaluate)
    found = judge(
        Log(example.contract), metrics, world.candidates, end=date(2024, 7, 1), labels=str(tmp_path / "labels.parquet")
    )
    assert found.decision.inputs.as_of is None
    check(found.decision)
    labels.assign(rentals=labels["rentals"] + 1).to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(DaybookError, match="the log or its actuals changed"):
        check(found.decision)


def test_decision_that_is_absent_is_one_sentence() -> None:
    with pytest.raises(DaybookError, match="nowhere/decision.json cannot be read"):
        read_decision("nowhere/decision.json")


def test_nullable_has_null_for_nan(decision: Decision) -> None:
    assert nullable({"log_loss": 1, "roc_auc": NAN}) == {"log_loss": 1.0, "roc_auc": None}
    other = decision.model_copy(update={"metrics": {"demand:a": nullable({"roc_auc": NAN})}})
    assert Decision.model_validate_json(other.model_dump_json()) == other


def save_run(folder: Path, number: int, decision: Decision | str) -> None:
    """A run of the backtest that left a decision."""
    run = Run(f"2024070{number}T000000-00000000", "backtest", "nbs/04.ipynb", {}, "done", f"2024-07-0{number}T00:00:00")
    (folder / run.path).mkdir(parents=True)
    (folder / run.path / "run.json").write_bytes(run.to_json())
    text = decision if isinstance(decision, str) else decision.model_dump_json()
    (folder / run.path / "decision.json").write_text(text)


def test_find_decision_takes_the_newest_that_judged_the_candidate(decision: Decision, tmp_path: Path) -> None:
    tag, runs = decision.comparison.candidate, Folder.at(tmp_path)
    assert find_decision(runs, tag) is None
    for number in (1, 2):
        save_run(tmp_path, number, decision.model_copy(update={"run": str(number)}))
    other = decision.inputs.model_copy(update={"models": {"demand:other": "0", decision.champion: "0"}})
    save_run(tmp_path, 3, decision.model_copy(update={"run": "3", "inputs": other}))
    save_run(tmp_path, 4, '{"verdict": "promote", "figure": "mae"}')
    assert find_decision(runs, tag).run == "2"
    assert find_decision(runs, "demand:other").run == "3"
    assert find_decision(runs, decision.champion) is None, "it was not judged as a candidate"


def test_decision_holds_while_nothing_changes(decision: Decision) -> None:
    check(decision)
    check(decision, now=decision.made + timedelta(days=29))


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"verdict": "keep"}, "does not speak for demand:[a-z0-9]+: another one was better"),
        ({"comparison": None}, "does not speak for"),
        ({"champion": "demand:other"}, "compared with demand:other, and that is champion no more: run it again"),
        ({"inputs": {"rows": "1-0"}}, "the log or its actuals changed since the backtest None: run it again"),
        ({"inputs": {"code": "0"}}, "the code or its dependencies changed since"),
    ],
)
def test_decision_does_not_hold(decision: Decision, change: dict, sentence: str) -> None:
    tag = decision.comparison.candidate
    if "inputs" in change:
        change = {"inputs": decision.inputs.model_copy(update=change["inputs"])}
    with pytest.raises(DaybookError, match=sentence):
        check(decision.model_copy(update=change), tag)


def test_decision_speaks_for_one_candidate(world: World, decision: Decision) -> None:
    with pytest.raises(DaybookError, match="another one was better"):
        check(decision, world.champion)
    rule = [Condition("gain", 0.1, 0.05, False, "saves 5 %, needs 10 %")]
    kept = decision.comparison.__class__(**vars(decision.comparison) | {"rule": rule})
    poor = decision.model_copy(update={"verdict": "keep", "comparison": kept})
    with pytest.raises(DaybookError, match="does not speak for .*: saves 5 %, needs 10 %"):
        check(poor)


def test_decision_grows_old(decision: Decision) -> None:
    with pytest.raises(DaybookError, match="is 31 days old, and 30 are allowed: run it again"):
        check(decision, now=decision.made + timedelta(days=31))


def test_decision_names_the_model_that_changed(decision: Decision) -> None:
    tag = decision.comparison.candidate
    inputs = decision.inputs.model_copy(update={"models": decision.inputs.models | {tag: "0"}})
    with pytest.raises(DaybookError, match=f"{tag} changed since the backtest"):
        check(decision.model_copy(update={"inputs": inputs}))


def test_decision_ends_with_the_champion(world: World, decision: Decision) -> None:
    promote(world.candidates[0], "A test.", {})
    with pytest.raises(DaybookError, match="is champion no more"):
        check(decision)


def test_decision_sees_a_changed_log_and_changed_labels(decision: Decision, tmp_path: Path) -> None:
    labels = pd.read_parquet(decision.inputs.labels)
    labels.loc[labels.index[-200], "rentals"] += 1
    labels.to_parquet(tmp_path / "labels.parquet")
    other = decision.inputs.model_copy(update={"labels": str(tmp_path / "labels.parquet")})
    with pytest.raises(DaybookError, match="the log or its actuals changed"):
        check(decision.model_copy(update={"inputs": other}))
    [path] = Log(example.contract).folder.glob("predictions/*/*/*.parquet")
    rows = pd.read_parquet(path, partitioning=None)
    rows.loc[len(rows) - 200, "prediction"] += 1
    rows.to_parquet(path)
    with pytest.raises(DaybookError, match="the log or its actuals changed"):
        check(decision)


def test_decision_keeps_no_password(world: World, decision: Decision) -> None:
    """So it cannot read the labels again, and says so."""
    log, found = Log(example.contract), judging.outcomes(Log(example.contract), {}, world.as_of, str(world.labels))
    url = "http://ann:secret@host/labels.csv"
    inputs = judging._inputs(log, found, judging.evaluation_window(found), [], url)
    assert inputs.labels == "http://ann:***@host/labels.csv"
    with pytest.raises(
        DaybookError, match=r"has read http://ann:\*\*\*@host/labels.csv, and its password is kept nowhere"
    ):
        check(decision.model_copy(update={"inputs": inputs}))
