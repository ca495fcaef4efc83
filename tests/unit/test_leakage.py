"""Columns that give the target away."""

import numpy as np
import pandas as pd
import pytest
from tables import orders, profile

from daybook.leakage import explained, leaks
from daybook.roles import roles

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(0, 1, 600)


def leaks_of(frame: pd.DataFrame, target: str, **options: object) -> dict[str, str]:
    """What is found in a frame."""
    found = profile(frame)
    return leaks(found, roles(found, target, **options))


def test_leaks_finds_dates_after_the_time() -> None:
    assert leaks_of(orders(), "late", time="day") == {"shipped": "later than day in 100 %"}
    assert leaks_of(orders(), "late") == {}


@pytest.mark.parametrize("word", ["is", "other"])
def test_leaks_finds_the_target_under_another_name(word: str) -> None:
    frame = orders().assign(delayed=lambda frame: frame["late"].map({"1": f"{word} late", "0": f"{word} on time"}))
    assert leaks_of(frame, "late", time="day")["delayed"] == "is late under another name"


def test_leaks_finds_other_units() -> None:
    frame = pd.DataFrame({"hours": NOISE, "minutes": 60 * NOISE, "other": RANDOM.normal(0, 1, 600)})
    assert leaks_of(frame, "hours") == {"minutes": "is hours under another name"}


def test_leaks_finds_what_predicts_almost_perfectly() -> None:
    frame = pd.DataFrame({"sales": NOISE, "near": NOISE + RANDOM.normal(0, 0.15, 600)})
    assert leaks_of(frame, "sales")["near"].startswith("alone predicts sales almost perfectly (9")


def test_leaks_finds_gaps_that_know() -> None:
    frame = pd.DataFrame({"refund": [5.5 if value > 0 else None for value in NOISE], "y": NOISE > 0})
    frame["refund"] += NOISE
    assert "refund" in leaks_of(frame, "y")


def test_leaks_finds_sums() -> None:
    web, shop = RANDOM.poisson(30, 600), RANDOM.poisson(50, 600)
    frame = pd.DataFrame({"web": web, "shop": shop, "sales": web + shop, "noise": NOISE})
    assert set(leaks_of(frame, "sales")) == {"web", "shop"}
    assert leaks_of(frame, "web")["sales"] == "sales less shop is web"


def test_leaks_leaves_good_features_alone() -> None:
    shops = RANDOM.integers(0, 5, 600)
    frame = pd.DataFrame({"shop": [f"shop {n}" for n in shops], "sales": 100 * shops + NOISE, "id": range(600)})
    assert leaks_of(frame, "sales") == {}, "a shop may explain its sales"
    chance = pd.DataFrame({"x": NOISE, "name": [f"n{n}" for n in range(600)], "y": RANDOM.random(600) < 0.3})
    assert leaks_of(chance, "y") == {}


def test_leaks_spares_time_and_key() -> None:
    days = pd.date_range("2024-01-01", periods=600).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": days, "n": range(600), "y": range(0, 6000, 10)})
    assert leaks_of(frame.assign(y=NOISE), "y", time="day") == {}
    assert leaks_of(frame.assign(y=frame["y"] + NOISE.round()), "y", time="day", key=["n"]) == {}


def test_explained_is_about_other_rows() -> None:
    found = profile(pd.DataFrame({"id": [f"n{n}" for n in range(600)], "y": RANDOM.random(600) < 0.5, "x": NOISE > 0}))
    assert explained(found, "id", "y") < 0.02
    assert explained(found, "x", "y") < 0.02
