"""Scores: a replay asks each model through its own contract and code, and the champion has to repeat itself."""

from dataclasses import replace
from datetime import date

import duckdb
import numpy as np
import pytest

from daybook import example, models
from daybook.evaluation import EvaluationWindow, evaluation_window
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.months import all_metrics, by_day
from daybook.outcomes import outcomes
from daybook.project import DaybookError
from daybook.reference import learned
from daybook.scores import IN_SERVICE, Scores, check_leakage, check_reproducible, logged_scores, replay
from daybook.world import World

pytest_plugins = "worlds"
METRICS = Metrics(example.loss, example.evaluate)


def replayed(world: World, *tags: str, **options: int) -> tuple[Scores, object, dict]:
    """The scores of models in the default window, the window's rows, and the models."""
    loaded = {tag: models.load(tag) for tag in (world.champion, *tags)}
    contracts = {tag: model.contract for tag, model in loaded.items()}
    found = outcomes(Log(example.contract), contracts, world.as_of, str(world.labels))
    window = evaluation_window(found)
    return replay(window.rows, found.contract, world.champion, loaded, **options), window.rows, loaded


def with_columns(scores: Scores, columns: dict[str, np.ndarray]) -> Scores:
    """The scores with other values in some of their columns."""
    return replace(scores, columns={**scores.columns, **columns})


def test_replay_predicts_what_the_service_did(world: World) -> None:
    [candidate] = world.candidates
    scores, rows, _ = replayed(world, candidate)
    assert len(scores) == 28 * 24 and scores.columns["#own"].all()
    np.testing.assert_allclose(scores.y_pred(world.champion), scores.y_pred(IN_SERVICE), rtol=1e-12)
    assert not np.allclose(scores.y_pred(candidate), scores.y_pred(IN_SERVICE))
    assert (np.diff(scores.day.astype(int)) >= 0).all() and scores.y_true.dtype == float
    logged = logged_scores(rows, example.contract)
    np.testing.assert_array_equal(logged.y_pred(IN_SERVICE), scores.y_pred(IN_SERVICE))


def test_replay_in_batches_is_the_same_to_the_last_digit(world: World) -> None:
    scores, *_ = replayed(world)
    again, *_ = replayed(world, batch=100)
    assert by_day(again, METRICS).equals(by_day(scores, METRICS))


def test_replay_asks_a_model_with_a_new_optional_field(world: World, save_variant) -> None:
    _, tag = save_variant("wind: float | None = None", "np.nan_to_num(columns['wind'], nan=100.0)", wind=0.5)
    _, without = save_variant()
    scores, *_ = replayed(world, tag, without)
    assert len(scores) == 28 * 24, "rows that were logged without the field are judged"
    np.testing.assert_allclose(scores.y_pred(tag), scores.y_pred(without) + 100)


@pytest.mark.parametrize("fields", ["wind: float = 2.0", "wind: float | None = 2.0"])
def test_replay_gives_a_new_field_its_default(world: World, save_variant, fields: str) -> None:
    _, tag = save_variant(fields, "columns['wind']", wind=0.5)
    _, without = save_variant()
    scores, *_ = replayed(world, tag, without)
    np.testing.assert_allclose(scores.y_pred(tag), scores.y_pred(without) + 2)


@pytest.mark.parametrize("field", ["wind: float = 2.0", "wind: float | None = 2.0"])
def test_replay_fills_defaults_where_some_rows_have_the_field(world: World, save_variant, field: str) -> None:
    contract, tag = save_variant(field, "columns['wind']", wind=0.5)
    _, without = save_variant()
    log, later = Log(contract), contract.validate(example.sample(200).assign(wind=0.5).tail(24))
    path = log.backfill(later, [1.0] * 24, world.champion, "2024-07-20")
    scores, *_ = replayed(world, tag, without)
    np.testing.assert_allclose(scores.y_pred(tag), scores.y_pred(without) + 2)
    assert path in log.store.list("predictions")


def test_null_that_was_sent_is_no_default(world: World, save_variant) -> None:
    contract, tag = save_variant("wind: float | None = 2.0", "np.nan_to_num(columns['wind'])", wind=0.5)
    log, later = Log(contract), contract.validate(example.sample(200).assign(wind=None).tail(24))
    log.backfill(later, [1.0] * 24, world.champion, "2024-07-20")
    wind = contract.arrays(log.predictions().to_arrow_table())["wind"]
    assert (np.isnan(wind).sum(), (wind == 2.0).sum()) == (24, len(wind) - 24) and len(wind) > 24


def test_replay_refuses_what_the_log_does_not_keep(world: World, save_variant) -> None:
    _, tag = save_variant('sender: str | None = Field(None, json_schema_extra={"iolog": "hash"})')
    with pytest.raises(DaybookError, match="the log does not have sender as it was, and .* -p force=true"):
        replayed(world, tag)


@pytest.mark.parametrize("rule", ["drop", "hash"])
def test_reference_has_no_field_that_the_log_redacts(world: World, save_variant, rule: str) -> None:
    _, tag = save_variant(f'sender: str | None = Field(None, json_schema_extra={{"iolog": "{rule}"}})')
    assert "sender" not in learned(tag).columns and "hour" in learned(tag).columns


def test_check_reproducible_stops_for_another_prediction(world: World) -> None:
    scores, rows, loaded = replayed(world)
    champion = loaded[world.champion]
    assert check_reproducible(scores, rows, champion) == 28 * 24
    logged = scores.y_pred(IN_SERVICE)
    logged[300] += 1
    other = with_columns(scores, {IN_SERVICE: logged})
    with pytest.raises(DaybookError) as error:
        check_reproducible(other, rows, champion)
    assert f"{world.champion} does not repeat itself: 1 of 672 predictions differ" in str(error.value)
    [[name]] = rows.filter(f"hash(prediction_id) = {scores.columns['#id'][300]}").project("prediction_id").fetchall()
    assert name in str(error.value) and "its libraries are the same" in str(error.value)


def test_check_reproducible_uses_the_models_own_tolerance(world: World) -> None:
    scores, rows, loaded = replayed(world)
    close = with_columns(scores, {IN_SERVICE: scores.y_pred(IN_SERVICE) * (1 + 1e-5)})
    with pytest.raises(DaybookError, match="672 of 672"):
        check_reproducible(close, rows, loaded[world.champion])
    assert check_reproducible(close, rows, replace(loaded[world.champion], tolerance=1e-4)) == 28 * 24


def test_check_reproducible_leaves_out_other_versions(world: World) -> None:
    scores, rows, loaded = replayed(world)
    foreign = with_columns(scores, {"#own": ~scores.columns["#own"], IN_SERVICE: scores.y_true})
    assert check_reproducible(foreign, rows, loaded[world.champion]) == 0


def test_check_reproducible_names_libraries_that_changed(world: World) -> None:
    scores, rows, loaded = replayed(world)
    champion = loaded[world.champion]
    before = champion.metadata | {"libraries": champion.metadata["libraries"] | {"numpy": "1.0"}}
    other = with_columns(scores, {IN_SERVICE: scores.y_true})
    with pytest.raises(DaybookError, match="numpy 1.0 → "):
        check_reproducible(other, rows, replace(champion, metadata=before))


def test_check_leakage_refuses_what_has_seen_the_window(world: World) -> None:
    [candidate] = world.candidates
    last = date.fromisoformat(models.metadata(candidate)["last_day"])
    window = EvaluationWindow(duckdb.sql("SELECT 1"), date.fromordinal(last.toordinal() + 1), date(2030, 1, 1), 1)
    assert check_leakage(candidate, example.contract, window)
    with pytest.raises(DaybookError, match=f"and is to be judged from {last} on: train with end={last}"):
        check_leakage(candidate, example.contract, replace(window, start=last))


def test_check_leakage_refuses_what_does_not_say(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "metadata", lambda tag: {})
    window = EvaluationWindow(duckdb.sql("SELECT 1"), date(2030, 1, 1), date(2030, 2, 1), 1)
    with pytest.raises(DaybookError, match="does not say up to which day it has learned"):
        check_leakage(world.candidates[0], example.contract, window)


def test_table_has_the_projects_metrics(world: World) -> None:
    [candidate] = world.candidates
    scores, *_ = replayed(world, candidate)
    totals, daily = all_metrics(scores, METRICS), by_day(scores, METRICS)
    assert list(totals.index) == [IN_SERVICE, world.champion, candidate]
    assert list(totals.columns) == ["n", "mae", "bias"]
    for name in totals.index:
        expected = example.evaluate(scores.y_true, scores.y_pred(name))
        assert totals.loc[name, "mae"] == pytest.approx(expected["mae"]) == daily[name].sum() / daily["n"].sum()
