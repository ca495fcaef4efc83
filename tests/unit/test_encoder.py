"""The encoder: the same rules for any contract, and the same numbers for a row wherever it comes from."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from kinds import ended, late, of, timeless, trips

from daybook import example
from daybook.encoder import (
    LEAST,
    MOST,
    Encoder,
    codes,
    days_between,
    frequent_values,
    hour,
    learned_months,
    month,
    weekday,
    with_every_class,
    with_succession,
)
from daybook.project import DaybookError

FRAME = of(ended, trips())
COLUMNS = ended.arrays(FRAME)


def column(name: str, encoder: Encoder, columns: dict[str, np.ndarray] = COLUMNS) -> np.ndarray:
    """One column of the matrix, by its name."""
    return encoder.transform(columns)[:, encoder.names.index(name)]


def test_encoder_makes_columns_by_type() -> None:
    encoder = Encoder(ended).fit(COLUMNS)
    start = [f"start_{part}" for part in ("weekday", "month", "hour", "days")]
    names = ["day_weekday", "day_month", *start, "shop", "size", "weather", "weight", "is_holiday"]
    assert encoder.names == names
    assert [name for name, is_code in zip(names, encoder.is_categorical, strict=True) if is_code] == ["shop", "weather"]
    assert encoder.transform(COLUMNS).dtype == np.float64


def test_encoder_leaves_out_what_names_a_row() -> None:
    left_out = Encoder(ended).fit(COLUMNS).left_out
    assert left_out.keys() == {"trip", "number"}
    assert "identifier" in left_out["trip"] and "counts the rows" in left_out["number"]


def test_encoder_leaves_out_what_the_owner_names() -> None:
    encoder = Encoder(ended, leave_out=("weight", "start")).fit(COLUMNS)
    assert encoder.left_out["weight"] == "you leave it out"
    assert not any(name.startswith(("weight", "start")) for name in encoder.names)
    with pytest.raises(DaybookError, match="leave_out names colour, which is no field of trips"):
        Encoder(ended, leave_out=("colour",))


def test_encoder_takes_missing_rare_and_new_texts_as_missing() -> None:
    encoder = Encoder(ended).fit(COLUMNS)
    shops = np.array(["centre", "north", "moon", None], dtype=object)
    columns = {name: values[:4] for name, values in COLUMNS.items()} | {"shop": shops}
    np.testing.assert_array_equal(column("shop", encoder, columns), [0, 1, np.nan, np.nan])
    few = COLUMNS | {"shop": np.array(["rare"] * (LEAST - 1) + ["usual"] * (len(FRAME) - LEAST + 1), dtype=object)}
    assert Encoder(ended).fit(few).codes["shop"] == {"usual": 0.0}


@pytest.mark.parametrize("n", [MOST, MOST + 50, 5000])
def test_encoder_gives_codes_to_so_many_texts_at_most(n: int) -> None:
    values = np.array([f"shop {k}" for k in range(n)] * 20, dtype=object)
    frequent = frequent_values(values, MOST, LEAST)
    assert len(frequent) == MOST
    columns = {name: np.resize(array, len(values)) for name, array in COLUMNS.items()} | {"shop": values}
    reason = Encoder(ended).fit(columns).left_out.get("shop")
    assert bool(reason) is (n == 5000)
    assert not reason or reason == "5,000 different texts: those that are frequent are in 4% of the rows only"


def test_encoder_leaves_out_free_text_and_empty_text() -> None:
    remarks = np.array([f"call {k} before" if k % 3 else None for k in range(len(FRAME))], dtype=object)
    left_out = Encoder(ended).fit(COLUMNS | {"shop": remarks}).left_out
    assert left_out["shop"] == "an identifier or free text: nearly each row has a text of its own"
    nothing = np.full(len(FRAME), None, dtype=object)
    assert Encoder(ended).fit(COLUMNS | {"shop": nothing}).left_out["shop"] == "it has no value in any row"


def test_encoder_keeps_integers_that_measure_something() -> None:
    random = np.random.default_rng(0)
    shuffled = COLUMNS | {"number": random.permutation(len(FRAME)).astype(float)}
    assert "number" in Encoder(ended).fit(shuffled).names
    assert "number" in Encoder(ended).fit(COLUMNS | {"number": COLUMNS["number"] // 2}).names


def test_encoder_reads_parts_of_a_time() -> None:
    times = np.array(["1969-12-31T23:59", "2024-02-29T07:00"], dtype="datetime64[us]")
    assert (weekday(times).tolist(), month(times).tolist(), hour(times).tolist()) == ([2, 3], [12, 2], [23, 7])
    expected = pd.Series(pd.date_range("1999-01-01", periods=1000, freq="17h"))
    times = expected.to_numpy().astype("datetime64[us]")
    assert weekday(times).tolist() == expected.dt.day_of_week.tolist()
    assert month(times).tolist() == expected.dt.month.tolist()
    assert days_between(times[1:], times[:-1]).tolist() == [17 / 24] * 999


def test_encoder_needs_a_time_for_days_between() -> None:
    names = Encoder(timeless).fit(COLUMNS).names
    assert "start_hour" in names and "start_days" not in names


def test_encoder_gives_a_row_the_same_numbers_wherever_it_comes_from() -> None:
    encoder = Encoder(ended).fit(COLUMNS)
    matrix = encoder.transform(COLUMNS)
    aliased = FRAME.rename(columns={name: field.alias for name, field in ended.fields.items()})
    rows = aliased.astype(object).where(aliased.notna(), None).drop(columns="ending").to_dict("records")
    requests = [ended.Row.model_validate(row) for row in rows]
    np.testing.assert_array_equal(encoder.transform(ended.arrays(requests)), matrix)
    log = FRAME.rename(columns={name: field.column for name, field in ended.fields.items()})
    np.testing.assert_array_equal(encoder.transform(ended.arrays(pa.Table.from_pandas(log))), matrix)
    for row in (0, 7, len(FRAME) - 1):
        one = {name: values[row : row + 1] for name, values in COLUMNS.items()}
        np.testing.assert_array_equal(encoder.transform(one)[0], matrix[row])


def test_encoder_survives_a_file() -> None:
    encoder = Encoder(ended).fit(COLUMNS)
    data = skops.io.dumps(encoder)
    assert skops.io.get_untrusted_types(data=data) == ["daybook.encoder.Encoder"]
    again = skops.io.loads(data, trusted=["daybook.encoder.Encoder"])
    np.testing.assert_array_equal(again.transform(COLUMNS), encoder.transform(COLUMNS))
    assert vars(again) == vars(encoder)


def test_encoder_can_be_fitted_again() -> None:
    encoder = Encoder(ended).fit(COLUMNS)
    names = encoder.names
    encoder.fit(COLUMNS | {"shop": np.full(len(FRAME), None, dtype=object)})
    assert encoder.fit(COLUMNS).names == names and encoder.left_out.keys() == {"trip", "number"}


def test_encoder_needs_a_field_to_learn_from() -> None:
    everything = [name for name in ended.fields if name != "trip"]
    with pytest.raises(DaybookError, match="there is nothing to learn from: .*you leave it out.*trip"):
        Encoder(ended, leave_out=everything).fit(COLUMNS)


def test_codes_of_nothing_are_nothing() -> None:
    assert codes(np.array([], dtype=object), {"a": 0.0}).shape == (0,)
    assert frequent_values(np.array(["b", "a", "b", "a", None], dtype=object), 5) == ["a", "b"]


@pytest.mark.parametrize(
    ("first", "end", "step", "expected"),
    [
        ("2024-01-01", "2026-01-01", 1, range(1, 13)),
        ("2024-03-20", "2024-08-02", 1, [3, 3, 3, 4, 5, 6, 7, 7, 7, 7, 7, 3]),  # a day of August
        ("2024-01-29", "2024-05-01", 1, [2, 2, 3, 4, 4, 4, 4, 4, 4, 2, 2, 2]),  # three days of January
        ("2024-07-01", "2025-01-01", 1, [12, 12, 12, 7, 7, 7, 7, 8, 9, 10, 11, 12]),
        ("2024-01-05", "2025-01-01", 7, range(1, 13)),
        ("2024-01-01", "2024-04-30", 30, [1, 1, 3, 3, 3, 3, 3, 3, 1, 1, 1, 1]),
    ],
)
def test_month_that_is_hardly_there_is_the_nearest(first: str, end: str, step: int, expected: Iterable[int]) -> None:
    """The rows of one day stood for a whole month."""
    months = learned_months(np.arange(first, end, step, dtype="datetime64[D]").astype("datetime64[us]"))
    assert months[0] == 0 and months[1:] == list(expected)


def test_month_of_one_year_is_learned_beside_those_of_seven() -> None:
    summers = [np.arange(f"{year}-04-01", f"{year}-11-01", dtype="datetime64[D]") for year in range(2017, 2024)]
    times = np.concatenate([*summers, np.arange("2024-01-01", "2025-01-01", dtype="datetime64[D]")])
    assert learned_months(times) == list(range(13))


def test_encoder_that_was_saved_before_takes_months_as_they_are() -> None:
    columns = example.contract.arrays(example.sample(days=40))
    encoder = Encoder(example.contract).fit(columns)
    later = {name: values[-1:] for name, values in example.contract.arrays(example.sample(days=300)).items()}
    month_at = encoder.names.index("day_month")
    assert encoder.transform(later)[0, month_at] == encoder.months["day"][month(later["day"])[0]]
    del encoder.months
    assert encoder.transform(later)[0, month_at] == month(later["day"])[0]


def test_no_class_is_impossible() -> None:
    found = with_succession(np.array([[1.0, 0.0], [0.25, 0.75]]), 998)
    assert found.tolist() == [[0.999, 0.001], [0.2505, 0.7495]]


def test_with_every_class_adds_a_row_for_each_absent_class() -> None:
    matrix, labels = with_every_class(ended, np.ones((3, 2)), np.array([2.0, 2.0, 0.0]))
    assert labels.tolist() == [2, 2, 0, 1] and labels.dtype == np.int64
    assert np.isnan(matrix[3]).all() and not np.isnan(matrix[:3]).any()
    assert with_every_class(late, np.ones((2, 1)), np.ones(2))[1].tolist() == [1, 1, 0]
    assert with_every_class(late, np.ones((2, 1)), np.array([0.0, 1.0]))[0].shape == (2, 1)


@pytest.mark.parametrize("name", list(COLUMNS))
def test_field_without_a_value_is_left_out(name: str) -> None:
    kind = COLUMNS[name].dtype.kind
    empty = {"f": np.nan, "M": np.datetime64("NaT"), "O": None}[kind]
    columns = COLUMNS | {name: np.full(len(COLUMNS[name]), empty, COLUMNS[name].dtype)}
    encoder = Encoder(ended).fit(columns)
    assert encoder.left_out[name] == "it has no value in any row"
    assert not any(each.startswith(name) for each in encoder.names)
