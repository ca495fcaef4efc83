"""A report of drift: what is compared with what, and what is said of it."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from daybook import example, models
from daybook.drift_report import Drift, look
from daybook.log import Log
from daybook.project import DaybookError
from daybook.reference import reference, season
from daybook.world import World

pytest_plugins = "worlds"


@pytest.fixture
def log(world: World) -> Log:
    """The log of the example world."""
    return Log(example.contract)


def rewrite(log: Log, **columns: object) -> None:
    """Change columns of the logged predictions: a function of the column, or None to remove it."""
    for path in log.folder.glob("predictions/*/*/*.parquet"):
        rows = pd.read_parquet(path, partitioning=None)
        for name, change in columns.items():
            rows = rows.drop(columns=name) if change is None else rows.assign(**{name: change(rows[name])})
        rows.to_parquet(path)


def test_season_goes_round_the_year() -> None:
    assert season(date(2023, 12, 30), date(2024, 1, 2), around=1) == [1, 2, 363, 364, 365]
    assert len(season(date(2024, 6, 1), date(2024, 6, 29))) == 28 + 14


def test_reference_is_of_the_same_season_if_there_is_enough(world: World) -> None:
    february = date(2025, 2, 1), date(2025, 2, 15)
    same = reference(world.champion, *february)
    assert same.is_same_season and len(same.rows) == 28 * 24
    assert same.words == "the same season of the rows that the model learned from"
    few = reference(world.champion, *february, min_rows=10_000)
    assert not few.is_same_season and "has seen too little of this season" in few.words
    whole = reference(world.champion, *february, against="reference")
    assert whole.is_same_season and len(whole.rows) == len(few.rows)
    assert whole.rows.columns == [*example.contract.columns.values(), "prediction", "actual"]


def test_look_compares_a_window_with_the_reference(world: World, log: Log) -> None:
    drift = look(log, world.champion)
    assert (drift.end, drift.rows) == (world.end, 28 * 24)
    assert {change.name for change in drift.changes} == {"hour", "temp", "weather", "holiday", "prediction"}
    early = look(log, world.champion, world.start, world.start + timedelta(days=14))
    assert early.start == world.start and early.rows == 14 * 24
    before = look(log, world.champion, against="before")
    assert before.against == "the window before" and before.reference_rows == 28 * 24
    assert "prediction" not in {change.name for change in before.changes}


def test_look_finds_a_sensor(world: World, log: Log) -> None:
    start, end = world.start, world.start + timedelta(days=20)
    assert "hour" not in {change.name for change in look(log, world.champion, start, end).moved}
    rewrite(log, hour=lambda hour: np.minimum(hour, 9))
    drift = look(log, world.champion, start, end, against="reference")
    assert drift.verdict == "drift" and {change.name: change.reasons for change in drift.moved}["hour"] == [
        "distribution"
    ]
    assert "hour" in drift.alert and drift.alert.endswith("compared with all rows that the model learned from")
    assert "**hour** (distribution; PSI" in drift.summary()


def test_look_compares_predictions_of_this_version_only(world: World, log: Log) -> None:
    assert look(log, world.candidates[0]).changes[0].rows == 28 * 24
    assert "prediction" not in {change.name for change in look(log, world.candidates[0]).changes}
    rewrite(log, prediction=lambda prediction: prediction + 1000)
    drift = look(log, world.champion, against="reference")
    assert drift.changes[0].name == "prediction" and "out of range" in drift.changes[0].reasons


@pytest.mark.parametrize(
    "args, sentence",
    [
        (
            {"start": date(1999, 1, 1), "end": date(1999, 2, 1)},
            "no logged prediction is about 1999-01-01 to 1999-01-31",
        ),
        ({"days": 0}, "the window is empty: its first day is"),
        ({"tag": "demand:gone"}, "there is no model demand:gone"),
    ],
)
def test_look_refuses(world: World, log: Log, args: dict, sentence: str) -> None:
    with pytest.raises(DaybookError, match=sentence):
        look(log, **{"tag": world.champion} | args)


def test_look_refuses_a_log_of_another_contract(world: World, log: Log) -> None:
    rewrite(log, weather=None)
    with pytest.raises(DaybookError, match="has no column weather: it was written under another contract"):
        look(log, world.champion)


def test_look_needs_something_logged(world: World) -> None:
    with pytest.raises(DaybookError, match="no prediction of demand is logged in nowhere"):
        look(Log(example.contract, "nowhere"), world.champion)


def test_too_few_rows_are_no_verdict(world: World, log: Log) -> None:
    drift = look(log, world.champion, min_rows=10_000)
    assert (drift.verdict, drift.moved, drift.alert) == ("too few rows", [], None)
    assert drift.summary().startswith("**No verdict:**")


def test_drift_json_says_all_of_it(world: World, log: Log) -> None:
    drift = look(log, world.champion)
    content = json.loads(json.dumps(drift.to_dict(), default=str))
    assert content["verdict"] == drift.verdict and content["model"] == world.champion
    assert content["window"] == {"start": str(drift.start), "end": str(drift.end), "rows": drift.rows}
    assert content["moved"] == {change.name: change.reasons for change in drift.moved}
    assert {"name", "psi", "threshold", "reasons", "shares"} <= set(content["columns"][0])
    assert set(drift.run_metrics()) == {"rows", "reference_rows", "columns", "moved", "worst_psi"}


def test_summary_says_what_it_may_mean(world: World, log: Log) -> None:
    drift = look(log, world.champion, against="reference")
    hour = next(change for change in drift.changes if change.name == "hour")
    prediction = next(change for change in drift.changes if change.name == "prediction")
    calm = [replace(change, psi=0.0, new=0.0, nulls=0.0) for change in (hour, prediction)]
    far = [replace(change, psi=3.0, jensen_shannon=0.9, threshold=0.0) for change in calm]

    def text(*changes: object, is_same_season: bool = True) -> str:
        seasons = [replace(change, is_same_season=is_same_season) for change in changes]
        return replace(drift, changes=seasons, is_same_season=is_same_season).summary()

    assert "**Nothing has moved** among 2 columns" in text(*calm)
    assert "Another season has other distributions" in text(*calm, is_same_season=False)
    assert "look at the model that is served" in text(far[1], calm[0])
    assert "these columns matter little to the model" in text(far[0], calm[1])
    assert "The predictions have moved along." in text(*far)
    assert "`daybook run backtest`" in text(*far)


def test_picture_and_table_take_odd_columns(world: World, log: Log) -> None:
    drift = look(log, world.champion)
    empty = replace(
        drift.changes[0], name="empty", labels=[], shares=[], reference_shares=[], wasserstein=None, p_value=None
    )
    single = replace(drift.changes[0], name="single", kind="number", labels=[1.0], shares=[1.0], reference_shares=[1.0])
    odd: Drift = replace(drift, changes=[empty, single, *drift.changes])
    assert len(odd.picture().axes) >= 7 and "moved" in odd.table().to_html()
    replace(drift, changes=[]).picture()
    plt.close("all")


def test_a_new_optional_field_does_not_stop_drift(world: World, tmp_path: Path) -> None:
    class Row(example.Row):
        wind: float | None = None

    class LabelledRow(Row):
        rentals: int

    contract = type(example.contract)(LabelledRow, target="rentals", key=("day", "hour"), time="day", name="demand")
    drift = look(Log(contract), world.champion)
    assert "wind" not in {change.name for change in drift.changes} and drift.rows == 28 * 24
    assert models.contract_of(world.champion).columns.keys() < contract.columns.keys()
