"""A contract with a field of every kind, and rows of it."""

from datetime import date, datetime
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from daybook.contract import Contract


class Trip(BaseModel):
    """A trip, as it is known when it begins."""

    trip: str
    number: int
    day: date
    start: datetime | None
    shop: str | None
    size: Literal[1, 2, 5]
    weather: Literal["clear", "rain"] | None
    weight: float | None = Field(alias="weight kg")
    is_holiday: bool


class Ended(Trip):
    """A trip and how it ended."""

    ending: Literal["station", "street", "lost"]


class Late(Trip):
    """A trip, and whether it took too long."""

    late: bool


class Lasted(Trip):
    """A trip, and how long it took."""

    minutes: float


ended = Contract(Ended, target="ending", key=("trip",), time="day", name="trips")
timeless = Contract(Ended, target="ending", name="trips")
late = Contract(Late, target="late", key=("trip",), time="day", name="late")
lasted = Contract(Lasted, target="minutes", key=("trip",), time="day", name="minutes")


def trips(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Rows whose endings depend on weight, shop and hour."""
    random = np.random.default_rng(seed)
    day = pd.date_range("2024-01-01", periods=40).repeat(n // 40)
    start = day + pd.to_timedelta(random.integers(0, 24, len(day)), unit="h")
    shop = random.choice(["centre", "north", "south"], len(day), p=[0.6, 0.3, 0.1])
    weight = random.gamma(2, 3, len(day))
    level = weight + 4 * (shop == "north") + 0.2 * start.hour + random.normal(0, 1, len(day))
    frame = pd.DataFrame(
        {
            "trip": [f"T{number:06}" for number in range(len(day))],
            "number": np.arange(len(day)) + 1000,
            "day": day,
            "start": start.tz_localize("UTC"),
            "shop": shop,
            "size": random.choice([1, 2, 5], len(day)),
            "weather": random.choice(["clear", "rain"], len(day)),
            "weight": weight,
            "is_holiday": day.day_of_week == 6,
            "ending": np.select([level < 6, level < 10], ["station", "street"], "lost"),
            "late": level > 9,
            "minutes": 3 * level,
        }
    )
    frame.loc[random.random(len(day)) < 0.1, ["shop", "weight", "start"]] = None
    return frame


def of(contract: Contract, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of one contract, validated."""
    names = {field.alias: name for name, field in (contract.fields | {contract.target: contract.label}).items()}
    return contract.validate(frame.rename(columns={name: alias for alias, name in names.items()})[list(names)])
