"""Numbers as people write them: with signs between thousands, and with a unit."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from tables import column

from daybook.adoption import look
from daybook.contract import Contract
from daybook.project import DaybookError
from daybook.proposal import Proposal
from daybook.reading import read


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
