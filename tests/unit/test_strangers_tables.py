"""Whole tables as people really have them: what `daybook adopt` says of them, and what it makes of them."""

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel
from tables import column

from daybook.adoption import look
from daybook.chapter import notebook
from daybook.contract import Contract
from daybook.excerpt import excerpt
from daybook.project import DaybookError
from daybook.proposal import Proposal
from daybook.proposed_field import bounds
from daybook.reading import read

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(120)]


def looked(folder: Path, lines: list[str] | bytes, target: str | None = None, **options: object) -> Proposal:
    """What a file of these lines is proposed to become."""
    content = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
    (folder / "t.csv").write_bytes(content)
    return look(folder / "t.csv", target, **options).proposal


def test_personal_numbers_and_days_are_made_up_and_never_quoted(tmp_path: Path) -> None:
    births = [date(1950, 1, 10) + timedelta(days=37 * number) for number in range(120)]
    lines = [
        f"{born:%d.%m.%Y},{100000000 + 7919 * (n // 2)},{day},{n % 7}"
        for n, (born, day) in enumerate(zip(births, DAYS, strict=True))
    ]
    proposal = looked(tmp_path, ["geburtsdatum,ssn,day,y", *lines], "y", time="day")
    born, number = proposal.fields[0], proposal.fields[1]
    assert (born.column.personal, number.column.personal) == ("dates of birth", "numbers of people")
    assert "1950" not in born.code and "10.01" not in born.code and number.annotation == "str"
    made = excerpt(proposal).to_pandas()
    assert (made["geburtsdatum"] != pd.Series(births).head(len(made))).mean() > 0.9
    assert made["geburtsdatum"].between(births[0], births[-1]).all() and made["geburtsdatum"].is_unique
    text = notebook(proposal, "m", "t.csv")
    assert "`geburtsdatum`, `ssn` are made up" in text and "100007919" not in text


def test_phone_numbers_keep_their_plus_and_names_are_not_quoted() -> None:
    assert (found := column([f"+4917012{number:05}" for number in range(90)], "contact")).type is str
    assert found.personal == "phone numbers"
    assert column([*["John", "Mary"] * 60, "Jonh"], "first_name").rare == ()


def test_wide_numbers_with_gaps_in_the_target_are_read_as_adopted(tmp_path: Path) -> None:
    ids = [10**25 + 37 * number for number in range(90)]
    table = {"id": pa.array(ids, pa.decimal128(38, 0)), "x": [n % 5 for n in range(90)]}
    table["y"] = [None if number % 9 == 0 else number % 4 for number in range(90)]
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    proposal = look(tmp_path / "t.parquet", "y", key=["id"]).proposal
    code = ["".join(cell["source"]) for cell in json.loads(notebook(proposal, "m", "/t.parquet"))["cells"]]
    names: dict = {}
    for cell in code:
        if cell.startswith("#| export"):
            exec(cell, names)
    frame = names["load"](str(tmp_path / "t.parquet"))
    assert (len(frame), frame["id"].iloc[0]) == (80, str(ids[1]))


def test_file_without_names_and_with_other_letters_is_asked_about(tmp_path: Path) -> None:
    rows = [f"{5 + n % 9 / 10},{3 + n % 7 / 10},{('setosa', 'virginica')[n % 2]}" for n in range(90)]
    assert any("has `t.csv` a line of names?" in each for each in looked(tmp_path, rows).questions)
    named = looked(tmp_path, ["a,2023,2024", *rows])
    assert not any("a line of names" in each for each in named.questions)
    cities = ["город,y", *(f"{('Москва', 'Казань')[n % 2]},{n % 7}" for n in range(90))]
    found = looked(tmp_path, "\n".join(cities).encode("cp1251"), "y")
    assert any("is not UTF-8, and is read as Windows-1252: is `ãîðîä` right?" in each for each in found.questions)


@pytest.mark.parametrize(
    ("values", "unlike"),
    [
        ([*range(60), "<5", "<10", ">200", "<3"], "<10"),
        (["0.0", *(f"{n}.5" for n in range(60)), "<0.5", "<0.1", ">100", "<5"] * 2, "<0.1"),
        ([f"{n % 9}.5 {'kg' if n % 2 else 'g'}" for n in range(90)], "0.5 g"),
        ([f"{n % 13}:{n % 60:02}" for n in range(90)], "0:00"),
        ([f"PT{n}H30M" for n in range(90)], "PT0H30M"),
        ([f"1,{n:02},456" for n in range(90)], "1,00,456"),
    ],
)
def test_amounts_are_asked_about(values: list, unlike: str) -> None:
    values = [str(value) for value in values] * 2
    assert (column(values).type, column(values).form.unlike) == (str, (unlike,))


@pytest.mark.parametrize("values", [["12A", "12B", "14C", "9D"], ["1-2", "3-4", "5-9"], ["red 1", "red 2", "red 3"]])
def test_codes_are_no_amounts(values: list[str]) -> None:
    assert column(values * 9).form.unlike == ()


def test_one_category_in_two_spellings_is_asked_about(tmp_path: Path) -> None:
    words = ["Berlin", "berlin", "BERLIN", "Köln", "Ko\u0308ln"]
    lines = ["city,y", *(f"{words[n % 5]},{n % 7}" for n in range(200))]
    asked = [each for each in looked(tmp_path, lines, "y").questions if "a spelling of" in each]
    assert len(asked) == 3


def test_blanks_behind_commas_are_no_part_of_cells(tmp_path: Path) -> None:
    lines = ["age, work, y", *(f"{20 + n % 50}, {('Private', 'State-gov')[n % 2]}, {n % 7}" for n in range(90))]
    proposal = looked(tmp_path, lines, "y")
    assert [each.annotation for each in proposal.fields] == ["int", 'Literal["Private", "State-gov"]']


def test_words_that_may_be_values_are_kept_or_asked_about(tmp_path: Path) -> None:
    assert column(["+", "-", "+"] * 30).n_missing == 0
    lines = ["region,y", *(f"{('EMEA', 'APAC', 'NA', 'LATAM')[n % 4]},{n % 7}" for n in range(200))]
    asked = looked(tmp_path, lines, "y").questions
    assert "`region`: does `NA` mean that there is no value? It is taken for missing." in asked


def test_lines_below_a_table_are_no_rows(tmp_path: Path) -> None:
    lines = ["id,day,y", *(f"{1000 + n},{day},{n % 7}" for n, day in enumerate(DAYS)), ",,", ",,"]
    proposal = looked(tmp_path, lines, "y", time="day", key=["id"])
    assert (proposal.profile.rows, [each.annotation for each in proposal.fields]) == (120, ["int", "date"])
    asked = looked(tmp_path, [*lines, "Total,,357"], "y").questions
    assert "`id`: is a row of `Total` the sum of others? Then take it out of the table." in asked


def test_numbers_before_a_sign_that_cannot_be_seen_are_asked_about(tmp_path: Path) -> None:
    lines = ["n,y", *(f"{n % 40}\u00a0,{n % 7}" for n in range(120))]
    asked = looked(tmp_path, lines, "y").questions
    assert r"is `n` a number? It is read as text, since `0\xa0` is none." in asked
    with pytest.raises(DaybookError, match=r"texts such as 0\\xa0: write numbers"):
        looked(tmp_path, lines, "n")


def test_times_with_and_without_a_zone_are_asked_about(tmp_path: Path) -> None:
    zones = ("+02:00", "", "")
    lines = ["at,y", *(f"{day}T07:00:00{zones[n % 3]},{n % 7}" for n, day in enumerate(DAYS))]
    asked = looked(tmp_path, lines, "y").questions
    assert any("`2024-01-02T07:00:00` has no time zone, and others have one" in each for each in asked)


@pytest.mark.parametrize("gap", ["0", "00000000"])
def test_days_of_digits_may_be_missing(gap: str) -> None:
    found = column([*(f"{day:%Y%m%d}" for day in DAYS), gap])
    assert (found.type, found.n_missing, found.form.doubtful) == (date, 1, (gap,))


def test_look_guesses_no_column_that_no_field_can_be(tmp_path: Path) -> None:
    assert looked(tmp_path, ["a,y,y", *(f"{n % 7},{n % 5},{n % 3}" for n in range(60))]).roles.target == "a"
    index = looked(tmp_path, [",x,y", *(f"{day},{n % 7},{n % 5}" for n, day in enumerate(DAYS))])
    assert (index.roles.time, index.roles.target) == ("column0", "y")
    born = ["Date of birth,Admission date,y", *(f"{date(1950, 1, 1) + (d - DAYS[0])},{d},{d.day}" for d in DAYS)]
    assert looked(tmp_path, born).roles.time == "Admission date"
    ids = ["order_id,x,y", *(f"{100000 + 3 * n},{n % 7},{n % 5}" for n in range(90))]
    assert looked(tmp_path, ids).roles.key == ("order_id",)


@pytest.mark.parametrize(
    ("name", "low", "high", "most"),
    [
        ("orders per day", 1, 26, 60),
        ("trips per hour", 0, 23, 50),
        ("month budget", 1, 12, 30),
        ("day rate eur", 1, 31, 70),
        ("lat ms", 1, 80, 160),
        ("hour of day", 0, 22, 23),
        ("start lat", 50, 53, 90),
    ],
)
def test_bounds_follow_the_last_word_of_a_name(name: str, low: int, high: int, most: int) -> None:
    numbers = column([str(low + n % (high - low + 1)) for n in range(400) if n % (high - low + 1) != 3], name)
    assert (bounds(numbers)[1] or 1000) >= most


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["at,y", *(f"{1704067200 + 60 * n},{n % 7}" for n in range(60))], "If they are seconds since 1970, write"),
        (["at,y", *(f"{1704067200000 + 60 * n},{n % 7}" for n in range(60))], "If they are milliseconds since 1970"),
        (["at,y", *(f"{2020 + n // 12}{n % 12 + 1:02},{n % 7}" for n in range(60))], "--format at=%Y%m"),
        (["at,y", *(f"2024-W{n % 50 + 1:02},{n % 7}" for n in range(60))], "--format at=%G-W%V"),
        (["at,y", *(f"{d},{d.day}" for d in DAYS), "Total,870"], r"as in row 120 \(Total\)"),
    ],
)
def test_time_that_cannot_be_one_says_what_to_do(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(DaybookError, match=sentence):
        looked(tmp_path, lines, "y", time="at")


def test_title_above_a_table_and_a_target_of_one_value_are_named(tmp_path: Path) -> None:
    rows = [f"{day},{n % 7},{n % 5}" for n, day in enumerate(DAYS)]
    with pytest.raises(DaybookError, match="line 3 looks like it: delete those above it"):
        looked(tmp_path, ["# Export", "# Station 12", "time,temp,y", *rows], "y")
    with pytest.raises(DaybookError, match="it has one value only, X, and is empty elsewhere: write another"):
        looked(tmp_path, ["x,y", *(f"{n % 7},{'X' * (n % 2)}" for n in range(60))], "y")
    with pytest.raises(DaybookError, match=r"could learn from \(x: is y under another name"):
        looked(tmp_path, ["x,y", *(f"{n % 7},{n % 7}" for n in range(90))], "y")


def test_letters_that_cannot_be_printed_do_not_break_the_chapter(tmp_path: Path) -> None:
    lines = ["a,k,y", *(f"{n % 9},{('b', 'x' + chr(0) + 'z')[n % 2]},{n % 7}" for n in range(90))]
    proposal = looked(tmp_path, lines, "y")
    compile("\n".join(each.code.strip() for each in proposal.fields), "chapter", "exec")


@pytest.mark.parametrize("text", ['{"data": [{"a": 1}, {"a": 2}]}', '{"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": 4}}'])
def test_json_that_is_wrapped_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DaybookError, match="it holds one object around others; a table is a list of objects"):
        look(tmp_path / "t.json")


class Tank(BaseModel):
    liter: float


class Filled(Tank):
    y: int


def test_next_file_is_read_by_the_decimal_sign_of_the_table_that_was_adopted(tmp_path: Path) -> None:
    lines = ["day;liter;y", *(f"{day};{n % 40},{n % 100:02};{n % 7}" for n, day in enumerate(DAYS))]
    assert r"decimal=\",\"" in notebook(looked(tmp_path, lines, "y"), "m", "t.csv")
    contract, file = Contract(Filled, target="y", name="filled", decimal=","), tmp_path / "next.csv"
    file.write_text("liter;y\n12,345;1\n7,125;2\n")
    assert read(contract, file)["liter"].tolist() == [12.345, 7.125]
    file.write_text("liter;y\n1.234;1\n12.500;2\n")
    with pytest.raises(DaybookError, match="with a decimal comma"):
        read(contract, file)
    file.write_text("liter;y\n1.5;1\n12.25;2\n")
    assert read(contract, file)["liter"].tolist() == [1.5, 12.25], "it shows that it has points"
