"""Columns as people really have them: what is read wrongly without a word is worse than a question."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import column, profile
from test_proposal import proposal_of

from daybook.conversion import typed_conversion
from daybook.excerpt import replacements
from daybook.profile import Column, Profile
from daybook.project import DaybookError
from daybook.proposed_field import proposed_field
from daybook.roles import is_identifier, repeats, roles
from daybook.sources import open_source

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(300)]
NUMBERS = [f"{number % 97}.{number % 10}" for number in range(300)]


def typed(tmp_path: Path, values: list, kind: pa.DataType) -> Column:
    """The profile of a column of Parquet."""
    pq.write_table(pa.table({"x": pa.array(values, kind)}), tmp_path / "t.parquet")
    return Profile(open_source(tmp_path / "t.parquet")).columns["x"]


def test_points_between_thousands_are_no_decimals() -> None:
    found = column([f"{number}.{number * 7 % 1000:03}" for number in range(1, 290)] + ["850", "733"])
    assert (found.type, found.form.unlike[0][-4]) == (None, ".")


def test_points_that_may_stand_between_thousands_are_asked_about() -> None:
    sales = [f"{number}.{number * 7 % 1000:03}" for number in range(1, 300)]
    found = proposal_of(pd.DataFrame({"sales": sales, "y": [number % 7 for number in range(299)]}), "y")
    assert "is `1.007` of `sales` more than a thousand? Its point is read as decimal." in found.questions


@pytest.mark.parametrize(
    ("other", "format"), [("1,133.63", "1,234.56"), ("1'178.90", "1'234.56"), ("1 178.9", "1 234.56")]
)
def test_one_number_with_thousands_says_how_they_are_written(other: str, format: str) -> None:
    found = column([*NUMBERS, other])
    assert (found.type, found.form.format, found.n_missing, found.form.unlike) == (float, format, 0, ())


@pytest.mark.parametrize("other", ["(10.65)", "1'1178.90", "<0.5", "12-", "5 %"])
def test_number_in_another_spelling_is_not_missing(other: str) -> None:
    found = column([*NUMBERS, other])
    assert (found.type, found.form.unlike, found.n_missing) == (str, (other,), 0)


def test_nines_are_missing_only_if_they_repeat_and_are_asked_about() -> None:
    values = [str(number % 100) for number in range(300)]
    assert column([*values, "999"]).n_missing == 0
    twice = column([*values, "999", "999"])
    assert (twice.n_missing, twice.form.doubtful) == (2, ("999",))
    assert (column([*values, "-999"]).n_missing, column([*values, "-999"]).form.doubtful) == (1, ())
    assert column([*NUMBERS, "999.99", "999.99"]).n_missing == 0, "a price"


@pytest.mark.parametrize(("filler", "far", "bound"), [("-9999", "-700", "gt=-9999"), ("99999", "9000", "lt=99999")])
def test_number_for_a_missing_value_is_none_of_a_request(filler: str, far: str, bound: str) -> None:
    balances = [*(str(number % 100) for number in range(3000)), far]
    field = proposed_field(column([*balances, filler, filler]), "balance")
    assert bound in field.arguments and field.annotation == "int | None"


@pytest.mark.parametrize(
    ("texts", "format"),
    [
        ([f"{day:%y/%m/%d}" for day in DAYS], "%y/%m/%d"),
        ([f"{day:%d.%m.%y}" for day in DAYS], "%d.%m.%y"),
        ([f"{day:%d/%m/%y}" for day in DAYS], "%d/%m/%y"),
        ([f"{day.day:02}.{day.month:02}.{40 + day.day}" for day in DAYS], None),  # births
    ],
)
def test_years_of_two_digits_are_not_in_the_future(texts: list[str], format: str | None) -> None:
    assert column(texts).form.format == format and column(texts).form.other_format is None


def test_two_formats_of_the_same_days_are_no_question() -> None:
    assert column([f"{day:%d %B %Y}" for day in DAYS if day.month == 5]).form.other_format is None


@pytest.mark.parametrize(
    "texts", [["0", "1", ""], ["0", "1", "NA"], ["TRUE", "FALSE", "NA"], ["yes ", "yes", "no", " no"]]
)
def test_yes_and_no_may_have_gaps_and_blanks(texts: list[str]) -> None:
    assert column(texts * 40).type is bool
    assert column(["yes", "no", "unknown"] * 40).type is str, "that is an answer"


def test_typed_zeros_and_ones_are_yes_and_no(tmp_path: Path) -> None:
    assert typed(tmp_path, [0.0, 1.0, None] * 40, pa.float64()).type is bool
    assert typed(tmp_path, [0, 1] * 40, pa.decimal128(38, 0)).type is bool
    assert typed(tmp_path, [*range(50)], pa.decimal128(38, 0)).type is int


def test_wide_integers_are_ids_that_can_be_read(tmp_path: Path) -> None:
    ids = [2**63 + number for number in range(50)]
    assert typed(tmp_path, ids, pa.uint64()).type is str
    [(text,)] = duckdb.sql(
        f"SELECT {typed_conversion('x', 'UBIGINT', str)} FROM (SELECT {ids[1]}::UBIGINT AS x)"
    ).fetchall()
    assert text == str(ids[1])


def test_days_may_be_typed_integers(tmp_path: Path) -> None:
    days = [int(f"{day:%Y%m%d}") for day in DAYS]
    assert (typed(tmp_path, days, pa.int64()).type, typed(tmp_path, days, pa.int64()).high) == (date, DAYS[-1])
    assert Profile(open_source(tmp_path / "t.parquet"), {"x": "%Y%m%d"}).columns["x"].type is date
    assert typed(tmp_path, [*range(20240100, 20240400)], pa.int64()).type is int
    with pytest.raises(DaybookError, match="x: a format is for texts, and it holds float values"):
        profile(pd.DataFrame({"x": [1.5, 2.5]}), formats={"x": "%Y%m%d"})


def test_months_with_a_point_are_no_decimals() -> None:
    found = column([f"{day:%m.%Y}" for day in DAYS])
    assert (found.type, found.form.unlike) == (str, ())


def test_prices_and_months_name_no_rows() -> None:
    prices = column([f"${number + 1000:,}.22" for number in range(300)])
    assert prices.type is float and not is_identifier(prices)
    assert not is_identifier(column([f"{1990 + number // 12}-{number % 12 + 1:02}" for number in range(300)]))
    assert not is_identifier(column([*range(1990, 2024)], name="year"))
    assert is_identifier(column([f"A{number}" for number in range(300)]))
    assert is_identifier(column([f"{number:06}" for number in range(300)]))


def test_target_that_is_named_may_have_different_integers() -> None:
    frame = pd.DataFrame({"x": range(24), "visitors": [100 + 2 * number for number in range(24)]})
    assert roles(profile(frame), "visitors").target == "visitors"
    with pytest.raises(DaybookError, match="x cannot be the target: it names rows"):
        roles(profile(frame), "x")


def test_one_day_in_two_spellings_repeats() -> None:
    found = profile(pd.DataFrame({"day": ["1/15/2024", "01/15/2024", "1/16/2024"]}))
    assert repeats(found, ["day"]) == 1


def test_made_up_texts_differ() -> None:
    names = [f"u{number:03}" for number in range(300)]
    assert len(set(replacements(names, b"salt", 4).values())) == 300
    assert len(set(replacements(["a", "b", "c"] * 2, b"salt", 4))) == 3


def test_file_that_is_almost_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    rows = ["city,y", *["Köln,1", "München,2"] * 50]
    content = "\n".join(rows).encode()
    (tmp_path / "t.csv").write_bytes(content + b"\nStra\xc3,1\n")
    with pytest.raises(
        DaybookError, match="t.csv: line 102 has a byte that is not UTF-8, though the rest of the file is: correct it"
    ):
        open_source(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(content + b"\n" + "Köln,1\n".encode() * 2_200_000 + b"Stra\xc3,1\n")
    with pytest.raises(DaybookError, match="t.csv: a line after its first 16 MB has a byte"):
        open_source(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes("\n".join(rows).encode("cp1252"))
    source = open_source(tmp_path / "t.csv")
    assert source.relation.limit(1).fetchall()[0][0] == "Köln"


def test_lists_of_answers_are_no_decimals(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,top\n1,"3,4"\n2,5\n3,"1,2,3"\n')
    assert open_source(tmp_path / "t.csv").decimal() == "."
