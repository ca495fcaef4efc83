"""Files as people really have them: how their cells, dates and numbers are told."""

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
from daybook.project import DaybookError
from daybook.proposal import Proposal
from daybook.proposed_field import bounds
from daybook.reading import batches
from daybook.recognition import how_to_date, measured
from daybook.sources import open_source

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(120)]


def looked(folder: Path, lines: list[str], target: str | None = None, **options: object) -> Proposal:
    """What a file of these lines is proposed to become."""
    (folder / "t.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return look(folder / "t.csv", target, **options).proposal


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_commas_of_units_and_numbers_separate_no_cells(tmp_path: Path, sign: str) -> None:
    lines = [sign.join(("Zeit", "Temp, °C", "Druck, hPa"))]
    lines += [sign.join((f"{day}", f"{n % 30},5", f"{1000 + n % 40},2")) for n, day in enumerate(DAYS)]
    proposal = looked(tmp_path, lines, "Druck, hPa")
    assert (list(proposal.profile.columns), proposal.profile.decimal) == (["Zeit", "Temp, °C", "Druck, hPa"], ",")
    assert proposal.profile.columns["Druck, hPa"].high == 1039.2


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_blanks_behind_commas_of_names_separate_no_cells(tmp_path: Path, sign: str) -> None:
    lines = [sign.join(("City, State", "Pop", "Sales")), *(sign.join(("Austin, TX", str(n), "34")) for n in range(9))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    source = open_source(tmp_path / "t.csv")
    assert (source.names, source.relation.fetchall()[8]) == (["City, State", "Pop", "Sales"], ("Austin, TX", "8", "34"))


def test_times_with_points_leave_decimal_commas(tmp_path: Path) -> None:
    lines = ["Artikel;Preis;Uhrzeit", *(f"A{n % 7};{n},50;{8 + n % 12}.{10 + n % 50}" for n in range(99))]
    proposal = looked(tmp_path, lines, "Preis")
    assert (proposal.profile.columns["Preis"].type, proposal.profile.decimal) == (float, ",")


def test_line_that_repeats_the_names_is_no_row(tmp_path: Path) -> None:
    rows = [f"{day},{n}.5,b" for n, day in enumerate(DAYS)]
    proposal = looked(tmp_path, ["day, x,y", *rows[:60], "day, x,y", *rows[60:]], "x")
    assert (proposal.rows, proposal.left_out) == (120, {"y": "it is always b"})
    assert not [each for each in proposal.questions if "no value" in each]
    proposal = looked(tmp_path, ["day,x,y", *rows, "day,1.5,y"], "x")
    assert proposal.rows == 121


def test_line_of_units_is_asked_about_once(tmp_path: Path) -> None:
    lines = ["day,temp,hum,load", ",°C,%,MW", *(f"{day},{n}.5,{n % 50},{n % 7}.2" for n, day in enumerate(DAYS))]
    asked = looked(tmp_path, lines, "load").questions
    [units] = [each for each in asked if "°C" in each or "MW" in each]
    assert units.startswith("is the second line of `t.csv` a row? `°C`, `%`, `MW` are taken for missing. If they are")
    lines = ["day,temp,hum,load", *lines[3:10], "2024-06-01,off,1,1.5", *lines[10:], "2024-06-02,1.5,closed,1.5"]
    asked = looked(tmp_path, lines, "load").questions
    assert len([each for each in asked if "does `off` mean" in each or "does `closed` mean" in each]) == 2


@pytest.mark.parametrize("time", ["", " 10:30"])
def test_dates_in_two_forms_are_asked_about(tmp_path: Path, time: str) -> None:
    forms = "%d.%m.%Y", "%Y-%m-%d", "%Y-%m-%d"
    lines = [f"{day.strftime(forms[n % 3])}{time},{n}.5" for n, day in enumerate(DAYS)]
    proposal = looked(tmp_path, ["day,y", *lines], "y")
    [asked] = [each for each in proposal.questions if "`day`" in each and "date" in each]
    assert (
        asked == f"is `day` a date? It is read as text, since `01.01.2024{time}` and `2024-01-02{time}` differ in form."
    )


@pytest.mark.parametrize("form", ["%d-%m-%y", "%m-%d-%y", "%y-%m-%d"])
def test_years_of_two_digits_behind_dashes_are_found(form: str) -> None:
    found = column([day.strftime(form) for day in DAYS])
    assert (found.type, found.form.format, found.low, found.high) == (date, form, DAYS[0], DAYS[-1])


def test_folders_are_read_as_hive_writes_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"city": ["New York", "São Paulo", None] * 40, "y": range(120)})
    pq.write_to_dataset(pa.Table.from_pandas(frame), tmp_path / "cities", partition_cols=["city"])
    assert set(look(tmp_path / "cities").proposal.profile.columns["city"].values) == {
        ("New York", 40),
        ("São Paulo", 40),
    }
    (tmp_path / "one" / "region=EU").mkdir(parents=True)
    (tmp_path / "one" / "region=EU" / "p.csv").write_text("y\n1\n")
    assert open_source(tmp_path / "one").names == ["y", "region"]
    (tmp_path / "one" / "region=EU" / "q.csv").write_bytes("y,n,n\n2,3,Köln\n".encode("cp1252"))
    assert (open_source(tmp_path / "one").encoding, open_source(tmp_path / "one").names.count("n")) == ("cp1252", 2)


class Sale(BaseModel):
    """A price."""

    price: float


def test_one_decimal_point_spoils_no_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("".join(["price;y\n", *(f"{n},5;{n}\n" for n in range(99)), "12.5;1\n"]))

    class Labelled(Sale):
        y: int

    contract = Contract(Labelled, target="y", name="sales", decimal=",")
    good, bad = zip(*batches(contract, tmp_path / "t.csv"), strict=True)
    assert (sum(map(len, good)), sum(map(len, bad))) == (99, 1)


def test_months_and_versions_leave_decimal_commas(tmp_path: Path) -> None:
    lines = ["Monat;Umsatz;y", *(f"{1 + n % 12:02}.2024;{n},50;{n % 7}" for n in range(120))]
    assert looked(tmp_path, lines).profile.columns["Umsatz"].type is float
    lines = ["Version;Umsatz;Preis", *(f"1.{n % 9};{n},50;{n % 7},95" for n in range(120))]
    proposal = looked(tmp_path, lines, "Umsatz")
    assert "is `Version` a number? It is read as text, since `1.0` is none." in proposal.questions


def test_large_amounts_are_not_taken_for_missing(tmp_path: Path) -> None:
    lines = ["x;betrag", *(f"{n % 7};{100 + n},50" for n in range(200)), "1;1.234.567,89", "2;2.234.567,89"]
    assert looked(tmp_path, lines).profile.columns["betrag"].n_missing == 0


def test_small_numbers_are_no_calendar() -> None:
    assert bounds(column([str(1 + n % 12) for n in range(240)], "bedrooms")) == (0, 50)
    assert bounds(column([str(n % 7) for n in range(240)], "items")) == (0, 20)
    assert bounds(column([str(1 + n % 53) for n in range(530)], "week")) == (1, 53)


def test_personal_values_are_in_no_chapter(tmp_path: Path) -> None:
    lines = ["iban,dob,phone,y"]
    lines += [f"DE89 3704 0044 0532 0130 00,{n % 9 + 1:02}/01/1950,030 {100 + n} 000,{n % 7}" for n in range(120)]
    text = notebook(looked(tmp_path, lines, "y"), "m", "t.csv")
    assert not any(value in text for value in ("DE89", "1950", "030 1")) and "it is always the same" in text


def test_titles_of_spreadsheets_are_told(tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="line 3 looks like it: delete those above it"):
        looked(tmp_path, ["Sales 2024;;;", ";;;", "Day;Shop;Open;Sales", *(f"{day};A;1;3" for day in DAYS)])
    (tmp_path / "t.csv").write_text(",sales\n0,5\n1,7\n")  # as pandas writes a series
    assert open_source(tmp_path / "t.csv").names[1] == "sales"


def test_totals_are_found_among_many_texts(tmp_path: Path) -> None:
    lines = ["product,y", *(f"product {n % 90},{n % 7}" for n in range(900)), "Total:,900"]
    assert any("`Total:` the sum of others" in each for each in looked(tmp_path, lines, "y").questions)


@pytest.mark.parametrize(
    "text", ['{"count": 2, "next": null, "results": [{"a": 1}, {"a": 2}]}', '{"ok": 1, "data": {}}']
)
def test_objects_around_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DaybookError, match="it holds one object around others"):
        open_source(tmp_path / "t.json")


def test_codes_are_no_durations() -> None:
    assert measured({f"P{n:04}": 1 for n in range(50)}) == ()
    assert measured({"PT0H30M": 2, "P1DT2H": 1, "PT1.5S": 1}) == ("PT0H30M",)


def test_values_that_only_pandas_has_are_texts() -> None:
    frame = pd.DataFrame(
        {"age": pd.cut(pd.Series(range(90)), 3), "month": pd.period_range("2024-01", periods=90, freq="M")}
    )
    source = open_source(frame)
    assert source.relation.limit(1).fetchall() == [("(-0.089, 29.667]", "2024-01")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2024-01", "written: --format at=%Y-%m"),
        ("2024010100", "written: --format at=%Y%m%d%H"),
        ("202401010000", "written: --format at=%Y%m%d%H%M"),
        ("2024-01-01 00:00:00 +0100", "written: --format 'at=%Y-%m-%d %H:%M:%S %z'"),
        ("1704067200.25", "seconds since 1970"),
        ("2024Q1", "written, such as: --format at=%d.%m.%Y"),
    ],
)
def test_forms_of_times_are_proposed(text: str, said: str) -> None:
    assert said in how_to_date("at", text, False)


def test_hours_without_a_zero_are_times(tmp_path: Path) -> None:
    lines = ["at,y", *(f"{day:%d/%m/%Y} {n % 24}:30,{n % 7}" for n, day in enumerate(DAYS))]
    proposal = looked(tmp_path, lines, "y", time="at", formats={"at": "%d/%m/%Y %-H:%M"})
    assert proposal.profile.columns["at"].high.hour is not None and proposal.formats == {"at": "%d/%m/%Y %-H:%M"}
