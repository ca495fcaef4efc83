"""What is in each column of a table."""

from datetime import date, datetime

import pandas as pd
import pytest
from tables import column, orders, profile

from daybook.column_types import database_type
from daybook.profile import Profile
from daybook.project import DaybookError
from daybook.recognition import personal_by_name, personal_by_values, python_name, text_gaps
from daybook.sources import open_source


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["yes", "no", "YES"], bool),
        (["true", "false"], bool),
        (["0", "1", "1"], bool),
        ([0, 1, 1], bool),
        (["0", "1", "2"], int),
        (["1.0", "2.0", None], int),
        (["1.0", "2.0", "3.0"], float),
        (["1.5", "2"], float),
        ([1.0, 2.0, None], int),
        ([1.0, 2.5, None], float),
        (["01067", "99084"], str),
        (["12345678901234567890", "12345678901234567891"], str),
        (["2024-01-01", "2024-12-31"], date),
        (["2024-01-01 00:00:00", "2024-12-31 00:00:00"], date),
        (["2024-01-01T10:00:00+02:00", "2024-01-01 12:30"], datetime),
        (["31.12.2024 10:30", "01.01.2024 23:59"], datetime),
        (["20240131", "20240201", "20231224"], date),
        ([*(f"{number}.0" for number in range(30, 50)), "42.5"], float),
        ([*map(str, range(30, 50)), "42.5", "-"], float),
        ([*(f"2024-01-{day:02}" for day in range(1, 29)), "2024-01-05 10:00:00"], datetime),
        (["ja", "nein"], str),
        (["left", "right"], str),
        ([None, None], None),
        (["", ""], None),
    ],
)
def test_column_type(values: list, kind: type | None) -> None:
    assert column(values).type is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("UBIGINT", str), ("DECIMAL(9,2)", float), ("TIMESTAMP_NS", datetime), ("VARCHAR", str), ("BLOB", None)],
)
def test_database_type(name: str, kind: type | None) -> None:
    assert database_type(name) is kind


def test_formats_of_dates_are_found() -> None:
    assert column(["31.12.2024", "01.02.2024"]).form.format == "%d.%m.%Y"
    assert column(["12/31/2024", "02/01/2024"]).form.format == "%m/%d/%Y"
    assert column(["31.12.24", "01.02.24"]).form.format == "%d.%m.%y"
    assert column(["2024-1-5", "2024-11-30"]).form.format == "%Y-%m-%d"
    assert column(["2024-01-05 00:00:00 UTC", "2024-11-30 10:30:00 UTC"]).type is datetime


def test_ambiguous_dates_have_two_formats() -> None:
    form = column(["03/04/2024", "05/06/2024"]).form
    assert (form.format, form.other_format) == ("%d/%m/%Y", "%m/%d/%Y")
    frame = pd.DataFrame({"day": ["03/04/2024", "05/06/2024"]})
    settled = profile(frame, formats={"day": "%m/%d/%Y"}).columns["day"]
    assert (settled.form.other_format, settled.high) == (None, date(2024, 5, 6))


def test_sentinels_are_gaps() -> None:
    weights = column([f"{number / 4}" for number in range(1, 60)] + ["-999", "-999"])
    assert (weights.form.gaps, weights.n_missing, weights.low) == (("-999",), 2, 0.25)
    typed = column([number / 4 for number in range(1, 60)] + [-999.0, float("nan")])
    assert (typed.form.gaps, typed.n_missing, typed.n_gaps) == (("-999.0",), 2, 1)
    days = column(["2024-01-01", "2024-02-01", "9999-12-31"])
    assert (days.form.gaps, days.high) == (("9999-12-31",), date(2024, 2, 1))


def test_numbers_that_are_not_far_off_are_no_sentinels() -> None:
    assert column([str(number) for number in range(90, 120)]).form.gaps == ()
    assert column(["-999", "-500", "0", "700"]).form.gaps == ()


def test_words_among_numbers_are_doubtful_gaps() -> None:
    items = column(["1", "2", "3", "4", "5", "6", "7", "8", "many", "n/a", "?"])
    assert (items.type, set(items.form.gaps), items.form.doubtful) == (int, {"many", "n/a", "?"}, ("many",))


@pytest.mark.parametrize(
    ("values", "unlike"),
    [
        ([f"{number:02}" for number in range(1, 96)] + ["2A", "2B"], ()),  # leading zeros: a code in any case
        (["0", "1", "2"] * 20 + ["3+"] * 9, ("3+",)),
        ([f"{number / 10}" for number in range(5, 90)] + ["<0.5"] * 20, ("<0.5",)),
        ([str(number) for number in range(40)] + ["abc"] * 90, ("abc",)),
    ],
)
def test_values_among_numbers_are_kept_as_texts(values: list[str], unlike: tuple[str, ...]) -> None:
    found = column(values)
    assert (found.type, found.n_missing, found.form.unlike) == (str, 0, unlike)


def test_a_code_stays_one_beside_a_word() -> None:
    zips = column([f"0{number}" for number in range(1000, 1100)] + ["unknown place"])
    assert (zips.type, zips.form.is_code, zips.n_missing) == (str, True, 0)


@pytest.mark.parametrize("large", ["1.174", "12.345"])
def test_points_that_may_stand_between_thousands_are_no_decimals(large: str) -> None:
    values = [str(number) for number in range(100, 200)] + [f"{number}.{number + 100}" for number in range(1, 40)]
    found = column([*values, large])
    assert found.type is None and "." in found.form.unlike[0]
    assert column([*values, "0.5"]).type is float


def test_infinity_is_a_gap() -> None:
    numbers = column([0.5, 2.5, float("inf"), float("-inf"), 4.25])
    assert (set(numbers.form.gaps), numbers.n_missing, numbers.high) == ({"inf", "-inf"}, 2, 4.25)
    assert column([float("inf")] * 3).type is None
    whole = column([1.0, 2.0, float("inf")])
    assert (whole.type, whole.high) == (int, 2)


def test_integers_of_more_than_64_bits_are_codes() -> None:
    large = column([2**63 + number for number in range(5)])
    assert (large.type, large.form.is_code, large.n_missing) == (str, True, 0)
    assert profile(pd.DataFrame({"x": pd.Series([1, 2, 3], dtype="uint64")})).columns["x"].type is int


def test_texts_keep_none_and_codes() -> None:
    assert column(["rain", "none", "n/a", "sun"]).form.gaps == ("n/a",)
    assert text_gaps(["DE", "FR", "NA", "US"]) == []


def test_rare_spellings_have_a_neighbour() -> None:
    carriers = column(["north"] * 60 + ["south"] * 60 + ["nord", "South "])
    assert carriers.rare == (("South ", 1, "south"), ("nord", 1, "north"))


def test_different_numbers_are_counted_by_value() -> None:
    assert column(["0", "0 ", "1", "1.0", None]).n_distinct == 2


def test_personal_data_is_recognised() -> None:
    assert personal_by_values(["ann@example.org", "b@example.com"]) == "e-mail addresses"
    assert personal_by_values(["+49 351 123456", "0351/99887"]) == "phone numbers"
    assert personal_by_values(["DE89 3704 0044 0532 0130 00"]) == "IBANs"
    assert personal_by_values(["10.0.0.1", "192.168.1.20"]) == "IP addresses"
    assert [personal_by_name(name) for name in ("customerName", "carrier_name", "zip")] == [
        "names of people",
        None,
        None,
    ]
    assert column(["1950-01-02", "1980-03-04", "1990-05-06"], "date of birth").personal == "dates of birth"


def test_profile_of_orders() -> None:
    columns = profile(orders()).columns
    kinds = [str, date, date, str, str, bool, int, float, str, bool]
    assert [each.type for each in columns.values()] == kinds
    assert columns["zip"].form.is_code
    assert columns["Order ID"].is_unique and not columns["note"].personal
    assert columns["class"].rare == (("ecco", 1, "eco"),)
    assert (columns["weight kg"].n_missing, columns["n_items"].n_missing) == (8, 80)


def test_profile_counts_all_rows() -> None:
    numbers = [str(number) for number in range(30_000)] + ["ten"]
    assert column(numbers).form.doubtful == ("ten",)


def test_profile_keeps_columns_of_one_name_apart() -> None:
    twice = Profile(open_source(pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["x", "X", "x"])))
    assert list(twice.twins.values()) == ["x", "x"] and "X" not in twice.twins
    assert [each.high for each in twice.columns.values()] == [4, 5, 6]


def test_profile_refuses_a_table_without_rows() -> None:
    with pytest.raises(DaybookError, match="orders.csv has no rows"):
        profile(orders().head(0))


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("zip", "zip"),
        ("OrderID", "OrderID"),
        ("größe", "größe"),
        ("weight kg", "weight_kg"),
        ("class", "class_"),
        ("copy", "copy_"),
        ("schema", "schema_"),
        ("date", "date_"),
        ("_x", "x"),
        ("2nd", "column_2nd"),
        ("Preis in €", "preis_in_eur"),
        ("model_dump", "field_model_dump"),
        ("!", "column"),
    ],
)
def test_python_name(name: str, result: str) -> None:
    assert python_name(name) == result
