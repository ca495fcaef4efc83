"""Values and ranges of a sweep, and the points that are tried."""

from datetime import UTC, date, datetime

import pytest

from daybook.parameters import model_of
from daybook.project import DaybookError
from daybook.space import Range, points, space, value_of

MODEL = model_of("""
number: int = 100
rate: float = 0.1
day: date = date(2011, 1, 1)
time: datetime | None = None
names: list[str] = ["hr", "temp"]
source: str = "sample"
kind: Literal["x", "y"] = "x"
""")


def test_space_reads_values() -> None:
    axes = space(
        MODEL, {"number": "50,100", "rate": ["0.05, 0.1", "0.2"], "names": ["hr,temp", "hr,hum"], "kind": ["x"]}
    )
    assert axes == {
        "number": [50, 100],
        "rate": [0.05, 0.1, 0.2],
        "names": [["hr", "temp"], ["hr", "hum"]],
        "kind": ["x"],
    }
    assert space(MODEL, {"number": [3, 1], "names": [["a"], "b,c"]}) == {"number": [3, 1], "names": [["a"], ["b", "c"]]}
    assert space(MODEL, {"number": 5}) == {"number": [5]}


def test_space_reads_ranges() -> None:
    axes = space(MODEL, {"number": "10..20", "rate": ["0.001..1:log"], "day": "2011-01-01..2011-12-31"})
    assert axes["number"] == Range(10, 20, False) and axes["rate"] == Range(0.001, 1.0, True)
    assert axes["day"] == Range(date(2011, 1, 1), date(2011, 12, 31), False)
    assert space(MODEL, {"source": "../a.csv,../b.csv"}) == {"source": ["../a.csv", "../b.csv"]}
    assert space(MODEL, {"source": "a..b"}) == {"source": ["a..b"]}, "texts have no range"


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        ({"number": "9..1"}, "number=9..1: a range goes up"),
        ({"rate": "0..1:log"}, "starts above zero"),
        ({"day": "2011-01-01..2011-12-31:log"}, "starts above zero"),
        ({"number": "1..many"}, "number=many: input should be a valid integer"),
        ({"number": "1,many"}, "number=many: input should be a valid integer"),
        ({"nubmer": "1,2"}, "no parameter nubmer: did you mean number?"),
        ({"number": []}, "number: no value to try"),
    ],
)
def test_space_refuses_in_one_sentence(args: dict, hint: str) -> None:
    with pytest.raises(DaybookError) as error:
        space(MODEL, args)
    assert hint in str(error.value) and "\n" not in str(error.value)


def test_points_of_a_grid() -> None:
    axes = {"number": [1, 2, 2], "kind": ["x", "y"]}
    grid = points(axes)
    assert grid == [{"number": number, "kind": kind} for number in (1, 2) for kind in ("x", "y")]
    assert len(points(axes, 3)) == 3 and len(points(axes, 99)) == 4
    assert all(point in grid for point in points(axes, 3, seed=1))


def test_points_of_a_range_need_a_sample() -> None:
    with pytest.raises(DaybookError, match="number is a range.*--sample"):
        points({"kind": ["x"], "number": Range(1, 9, False)})


def test_points_are_drawn_once_and_again_with_the_same_seed() -> None:
    axes = {"number": Range(1, 7, False), "rate": Range(0.001, 1.0, True), "kind": ["x", "y"]}
    drawn = points(axes, 20, seed=3)
    assert drawn == points(axes, 20, seed=3) != points(axes, 20, seed=4)
    assert len({str(point) for point in drawn}) == 20
    assert {point["number"] for point in points({"number": axes["number"]}, 99)} == set(range(1, 8))


def test_range_draws_in_its_type() -> None:
    import random

    dice = random.Random(0)
    times = Range(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC), False)
    days = Range(date(2024, 2, 28), date(2024, 3, 1), False)
    assert {days.draw(dice).isoformat() for _ in range(99)} == {"2024-02-28", "2024-02-29", "2024-03-01"}
    assert all(times.low <= times.draw(dice) <= times.high for _ in range(99))
    logs = sorted(Range(1, 10_000, True).draw(dice) for _ in range(999))
    assert isinstance(logs[0], int) and 50 < logs[499] < 200
    assert all(0.1 <= Range(0.1, 0.3, True).draw(dice) <= 0.3 for _ in range(999))


@pytest.mark.parametrize(
    ("axis", "drawn", "value"),
    [
        (Range(10000.0, 10010.0, False), 10003.14159, 10003.14),
        (Range(10000.0, 10010.0, True), 10003.14159, 10003.14),
        (Range(0.001, 1.0, True), 0.09584856, 0.09585),
        (Range(0.0, 1.0, False), 0.0, 0.0),
        (Range(-1e9, 1e9, False), 123456789.1, 123500000.0),
        (Range(0.12345, 0.9, False), 0.12346, 0.1235),
        (Range(0.12345, 0.9, False), 0.12341, 0.12345),
    ],
    ids=str,
)
def test_value_of_has_the_digits_that_matter(axis: Range, drawn: float, value: float) -> None:
    assert value_of(axis, drawn) == value
