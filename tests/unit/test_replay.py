"""What a model predicted when it was made, and what it predicts now."""

from datetime import date, datetime
from enum import Enum
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field, field_validator

from daybook import replay
from daybook.contract import Contract
from daybook.project import DaybookError


class Colour(Enum):
    """Texts."""

    RED = "red"
    BLUE = "blue"


class Row(BaseModel):
    """A field of every kind."""

    day: date
    at: datetime | None = None
    n: int | None = None
    size: float | None = Field(None, alias="Größe")
    ok: bool | None = None
    name: str | None = None
    colour: Colour | None = None
    level: Literal[1, 2] | None = None


class LabelledRow(Row):
    """With a target."""

    y: float


contract = Contract(LabelledRow, target="y", time="day", name="kinds")
FULL = {
    "day": "2024-02-29",
    "at": "2024-02-29T12:30:00+02:00",
    "n": 2**53,
    "Größe": 0.1,
    "ok": True,
    "name": "æ",
    "colour": "red",
    "level": 2,
}


def frame_of(rows: list[dict]) -> pd.DataFrame:
    """Validated rows of a table."""
    columns = {name: [row.get(name) for row in rows] for name in FULL}
    return contract.validate(pd.DataFrame(columns | {"y": 1.0}))


def test_requests_are_what_was_sent() -> None:
    sent = [FULL, {"day": "2024-03-01"}]
    rows = replay.requests(contract, frame_of(sent))
    assert rows[0] == FULL | {"at": "2024-02-29T10:30:00.000000Z"}
    assert rows[1] == dict.fromkeys(FULL) | {"day": "2024-03-01"}
    arrays = contract.arrays(replay.read_requests(contract, rows))
    for name, values in contract.arrays(frame_of(sent)).items():
        np.testing.assert_array_equal(arrays[name], values)
        assert arrays[name].dtype == values.dtype


def test_examples_leave_out_what_is_not_valid_twice() -> None:
    class Raw(BaseModel):
        day: date
        share: float = Field(ge=0)

        @field_validator("share")
        @classmethod
        def to_percent(cls, value: float) -> float:
            assert value <= 1, "a share is at most 1"
            return 100 * value

    class LabelledRaw(Raw):
        y: float

    shares = Contract(LabelledRaw, target="y", time="day", name="shares")
    frame = shares.validate(pd.DataFrame({"day": ["2024-01-01", "2024-01-02"], "share": [0.005, 0.5], "y": 1.0}))
    assert [row["share"] for row in replay.examples(shares, frame)] == [0.5]
    with pytest.raises(DaybookError, match="no row of the reference is valid as a request.*at most 1"):
        replay.examples(shares, frame.tail(1))


def test_choose_takes_rows_with_gaps() -> None:
    rows = [FULL | {"name": None} if number % 50 == 0 else FULL for number in range(1000)]
    chosen = replay.choose(contract, frame_of(rows))
    assert len(chosen) == 20
    assert chosen["name"].isna().sum() == 10
    assert chosen.index.is_monotonic_increasing
    assert (chosen.index[0], chosen.index[-1]) == (0, 999)


def test_tolerance_of_float64_is_the_floor() -> None:
    assert replay.measure_tolerance(lambda arrays: arrays["x"] * 0.1, {"x": np.arange(500.0)}) == 1e-9


@pytest.mark.parametrize(("dtype", "floor"), [("float32", 1e-5), ("float16", 1e-2)])
def test_tolerance_of_fewer_bits_has_a_floor_of_its_own(dtype: str, floor: float) -> None:
    assert replay.measure_tolerance(lambda arrays: arrays["x"].astype(dtype), {"x": np.arange(500.0)}) == floor


def test_tolerance_is_measured() -> None:
    def predict(arrays: dict[str, np.ndarray]) -> np.ndarray:
        return arrays["x"] * (1 + 1e-6 * len(arrays["x"]) / 1000)

    assert replay.measure_tolerance(predict, {"x": np.arange(1.0, 1001)}) == pytest.approx(1e-5, rel=0.01)


@pytest.mark.parametrize("now", [[1.0, 2.0 + 3e-9], [1.0 - 2e-9, 2.0], [1.0, np.nan]])
def test_require_same_refuses_what_is_further_apart(now: list[float]) -> None:
    with pytest.raises(DaybookError, match="1 of 2 predictions differ by more than 1e-09: row (a|b) was predicted as"):
        replay.require_same(["row a", "row b"], [1.0, 2.0], now, 1e-9)


def test_require_same_is_relative_to_large_predictions() -> None:
    replay.require_same(["row a"], [1e6], [1e6 + 1e-4], 1e-9)
    replay.require_same(["row a"], [1e-6], [1e-6 + 1e-10], 1e-9)


def test_changes_names_versions() -> None:
    now = replay.libraries(["yaml", "sklearn", "scipy"])
    assert now.keys() >= {"python", "daybook", "numpy", "scipy", "scikit-learn", "PyYAML"}
    assert replay.changes(now) == ""
    assert replay.changes(now | {"numpy": "1.0", "gone": "2.0"}) == f"numpy 1.0 → {now['numpy']}, gone 2.0 → absent"
