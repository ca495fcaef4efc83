"""Classes without a time, over the loop: a world, drift, a backtest, a decision, and rows that cannot be judged."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from flowers import project, sample, save
from matplotlib import pyplot as plt

from daybook import models
from daybook.backtest_report import judge
from daybook.drift_report import look
from daybook.evaluation import evaluation_window, rows_sha
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.outcomes import outcomes
from daybook.project import DaybookError
from daybook.world import World, world

pytest_plugins = "flowers"


@pytest.fixture(autouse=True)
def own_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in the test's own store."""
    monkeypatch.setattr("daybook.world.isolate", lambda: home)


def world_of(flowers: SimpleNamespace, frame: pd.DataFrame | None = None) -> World:
    """A world of flowers."""
    frame = sample(flowers.contract) if frame is None else frame
    return world(flowers.contract, frame, flowers.fit, flowers.predict, flowers.evaluate)


def metrics_of(flowers: SimpleNamespace) -> Metrics:
    """The metrics of a project."""
    return Metrics(flowers.loss, flowers.evaluate)


@pytest.mark.long
def test_world_without_a_time_deals_days(flowers: SimpleNamespace) -> None:
    made, log = world_of(flowers), Log(flowers.contract)
    assert (str(made.start), str(made.end), len(made.candidates)) == ("2024-03-30", "2024-06-28", 1)
    assert log.predictions().aggregate("count(DISTINCT CAST(ts AS DATE))").fetchall() == [(90,)]
    assert log.predictions().aggregate("count(DISTINCT prediction)").fetchall() == [(3,)]
    assert list(pd.read_parquet(made.labels)) == ["number", "species", "received"]


@pytest.mark.long
def test_world_without_a_key_has_actuals_in_its_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flowers = project(home / "keyless", key="()")
    monkeypatch.chdir(flowers.root)
    made, log = world_of(flowers), Log(flowers.contract)
    assert made.labels is None and len(log.actuals()) == len(log.predictions())
    found = judge(log, metrics_of(flowers), made.candidates, as_of=made.as_of)
    assert found.decision.leakage == "unknown" and found.repeated == found.decision.window.rows
    assert "neither a time nor a key: make sure that it has not" in found.summary()
    assert found.decision.reference.days is None


@pytest.mark.long
def test_backtest_of_classes(flowers: SimpleNamespace) -> None:
    made, log = world_of(flowers), Log(flowers.contract)
    found = judge(log, metrics_of(flowers), made.candidates, as_of=made.as_of, labels=made.labels)
    decision = found.decision
    assert (decision.metric, decision.leakage, list(found.table)) == ("log_loss", "none", ["n", "log_loss", "accuracy"])
    assert found.scores.y_pred("in service").shape == (decision.window.rows, 3)
    assert decision.reference.words == "all rows that the model learned from" and decision.reference.days is None
    assert decision.metrics["base rate"]["log_loss"] > 2 * decision.in_service
    names = ["when made", "baseline", *(f"calibration of {name}" for name in flowers.contract.classes)]
    assert [check.name for check in decision.checks] == names and not decision.alert
    assert found.months["reference"].nunique() == 1 and decision.actuals["of_unknown_class"] == 0
    assert {name.split()[0] for name in found.slices["slice"]} >= {"garden", "sepal"}
    assert json.loads(decision.model_dump_json())["metrics"]["in service"]["accuracy"] > 0.8
    picture = found.picture_predictions()
    assert all(f"{name} " in picture.alt for name in flowers.contract.classes) and "rows right" in picture.alt
    found.picture_months()
    plt.close("all")


def test_backtest_refuses_a_candidate_that_has_learned_the_keys(flowers: SimpleNamespace) -> None:
    made, log = world_of(flowers), Log(flowers.contract)
    peeking = save(flowers, sample(flowers.contract))
    with pytest.raises(DaybookError, match=rf"{peeking} has learned from \d+ of the rows that it is to be judged by"):
        judge(log, metrics_of(flowers), [peeking], as_of=made.as_of, labels=made.labels)


@pytest.mark.long
def test_backtest_alerts_where_classes_are_mixed_up(flowers: SimpleNamespace) -> None:
    made, log = world_of(flowers), Log(flowers.contract)
    labels = pd.read_parquet(made.labels)
    classes = list(flowers.contract.classes)
    labels["species"] = labels["species"].map(dict(zip(classes, [*classes[1:], classes[0]], strict=True)))
    labels.to_parquet("turned.parquet")
    found = judge(log, metrics_of(flowers), as_of=made.as_of, labels="turned.parquet")
    assert (found.verdict(), found.command()) == ("ALERT", "daybook run train")
    assert [check.is_alert for check in found.decision.checks][:2] == [True, True]
    assert found.decision.retrain.end is None and found.decision.retrain.starts == []


@pytest.mark.long
def test_outcomes_count_classes_that_the_contract_does_not_know(flowers: SimpleNamespace) -> None:
    made, log = world_of(flowers), Log(flowers.contract)
    own, labels = {made.champion: flowers.contract}, pd.read_parquet(made.labels)
    before = outcomes(log, own, made.as_of, made.labels)
    labels.loc[700, "species"] = "tulip"
    labels.to_parquet("unknown.parquet")
    found = outcomes(log, own, made.as_of, "unknown.parquet")
    assert found.facts["of_unknown_class"] == 1 and before.facts["of_unknown_class"] == 0
    assert found.facts["with_actual"] == before.facts["with_actual"] - 1
    assert rows_sha(evaluation_window(found)) != rows_sha(evaluation_window(before))


@pytest.mark.long
def test_backtest_alerts_where_actuals_are_of_no_class_of_the_contract(flowers: SimpleNamespace) -> None:
    """They were left out in silence: OK on the other rows, or a false alarm about calibration."""
    made, log = world_of(flowers), Log(flowers.contract)
    labels = pd.read_parquet(made.labels)
    for share, is_alert in ((0.4, True), (0.008, False)):
        few = np.random.default_rng(0).random(len(labels)) < share
        labels.assign(species=labels["species"].where(~few, "tulip")).to_parquet("new.parquet")
        found = judge(log, metrics_of(flowers), as_of=made.as_of, labels="new.parquet")
        [check] = [check for check in found.decision.checks if check.name == "classes"]
        assert check.is_alert == is_alert and check.ratio == pytest.approx(share, rel=0.6)
        assert "of the actuals are of no class of the contract (tulip): extend 00_data" in check.words
        assert (found.verdict() == "ALERT", "(tulip)" in found.summary()) == (is_alert, is_alert)
        assert found.command() is None
    day = (labels["received"] - pd.Timedelta(days=1)).dt.normalize()
    for days in (7, 20):  # a new class, from a day on
        new = labels["species"].where((day <= day.max() - pd.Timedelta(days=days)) | (labels.index % 5 > 1), "tulip")
        labels.assign(species=new).to_parquet("new.parquet")
        found = judge(log, metrics_of(flowers), as_of=made.as_of, labels="new.parquet")
        assert found.verdict() == "ALERT" and "(tulip)" in found.summary()
        assert not any("only" in note for note in found.decision.notes), "their actuals are there"
    labels.assign(species=labels["species"].where(day <= day.max() - pd.Timedelta(days=40), "tulip")).to_parquet(
        "new.parquet"
    )
    with pytest.raises(DaybookError, match=r"no actual about .* can judge: \d+ are of no class .*tulip"):
        judge(log, metrics_of(flowers), as_of=made.as_of, labels="new.parquet")
    labels.assign(species="Setosa").to_parquet("new.parquet")
    with pytest.raises(DaybookError, match=r"\d+ have an actual of a class that the contract does not know"):
        judge(log, metrics_of(flowers), as_of=made.as_of, labels="new.parquet")


@pytest.mark.long
def test_outcomes_of_one_class_name_it(flowers: SimpleNamespace) -> None:
    made, log = world_of(flowers), Log(flowers.contract)
    pd.read_parquet(made.labels).assign(species="virginica").to_parquet("same.parquet")
    found = outcomes(log, {made.champion: flowers.contract}, made.as_of, "same.parquet")
    with pytest.raises(DaybookError, match="are virginica: nothing can be judged by that"):
        evaluation_window(found)


@pytest.mark.long
def test_drift_sees_the_predicted_class_move(flowers: SimpleNamespace) -> None:
    made, log = world_of(flowers), Log(flowers.contract)
    quiet = look(log, made.champion, min_rows=100)
    assert quiet.verdict == "none" and quiet.is_same_season
    kinds = {change.name: change.kind for change in quiet.changes}
    assert kinds["prediction"] == "category" and "number" not in kinds and kinds["sepal length"] == "number"
    frame = sample(flowers.contract, 1500, seed=2)
    later = frame[frame["species"] == "virginica"].reset_index(drop=True)
    log.backfill(later, models.load(made.champion).predict(later), made.champion, "2024-08-01")
    drift = look(log, made.champion, days=7)
    assert drift.verdict == "drift" and "prediction" in {change.name for change in drift.moved}
    before = look(log, made.champion, end=made.end, against="before", min_rows=100)
    assert not [change.name for change in before.moved if "distribution" in change.reasons]
    drift.picture()
    plt.close("all")


ODD = """Literal["it's", 'a "b"', "ß, {x}=1"]"""


@pytest.mark.long
@pytest.mark.parametrize("target", ["Literal[1, 2, 3]", 'Enum("Kind", {"a": "setosa", "b": "versicolor"})', ODD])
def test_classes_may_be_integers_an_enum_or_any_text(home: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    flowers = project(home / "other", target=target)
    monkeypatch.chdir(flowers.root)
    made, log = world_of(flowers), Log(flowers.contract)
    found = judge(log, metrics_of(flowers), made.candidates, as_of=made.as_of, labels=made.labels)
    assert found.classes == [str(value) for value in flowers.contract.classes]
    assert found.decision.metrics["in service"]["accuracy"] > 0.8
    assert look(log, made.champion, min_rows=100).verdict == "none"


@pytest.mark.long
def test_backtest_without_candidates_takes_a_log_that_hashes_a_field(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flowers = project(home / "hashed", garden="hash")
    monkeypatch.chdir(flowers.root)
    monkeypatch.setenv("IOLOG_HASH_KEY", "a key")
    made, log = world_of(flowers), Log(flowers.contract)
    gardens = log.predictions().project("garden").distinct().fetchall()
    assert len(gardens) == 2 and {len(garden) for (garden,) in gardens} == {32}
    found = judge(log, metrics_of(flowers), made.candidates, as_of=made.as_of, labels=made.labels)
    assert (made.candidates, found.repeated, list(found.table.index)) == ([], None, ["in service", "base rate"])
    assert "cannot be replayed" in found.repetition() and "log_loss_champion" not in found.run_metrics()
    other = save(flowers, sample(flowers.contract).assign(number=[f"N{k}" for k in range(1500)]))
    with pytest.raises(DaybookError, match="the log does not have garden as it was"):
        judge(log, metrics_of(flowers), [other], as_of=made.as_of, labels=made.labels)
