"""When a model was made: the same season of its own rows, or the days that were forecast."""

from datetime import date

import pandas as pd
import pytest

from daybook import example, models
from daybook.evaluation import EvaluationWindow
from daybook.metrics import Metrics
from daybook.reference import learned
from daybook.when_made import WhenMade, when_made
from daybook.world import World

pytest_plugins = "worlds"
METRICS = Metrics(example.loss, example.evaluate)


def made(world: World, start: date, days: int = 14) -> WhenMade:
    """The loss when the champion was made, beside a window."""
    window = EvaluationWindow(learned(world.champion), start, start + pd.Timedelta(days=days), 1)
    return when_made(world.champion, window, example.contract, METRICS)


def test_when_made_is_the_same_season(world: World) -> None:
    facts = made(world, date(2025, 2, 1)).facts()
    assert facts.days == 28 and facts.rows == 28 * 24 and facts.low < facts.value < facts.high


def test_when_made_is_what_was_forecast(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    own = models.metadata(world.champion)
    monkeypatch.setattr(models, "metadata", lambda tag: own | {"forecasts_from": "2024-03-01"})
    far = made(world, date(2024, 7, 1))
    assert far.facts().days == 39 and "forecast from the days before" in far.words
    near = made(world, date(2025, 3, 10))
    assert near.facts().days == 28 and near.words.startswith("28 days of the same season, each forecast")
    assert made(world, date(2025, 2, 1)).facts().days == 39, "too few days of that season were forecast"


def test_when_made_rests_on_days_enough_or_says_so() -> None:
    losses = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=6), "n": 10, "loss": 5.0})
    facts = WhenMade(losses, "six days").facts()
    assert (facts.value, facts.low, facts.days, facts.rows) == (0.5, None, 6, 60)
    nothing = WhenMade(None, "no predictions of its own").facts()
    assert (nothing.value, nothing.days, nothing.rows) == (None, 0, 0)
