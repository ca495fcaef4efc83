"""Numbers as people write them: with signs between thousands, and with a unit."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel
from tables import column

from daybook.adoption import look
from daybook.contract import Contract
from daybook.project import DaybookError
from daybook.proposal import Proposal
from daybook.reading import read
from daybook.table_commands import formats_of


class Row(BaseModel):
    """A number."""

    n: int


class Labelled(Row):
    """A number, and an amount."""

    x: float


def looked(folder: Path, lines: list[str], target: str | None = None, **options: object) -> Proposal:
    """What a file of these lines is proposed to become."""
    (folder / "t.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return look(folder / "t.csv", target, **options).proposal


AMOUNTS = [(-1) ** n * (n * 7919 % 400_000) / 100 for n in range(120)]


@pytest.mark.parametrize(
    ("thousands", "point", "delimiter", "format"),
    [
        (",", ".", ",", "1,234.56"),
        (",", ".", ";", "1,234.56"),
        (".", ",", ";", "1.234,56"),
        (".", ",", ",", "1.234,56"),
        (" ", ",", ";", "1 234,56"),
        ("\u202f", ",", "\t", "1 234,56"),
        ("'", ".", ";", "1'234.56"),
        ("’", ".", ",", "1'234.56"),
    ],
)
def test_thousands_are_read(tmp_path: Path, thousands: str, point: str, delimiter: str, format: str) -> None:
    texts = [f"{each:,.2f}".translate({ord(","): thousands, ord("."): point}) for each in AMOUNTS]
    lines = [delimiter.join(("n", "x")), *(f'{n % 9}{delimiter}"{text}"' for n, text in enumerate(texts))]
    found = looked(tmp_path, lines, "x")
    assert (found.formats, found.label.column.type) == ({"x": format}, float)
    assert (found.label.column.low, found.label.column.high) == (min(AMOUNTS), max(AMOUNTS))
    contract = Contract(Labelled, target="x", name="amounts", formats=found.formats)
    few = [lines[0], *sorted(lines[1:], key=len)[:3]]  # none of which shows which sign is which
    for rows in (lines, few):
        (tmp_path / "t.csv").write_text("".join(f"{line}\n" for line in rows), encoding="utf-8")
        table = read(contract, tmp_path / "t.csv")
        expected = [AMOUNTS[lines.index(row) - 1] for row in rows[1:]]
        assert table["x"].tolist() == expected


@pytest.mark.parametrize("unit", ["", " °C"])
def test_minus_of_typography_is_one(tmp_path: Path, unit: str) -> None:
    texts = [f"{n / 4 - 10}{unit}".replace("-", "−") for n in range(90)]
    found = looked(tmp_path, ["n,x", *(f"{n % 9},{text}" for n, text in enumerate(texts))], "x")
    assert (found.formats, found.label.column.low) == ({"x": f"1234.56{unit}"}, -10)
    contract = Contract(Labelled, target="x", name="amounts", formats=found.formats)
    assert read(contract, tmp_path / "t.csv")["x"].min() == -10


def test_comma_may_stand_between_thousands_where_others_have_decimal_commas(tmp_path: Path) -> None:
    """1,914 beside 775 was read as 1.914."""
    lines = ["price;sold", *(f"{n},{n % 90 + 10};{n * 7919 % 4000 + 100:,}" for n in range(90))]
    with pytest.raises(DaybookError, match=r"sold: 1,022 may have thousands or decimals: say --format sold=1.234,56"):
        looked(tmp_path, lines, "price")
    (sold,) = looked(tmp_path, lines, "price", formats={"sold": "1,234.56"}).fields
    assert (sold.column.type, sold.column.low) == (int, 100)


@pytest.mark.parametrize(
    ("written", "format"),
    [
        ("${0:,.2f}", "$1,234.56"),
        ("{0:,.2f} USD", "1,234.56 USD"),
        ("R$ {0:.2f}", "R$ 1234.56"),
        ("{0:.2f}%", "1234.56%"),
        ("{0:.2f} km/h", "1234.56 km/h"),
        ("{0:.2f}\xa0m²", "1234.56\xa0m²"),
    ],
)
def test_units_are_read(tmp_path: Path, written: str, format: str) -> None:
    lines = ["n\tx", *(f"{n % 9}\t{written.format(each)}" for n, each in enumerate(AMOUNTS)), "5\tn/a"]
    found = looked(tmp_path, lines, "x")
    assert (found.formats, found.label.column.type, found.label.column.n_missing) == ({"x": format}, float, 1)
    contract = Contract(Labelled, target="x", name="amounts", formats=found.formats, missing=found.missing)
    (tmp_path / "t.csv").write_text("".join(f"{line}\n" for line in lines[:-1]), encoding="utf-8")
    assert read(contract, tmp_path / "t.csv")["x"].tolist() == AMOUNTS
    (tmp_path / "t.csv").write_text("n\tx\n1\t12.5 lb\n", encoding="utf-8")
    with pytest.raises(DaybookError, match=re.escape(f"input should be a number of the form {format}")):
        read(contract, tmp_path / "t.csv")


@pytest.mark.parametrize(
    "texts",
    [
        ["INV1001", "INV1002"],
        ["A1", "A2"],
        [f"{n + 1}.{n * 101 % 900 + 100} kg" for n in range(9)],
        ["12?", "13?"],
        ["1/2 in", "3/4 in"],
        ["1.05 PM", "2.07 PM"],
        ["19A", "27A"],
        ["3943 AB", "1012 AB"],
        ["20240110 Z", "20240121 Z"],
        ["$007", "$012"],
        ["1.200 €", "850 €"],
        ["№ 5", "№ 6"],
    ],
)
def test_codes_and_doubtful_units_are_no_numbers(texts: list[str]) -> None:
    found = column([texts[n % len(texts)] for n in range(90)])
    assert (found.form.format, found.type) == (None, str)


def test_counts_with_thousands_are_read_and_asked_about(tmp_path: Path) -> None:
    counts = [n * 7919 % 3000 for n in range(120)]
    found = looked(tmp_path, ["n,x", *(f'{n % 9},"{each:,}"' for n, each in enumerate(counts))], "x")
    assert (found.formats, found.label.column.type, found.label.column.high) == ({"x": "1,234.56"}, int, max(counts))
    assert any(each.endswith(" of `x` more than a thousand? It is read so.") for each in found.questions)


@pytest.mark.parametrize(
    "texts",
    [["1,234", "1,311"], ["123.456.789", "111.222.333"], ["1,234", "12,34"], ["1.234", "1,234"], ["1,234", "a"]],
)
def test_signs_that_may_mean_something_else_are_no_thousands(texts: list[str]) -> None:
    found = column([texts[n % len(texts)] for n in range(90)])
    assert found.form.format is None and found.type in (str, None)


def test_format_of_a_number_has_to_fit(tmp_path: Path) -> None:
    lines = ["n;x", *(f"{n % 9};{n % 5 + 1}.{n:03}" for n in range(120))]
    found = looked(tmp_path, lines, "x", formats={"x": "1.234,56"})
    assert (found.label.column.type, found.label.column.low, found.formats) == (int, 1000, {"x": "1.234,56"})
    with pytest.raises(DaybookError, match="x: (no value fits the format|not written as) 1 234,56"):
        looked(tmp_path, lines, "x", formats={"x": "1 234,56"})
    for format in ("1,234,56", "%H", "1234"):
        with pytest.raises(DaybookError, match="is no format of x, a number; %d.%m.%Y is one of dates"):
            Contract(Labelled, target="x", name="amounts", formats={"x": format})


@pytest.mark.parametrize(
    ("text", "format"), [("350,{:03}", "1,234.56"), ("{0}.{0}.{0}", "1.234,56"), ("4.{:03}", "1.234,56")]
)
def test_format_that_is_proposed_is_taken(tmp_path: Path, text: str, format: str) -> None:
    texts = [text.format(100 + n * 7919 % 900) for n in range(120)] + ["567", "568"] * (text[0] == "4") * 5
    lines = ["n;x", *(f"{n % 9};{each}" for n, each in enumerate(texts))]
    with pytest.raises(DaybookError, match=f"x cannot be the target: .* say --format x={format}"):
        looked(tmp_path, lines, "x")
    found = looked(tmp_path, lines, "x", formats={"x": format})
    assert (found.label.column.type, found.label.column.high) == (
        int,
        max(int(re.sub("[,.]", "", each)) for each in texts),
    )


def test_unit_that_is_written_is_not_asked_for(tmp_path: Path) -> None:
    lines = ["load;size;y", *(f"{n % 9}.5 kg;{n % 7}.5;{n % 5}.5" for n in range(90))]
    [asked] = [each for each in looked(tmp_path, lines, "y").questions if each.startswith("in which unit")]
    assert asked == "in which unit is `size`, `y`? Add it as `description`."


def test_thousands_in_a_file_of_decimal_commas_are_no_decimals(tmp_path: Path) -> None:
    amounts = ["$775", "$1,914", "$12,500", "$850", "$2,300", "$990", "$640", "$15,000"] * 3
    found = looked(tmp_path, ["usd;y", *(f"{each};{n},5" for n, each in enumerate(amounts))], "y")
    assert found.profile.columns["usd"].type is str and any("is `usd` a number?" in each for each in found.questions)


def test_lists_of_codes_are_asked_about(tmp_path: Path) -> None:
    codes = ['"101"', '"101,205"', '"101,205,330"', '"212,646"'] * 7
    asked = looked(tmp_path, ["codes,y", *(f"{each},{n % 6}" for n, each in enumerate(codes))], "y").questions
    assert any("of `codes` more than a thousand? It is read so." in each for each in asked)


@pytest.mark.parametrize("texts", [["007", "1,234.50", "101,205"], ["9 007 199 254 740 306", "1 083 204 237 436 003"]])
def test_digits_of_codes_stay(texts: list[str]) -> None:
    assert column([texts[n % len(texts)] for n in range(90)]).type is str


def test_filler_with_a_unit_is_missing(tmp_path: Path) -> None:
    lines = ["temp,y", *(f"{(-999 if n % 9 == 0 else n % 40 - 5)} °C,{n % 6}" for n in range(180))]
    found = looked(tmp_path, lines, "y").profile.columns["temp"]
    assert (found.type, found.form.gaps, found.low) == (int, ("-999 °C",), -5)


def test_target_of_a_few_numbers_with_a_unit(tmp_path: Path) -> None:
    lines = ["n,x", *(f"{n % 9},{n % 5 + 1} stars" for n in range(90))]
    [asked] = [each for each in looked(tmp_path, lines, "x").questions if "Classes are written as texts" in each]
    assert "Its values are 1 stars, 2 stars, 3 stars, 4 stars, 5 stars." in asked


def test_telephones_with_blanks_are_texts(tmp_path: Path) -> None:
    lines = ["phone,y", *(f"612 345 {n + 100},{n % 6}" for n in range(90))]
    found = looked(tmp_path, lines, "y")
    assert (found.profile.columns["phone"].type, found.formats) == (str, {})


def test_file_without_names_is_asked_about_beside_units(tmp_path: Path) -> None:
    rows = [f'{n % 60 + 20} kg,{n % 7},"{n % 9 + 1},{n + 100}.50"' for n in range(90)]
    (tmp_path / "t.csv").write_text("".join(f"{row}\n" for row in rows))
    assert any("a line of names?" in each for each in look(tmp_path / "t.csv").proposal.questions)


def test_format_with_parentheses_or_of_typed_numbers_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": list(range(90)), "y": [n % 7 / 2 for n in range(90)]}), tmp_path / "t.parquet")
    with pytest.raises(DaybookError, match="n: a format is for texts, and it holds int values"):
        look(tmp_path / "t.parquet", "y", formats={"n": "$1,234.56"})
    with pytest.raises(DaybookError, match="is no format of x, a number"):
        Contract(Labelled, target="x", name="amounts", formats={"x": "(1,234.56)"})


def test_command_takes_formats_of_numbers() -> None:
    assert formats_of(["usd=$1,234.56", "a=b=1.234,56 €"]) == {"usd": "$1,234.56", "a=b": "1.234,56 €"}
    with pytest.raises(DaybookError, match="as --format shipped=%d.%m.%Y or --format sum=1.234,56"):
        formats_of(["usd=1234"])


def test_target_of_a_few_integers_may_be_classes_and_that_of_a_text_called_nan_too(tmp_path: Path) -> None:
    lines = ["n,code,team", *(f"{n % 9},{n % 3},{('north', 'south', 'nan')[n % 7 % 3]}" for n in range(90))]
    asked = looked(tmp_path, lines, "code").questions
    assert any("Its values are 0, 1, 2. If they are classes, its type is `Literal[0, 1, 2]`." in each for each in asked)
    asked = looked(tmp_path, lines, "team").questions
    assert "is `nan` a class of `team`? Rows with it are left out." in asked
