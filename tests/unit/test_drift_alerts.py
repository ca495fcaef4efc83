"""How often drift is right: no false alerts over a year of weather, and planted changes are found."""

from collections import Counter

import duckdb
import numpy as np
import pandas as pd
import pytest

from daybook import example
from daybook.change import comparable
from daybook.drift import compare

KINDS = comparable(example.contract)
DAY = pd.Timedelta(days=1)


def weather(days: int, start: str, seed: int) -> pd.DataFrame:
    """The example's rows, with a weather that lasts: warm weeks and cold ones."""
    frame, random = example.sample(days, start, seed), np.random.default_rng(seed)
    noise = np.zeros(days)
    for day in range(1, days):
        noise[day] = 0.8 * noise[day - 1] + random.normal(0, 2)
    return frame.assign(temp=frame["temp"] + np.repeat(noise, 24))


def moved(learned: pd.DataFrame, rows: pd.DataFrame, start: pd.Timestamp, days: int) -> set[str]:
    """Columns that have moved, as a project compares them."""
    around = pd.date_range(start - 7 * DAY, periods=days + 14).day_of_year
    season = learned[learned["day"].dt.day_of_year.isin(around)]
    block = f"datediff('day', DATE '{start:%Y-%m-%d}', CAST(day AS DATE)) // {max(days // 7, 1)}"
    found = compare(duckdb.from_df(season), duckdb.from_df(rows), KINDS, duckdb.from_df(learned), block)
    return {change.name for change in found if change.reasons}


@pytest.mark.parametrize("days", [pytest.param(7, marks=pytest.mark.long), 28])
def test_planted_changes_are_found_and_their_absence_is_not(days: int) -> None:
    learned, later, found = weather(366, "2024-01-01", 0), weather(366, "2025-01-01", 1), Counter()
    starts = pd.date_range("2025-01-05", "2025-11-25", periods=6).normalize()
    for start in starts:
        rows = later[(later["day"] >= start) & (later["day"] < start + days * DAY)].reset_index(drop=True)
        every_tenth = np.arange(len(rows)) % 10 == 0
        planted = {
            "none": (rows, None),
            "unit": (rows.assign(temp=rows["temp"] * 1.8 + 32), "temp"),
            "stuck": (rows.assign(temp=rows["temp"].iloc[0]), "temp"),
            "gaps": (rows.assign(temp=rows["temp"].mask(every_tenth)), "temp"),
            "lost": (rows.assign(weather=rows["weather"].replace("mist", "clear")), "weather"),
        }
        for name, (window, column) in planted.items():
            names = moved(learned, window, start, days)
            found[name] += bool(names) if column is None else column in names
    assert found == {"none": 0, "unit": 6, "stuck": 6, "gaps": 6, "lost": 6}


def test_thresholds_cover_few_rows() -> None:
    learned = weather(366, "2024-01-01", 0)
    alerts = 0
    for seed in range(1, 11):
        start = pd.Timestamp(2025, seed, 3)
        rows = weather(28, f"{start:%Y-%m-%d}", seed).sample(30, random_state=seed)
        alerts += bool(moved(learned, rows, start, 28))
    assert alerts <= 1


def test_gaps_of_daily_rows_count_where_there_were_none() -> None:
    learned = example.sample(1500, "2020-01-01")
    noons = learned[learned["hour"] == 12].assign(temp=lambda rows: rows["temp"].fillna(12))
    window = example.sample(28, "2024-06-01", seed=1)
    window = window[window["hour"] == 12].assign(temp=12 + np.arange(28) % 7).reset_index(drop=True)
    rare = noons.assign(temp=noons["temp"].mask(np.arange(len(noons)) % 50 == 0))
    found = {}
    for name, past in (("never", noons), ("rarely", rare)):
        for missing in (1, 2, 3, 8):
            rows = window.assign(temp=window["temp"].mask(window.index < missing))
            sides = [duckdb.from_df(side) for side in (past, rows)]
            (change,) = compare(*sides, {"temp": "number"}, block="datediff('day', DATE '2024-06-01', day) // 4")
            found[name, missing] = "missing values" in change.reasons
    assert [missing for (name, missing), has in found.items() if name == "never" and has] == [2, 3, 8]
    assert [missing for (name, missing), has in found.items() if name == "rarely" and has] == [8]
