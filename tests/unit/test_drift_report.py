"""A report of drift: what is compared with what, and what is said of it."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daybook import example, models
from daybook.drift_pictures import figure_of
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
    july = reference(world.champion, date(2025, 7, 1), date(2025, 7, 15))
    assert not july.is_same_season and "with 0 of the 28 days of this season" in july.words
    whole = reference(world.champion, *february, against="reference")
    assert whole.is_same_season and len(whole.rows) == len(july.rows) and whole.rows is whole.learned


def test_reference_says_how_much_of_the_season_there_was(world: World) -> None:
    part = reference(world.champion, date(2025, 4, 1), date(2025, 4, 15))
    assert part.is_same_season and part.words.endswith("with 16 of the 28 days of this season")


def test_reference_has_the_columns_of_the_log(world: World) -> None:
    whole = reference(world.champion, date(2025, 2, 1), date(2025, 2, 15), against="reference")
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
    reasons = {change.name: change.reasons for change in drift.moved}
    assert drift.badge == "ALERT" and "distribution" in reasons["hour"]
    assert "compared with all rows that the model learned from)" in drift.alert
    assert "hour: mean" in drift.sentence() and drift.alert in drift.sentence()


def test_look_compares_predictions_of_this_version_only(world: World, log: Log) -> None:
    assert look(log, world.candidates[0]).changes[0].rows == 28 * 24
    assert "prediction" not in {change.name for change in look(log, world.candidates[0]).changes}
    rewrite(log, prediction=lambda prediction: prediction + 1000)
    drift = look(log, world.champion, against="reference")
    reasons = {change.name: change.reasons for change in drift.moved}
    assert "out of range" in reasons["prediction"]


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
    assert drift.badge == "WARNING" and "too few to tell" in drift.sentence()


def test_drift_json_says_all_of_it(world: World, log: Log) -> None:
    drift = look(log, world.champion)
    content = json.loads(json.dumps(drift.to_dict(), default=str))
    assert content["verdict"] == drift.verdict and content["model"] == world.champion
    assert content["window"] == {"start": str(drift.start), "end": str(drift.end), "rows": drift.rows}
    assert content["moved"] == {change.name: change.reasons for change in drift.moved}
    assert {"name", "psi", "threshold", "reasons", "shares", "new_threshold", "gaps"} <= set(content["columns"][0])
    assert list(drift.run_metrics()) == ["moved", "columns", "worst_psi", "rows", "reference_rows"]


def test_summary_says_what_it_may_mean(world: World, log: Log) -> None:
    drift = look(log, world.champion, against="reference")
    hour = next(change for change in drift.changes if change.name == "hour")
    prediction = next(change for change in drift.changes if change.name == "prediction")
    calm = [replace(change, psi=0.0, new=0.0, lost=0.0, nulls=0.0) for change in (hour, prediction)]
    far = [replace(change, psi=3.0, jensen_shannon=0.9, threshold=0.1) for change in calm]

    def text(*changes: object, is_same_season: bool = True) -> str:
        seasons = [replace(change, is_same_season=is_same_season) for change in changes]
        found = replace(drift, changes=seasons, is_same_season=is_same_season)
        return f"{found.sentence()}\n{found.summary()}"

    assert "Nothing has moved among 2 columns" in text(*calm)
    assert "Another season has other distributions" in text(*calm, is_same_season=False)
    assert "look at the model that is served" in text(far[1], calm[0])
    assert "these columns matter little to the model" in text(far[0], calm[1])
    assert "The predictions have moved along." in text(*far)
    assert "`daybook run backtest`" in text(*far)


def test_pictures_and_table_take_odd_columns(world: World, log: Log) -> None:
    drift = look(log, world.champion)
    nothing = {"labels": [], "shares": [], "reference_shares": [], "wasserstein": None, "first_edge": None}
    empty = replace(drift.changes[0], name="empty", new=0, nulls=1.0, reference_nulls=1.0, **nothing)
    one = {"labels": [1.0], "shares": [1.0], "reference_shares": [1.0], "first_edge": 0.0}
    single = replace(drift.changes[0], name="$a^_", kind="number", **one)
    odd: Drift = replace(drift, changes=[empty, single, *drift.changes])
    assert odd.picture().html.count("<img") + odd.other_pictures().html.count("<img") == len(odd.changes)
    assert "moved" in odd.table().to_html()
    assert "<img" not in replace(drift, changes=[]).picture().html


@pytest.mark.parametrize(("seen", "new", "lines"), [((0.0, 1.0), 0.5, 2), ((0.0, 1.0), 0.0, 0), (None, 0.5, 0)])
def test_learned_range_is_drawn_if_values_lie_outside(
    world: World, log: Log, seen: tuple[float, float] | None, new: float, lines: int
) -> None:
    bars = {"labels": [1.0, 2.0], "shares": [0.4, 0.6], "reference_shares": [0.5, 0.5], "first_edge": 0.0}
    [temp] = [change for change in look(log, world.champion).changes if change.name == "temp"]
    figure, _ = figure_of(replace(temp, seen=seen, new=new, new_threshold=0.01, **bars))
    assert len(figure.axes[0].get_lines()) == lines


def test_pictures_show_what_moved_large_and_first(world: World, log: Log) -> None:
    drift = look(log, world.champion, against="reference")
    assert len(repr(drift.picture()).splitlines()) == len(drift.moved or drift.changes[:3])
    calm = replace(drift, is_enough=False)
    assert len(repr(calm.picture()).splitlines()) == 3, "the nearest ones"


def test_few_rows_get_a_verdict(world: World, log: Log) -> None:
    drift = look(log, world.champion, world.start, world.start + timedelta(days=2))
    assert drift.rows == 48 and drift.verdict in ("none", "drift")


def test_odd_day_is_named_and_moves_no_window(world: World, log: Log) -> None:
    before = look(log, world.champion)
    odd = example.sample(days=1).head(1).assign(day=pd.Timestamp("2099-01-01"))
    log.backfill(odd, [1.0], world.champion, f"{world.start}")
    drift = look(log, world.champion)
    assert (drift.start, drift.end, drift.rows) == (before.start, before.end, before.rows)
    assert "2099-01-01" in drift.summary() and "2099-01-01" in drift.to_dict()["implausible"]


def test_a_new_optional_field_does_not_stop_drift(world: World, tmp_path: Path) -> None:
    class Row(example.Row):
        wind: float | None = None

    class LabelledRow(Row):
        rentals: int

    contract = type(example.contract)(LabelledRow, target="rentals", key=("day", "hour"), time="day", name="demand")
    drift = look(Log(contract), world.champion)
    assert "wind" not in {change.name for change in drift.changes} and drift.rows == 28 * 24
    assert models.contract_of(world.champion).columns.keys() < contract.columns.keys()


def test_columns_that_moved_alike_are_named_together(world: World, log: Log) -> None:
    def gaps(column: pd.Series) -> pd.Series:
        return column.where(column.index % 4 > 0)

    rewrite(log, hour=gaps, holiday=gaps)
    alert = look(log, world.champion, against="reference").alert
    assert "hour, holiday: 25 % missing" in alert or "holiday, hour: 25 % missing" in alert, alert
