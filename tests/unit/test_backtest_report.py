"""A backtest from the log to the decision: who decides, what is refused, and what is said."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daybook import example, models
from daybook.backtest_report import Backtest, judge
from daybook.champion import promote
from daybook.decision import Decision
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.project import DaybookError
from daybook.scores import IN_SERVICE
from daybook.world import World

pytest_plugins = "worlds"
METRICS = Metrics(example.loss, example.evaluate)


def backtest(world: World, *candidates: str, metrics: Metrics = METRICS, **options: object) -> Backtest:
    """Judge candidates by the world's labels."""
    options = {"as_of": world.as_of, "labels": str(world.labels)} | options
    return judge(Log(example.contract), metrics, candidates, **options)


def test_judge_decides(world: World) -> None:
    [candidate] = world.candidates
    found = backtest(world, candidate)
    decision = found.decision
    assert decision.verdict == "promote" and not decision.missed() and decision.comparison.high < 0
    assert (decision.champion, decision.metric) == (world.champion, "mae")
    champion = decision.metrics[world.champion]["mae"]
    assert decision.metrics[candidate]["mae"] < champion == pytest.approx(decision.in_service)
    assert decision.window.rows == found.repeated == 28 * 24 and decision.window.days == 28
    assert set(decision.inputs.models) == {world.champion, candidate}
    assert decision.inputs.folder is None and decision.inputs.store is None
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_judge_alerts_and_says_what_to_train(world: World) -> None:
    found = backtest(world)
    decision = found.decision
    assert decision.alert.startswith("mae is ") and "times the" in decision.alert
    assert decision.retrain.end == decision.window.start
    assert (found.verdict(), found.alert(), found.command()) == ("ALERT", decision.alert, decision.retrain.command)
    assert found.summary() == decision.alert.rpartition(" (")[0] + "."
    calm = backtest(world, tolerated=5.0)
    assert calm.decision.alert is calm.decision.retrain is calm.alert() is calm.command() is None
    assert calm.verdict() == "OK" and "of when the model was made and 28.8 % less than the baseline" in calm.summary()


def test_judge_says_what_was_missed(world: World) -> None:
    found = backtest(world, world.candidates[0], min_gain=0.9)
    [missed] = found.decision.missed()
    assert found.verdict() == "KEEP" and missed.endswith(" %, needs 90 %")
    assert found.summary() == f"Keep the champion. Of the candidates {world.candidates[0]} is best: {missed}."
    few = backtest(world, min_rows=10_000)
    assert (few.verdict(), few.decision.verdict, few.alert()) == ("WARNING", "keep", None)
    assert "672 rows are too few, 10,000 are needed" in few.summary()


def test_judge_stands_beside_baselines(world: World) -> None:
    decision = backtest(world).decision
    naive, median = (decision.metrics[name]["mae"] for name in ("naive baseline", "median"))
    assert decision.in_service < naive < median
    assert decision.baselines["naive baseline"] == "naive baseline (last value of the same hour and weekday)"
    [made, beside] = decision.checks
    assert (made.name, beside.name) == ("when made", "baseline") and made.is_alert and not beside.is_alert
    assert beside.ratio == pytest.approx(decision.in_service / naive) and beside.high < 1
    reference = decision.reference
    assert reference.value == decision.when_made and reference.low < reference.value < reference.high
    assert reference.days * 24 == reference.rows


def test_a_champion_that_is_no_better_than_a_constant_is_an_alert(world: World, save_variant) -> None:
    """Whatever it was when it was made."""
    _, tag = save_variant(shift="(100 - example.predict(estimator, columns))")
    promote(tag, "A test.", {})
    found = backtest(world, tolerated=50.0)
    made, check = found.decision.checks
    assert made.ratio and not made.is_alert and check.is_alert and found.alert() == check.words
    assert (found.table.loc[tag, "mae"] > found.table.loc["naive baseline", "mae"]) and check.ratio > 1
    assert "worse than the naive baseline" in check.words and found.summary().startswith("The champion is ")
    better = backtest(world, world.candidates[0], tolerated=50.0)
    assert better.verdict() == "PROMOTE" and better.alert() == check.words


def test_a_candidate_that_is_better_and_no_good_is_said(world: World, save_variant) -> None:
    _, tag = save_variant(shift="(40 - example.predict(estimator, columns))")
    _, less = save_variant(shift="(60 - example.predict(estimator, columns))")
    promote(tag, "A test.", {})
    found = backtest(world, less)
    assert found.verdict() == "PROMOTE" and found.summary().endswith(
        " It is no better than the naive baseline, though."
    )


def test_judge_says_which_days_it_has_learned_from(world: World) -> None:
    promote(world.candidates[0], "A test.", {})
    [note] = backtest(world, end=date(2024, 6, 1)).decision.notes
    assert "some of which judge it here: it looks too good" in note


def test_the_best_of_several_candidates_is_compared(world: World, save_variant) -> None:
    _, poor = save_variant(shift="60")
    found = backtest(world, poor, world.candidates[0])
    assert found.decision.comparison.candidate == world.candidates[0] and found.decision.comparison.level == 0.975
    alone = backtest(world, poor).decision
    assert alone.verdict == "keep" and alone.comparison.difference > 0


def test_a_metric_of_the_owners_decides(world: World, save_variant) -> None:
    """30 bicycles too many are worse in bicycles, and better where too few cost 20 times as much."""

    def euros(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return np.where(y_pred < y_true, 20 * (y_true - y_pred), y_pred - y_true)

    def evaluate(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
        return {"euros": float(euros(y_true, y_pred).mean()), **example.evaluate(y_true, y_pred)}

    _, generous = save_variant(shift="30")
    [candidate] = world.candidates
    assert backtest(world, candidate, generous).decision.comparison.candidate == candidate
    found = backtest(world, candidate, generous, metrics=Metrics(euros, evaluate))
    decision = found.decision
    assert (decision.metric, decision.comparison.candidate, decision.verdict) == ("euros", generous, "promote")
    assert decision.metrics[generous]["mae"] > decision.metrics[candidate]["mae"]
    assert decision.metrics[generous]["euros"] < decision.metrics[candidate]["euros"]
    assert "euros is " in found.summary() and list(found.run_metrics())[0] == "euros_in_service"
    assert "euros" in found.slices and "euros" in found.months


def test_models_with_different_features_are_judged_on_the_same_rows(world: World, save_variant) -> None:
    contract, tag = save_variant("wind: float | None = None", wind=1.0)
    found = judge(Log(contract), METRICS, [tag], as_of=world.as_of, labels=str(world.labels))
    assert list(found.decision.metrics) == [IN_SERVICE, world.champion, tag, "naive baseline", "median"]
    assert set(found.table["n"]) == {28 * 24} and found.repeated == 28 * 24


def test_models_that_no_row_can_be_shown_to_are_one_sentence(world: World, save_variant) -> None:
    contract, tag = save_variant("wind: float", wind=1.0)
    with pytest.raises(DaybookError) as error:
        judge(Log(contract), METRICS, [tag], as_of=world.as_of, labels=str(world.labels))
    assert f"{tag} requires wind" in str(error.value)
    assert f'daybook run promote -p candidate={tag} -p force=true -p reason="..."' in str(error.value)


@pytest.mark.parametrize(
    "candidate, sentence",
    [
        ("demand:gone", "there is no model demand:gone"),
        ("CHAMPION", "is the champion already"),
        ("PEEKING", "train with end=2024-06-07"),
    ],
)
def test_judge_refuses_a_candidate(world: World, candidate: str, sentence: str) -> None:
    if candidate == "PEEKING":
        candidate = example.save(example.sample(200))
    with pytest.raises(DaybookError, match=sentence):
        backtest(world, world.champion if candidate == "CHAMPION" else candidate)


def test_a_champion_that_cannot_be_loaded_says_so(world: World) -> None:
    file = Path(models.get(world.champion).path, "examples.json")
    before = file.read_bytes()
    try:
        file.write_bytes(before.replace(b"predictions", b"predicted", 1))
        with pytest.raises(DaybookError, match="is not the model that champion.json names"):
            backtest(world)
    finally:
        file.write_bytes(before)


def test_a_log_that_was_tampered_with_stops_the_backtest(world: World) -> None:
    [path] = Log(example.contract).folder.glob("predictions/*/*/*.parquet")
    rows = pd.read_parquet(path, partitioning=None)
    rows.loc[len(rows) - 300, "prediction"] += 1
    rows.to_parquet(path)
    with pytest.raises(DaybookError, match="does not repeat itself: 1 of 672 predictions differ"):
        backtest(world)


def test_a_champion_in_between_is_judged_by_its_own_rows(world: World) -> None:
    [candidate] = world.candidates
    promote(candidate, "A test.", {})
    found = backtest(world)
    assert found.decision.champion == candidate and found.repeated == 0
    assert found.table.loc[candidate, "mae"] < found.table.loc[IN_SERVICE, "mae"]


def test_report_has_its_pictures(world: World) -> None:
    found = backtest(world, world.candidates[0])
    pictures = {
        "errors": ["mae: champion 16.21", "candidate ", "naive baseline 22.78", "with 95 % intervals"],
        "months": ["mae in service by month", "bias by month"],
        "slices": ["mae of the worst parts: temp"],
        "predictions": ["Calibration, predicted and actual by group"],
        "differences": ["differences to the champion by day"],
    }
    for name, texts in pictures.items():
        picture = getattr(found, f"picture_{name}")()
        assert all(text in picture.alt for text in texts) and "<img alt=" in picture.html, picture.alt
    first = [f"mae_{name}" for name in ("in_service", "when_made", "baseline", "candidate")]
    assert list(found.run_metrics()) == [*first, "rows", "with_actual", "mae_champion"]


def test_report_has_its_tables(world: World) -> None:
    found = backtest(world, world.candidates[0])
    assert found.checks()[""].to_dict() == {"when made": "ALERT", "baseline": "OK"}
    assert found.rule()[""].to_dict() == dict.fromkeys(("days", "rows", "gain", "interval"), "met")
    rows, made = found.basis()
    assert "672 predictions about 28 days from 2024-06-07 on" in rows and "repeats all of the 672" in rows
    assert "99 days and 2,376 rows; mae was " in made or "rows; mae was" in made
