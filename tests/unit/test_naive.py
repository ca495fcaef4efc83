"""Naive baselines of logged rows: what was known before a window, the last value, the median and the base rate."""

from dataclasses import replace
from datetime import date

import duckdb
import pandas as pd
import pytest

from daybook import example, models
from daybook.baseline import naive_baseline
from daybook.contract import Contract
from daybook.evaluation import EvaluationWindow, evaluation_window
from daybook.log import Log
from daybook.naive import LAST, known_before, naive_baselines
from daybook.outcomes import Outcomes, outcomes
from daybook.reference import learned
from daybook.world import World

pytest_plugins = "worlds"


@pytest.fixture
def found(world: World) -> Outcomes:
    """What came of the world's predictions."""
    own = {world.champion: models.contract_of(world.champion)}
    return outcomes(Log(example.contract), own, world.as_of, str(world.labels))


def test_known_before_is_what_had_arrived(world: World, found: Outcomes) -> None:
    window = evaluation_window(found)
    known = known_before(found, world.champion, window)
    first, last, n = known.aggregate("min(day), max(day), count(*)").fetchall()[0]
    assert first == date(2024, 1, 1) and n == 24 * ((last - first).days + 1), "each row once"
    assert last == window.start - pd.Timedelta(days=4), "three days late: no later actual had arrived"


def test_known_before_leaves_out_what_the_champion_learned_later(world: World, found: Outcomes) -> None:
    window = evaluation_window(found, start=date(2024, 2, 1), end=date(2024, 7, 1))
    known = known_before(found, world.champion, window)
    assert known.aggregate("max(day)").fetchall() == [(date(2024, 1, 31),)]


def test_naive_baselines_are_those_of_a_frame(world: World, found: Outcomes) -> None:
    window = evaluation_window(found)
    baselines = naive_baselines(found, world.champion, window)
    assert baselines.words == {
        "naive baseline": "naive baseline (last value of the same hour and weekday)",
        "median": "median",
    }
    known = known_before(found, world.champion, window).df().rename(columns={" y": "rentals"})
    rows = baselines.rows.order("day, hour").df()
    fill = {"temp": 1.0, "weather": None, "holiday": False}
    past = example.contract.validate(known.sort_values(["day", "hour"]).assign(**fill))
    ahead = example.contract.validate(rows[["day", "hour"]].assign(rentals=0, **fill))
    assert naive_baseline(example.contract, past, ahead).predictions.tolist() == rows[LAST.strip('"')].tolist()
    assert baselines.constants["median"] == past["rentals"].median()


def test_naive_baselines_without_a_key_are_the_median(world: World, found: Outcomes) -> None:
    keyless = Contract(example.LabelledRow, target="rentals", time="day", name="demand")
    baselines = naive_baselines(replace(found, contract=keyless), world.champion, evaluation_window(found))
    assert list(baselines.words) == ["median"] and not baselines.has_last


def test_naive_baselines_of_kinds_that_are_new_are_the_median(world: World, found: Outcomes) -> None:
    window = evaluation_window(found)
    moved = EvaluationWindow(window.rows.project("* REPLACE (hour + 100 AS hour)"), window.start, window.end, window.n)
    assert list(naive_baselines(found, world.champion, moved).words) == ["median"]


def test_naive_baselines_of_nothing_known_are_none(world: World, found: Outcomes) -> None:
    window = replace(evaluation_window(found), start=date(2000, 1, 1))
    baselines = naive_baselines(found, world.champion, window)
    assert baselines.words == baselines.constants == {}


def test_naive_baselines_take_a_champion_of_fewer_columns(
    world: World, found: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = learned(world.champion).project("day, temp, actual")
    monkeypatch.setattr("daybook.naive.learned", lambda tag: rows)
    baselines = naive_baselines(found, world.champion, evaluation_window(found))
    assert "median" in baselines.words
    monkeypatch.setattr("daybook.naive.learned", lambda tag: duckdb.sql("SELECT 1 AS x"))
    assert "median" in naive_baselines(found, world.champion, evaluation_window(found)).words
