"""Values as people really write them: lists of codes, months, amounts, codes and words."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from tables import column

from daybook.adoption import look
from daybook.project import DaybookError
from daybook.proposal import Proposal
from daybook.proposed_field import percent
from daybook.roles import is_identifier

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(120)]


def looked(folder: Path, lines: list[str], target: str | None = None, **options: object) -> Proposal:
    """What a file of these lines is proposed to become."""
    (folder / "t.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return look(folder / "t.csv", target, **options).proposal


@pytest.mark.parametrize("codes", [["1,3", "2", "2,4", "1", "1,2"], ["10,12", "3", "2,11", "1,3", "12"]])
def test_two_answers_in_quotes_are_no_number(tmp_path: Path, codes: list[str]) -> None:
    lines = ["chosen,y", *(f'"{codes[n % 5]}",{n % 7}' for n in range(120))]
    proposal = looked(tmp_path, lines, "y")
    assert (proposal.profile.columns["chosen"].type, proposal.profile.decimal) == (str, ".")
    assert any(each.startswith("is `chosen` a number? It is read as text, since `") for each in proposal.questions)


def test_answers_among_decimal_commas_are_asked_about(tmp_path: Path) -> None:
    codes = ["1,3", "2", "2,4", "1", "1,2"]
    for sign in ",;":
        lines = [sign.join(("chosen", "price", "y"))]
        lines += [sign.join((f'"{codes[n % 5]}"', f'"{n},25"', f"{n % 7}")) for n in range(120)]
        proposal = looked(tmp_path, lines, "y")
        assert (proposal.profile.columns["price"].type, proposal.profile.decimal) == (float, ",")
        assert "does `1,2` of `chosen` list two codes? Its comma is read as decimal." in proposal.questions
        assert not any("`price` list" in each for each in proposal.questions)


@pytest.mark.parametrize(
    "numbers",
    [["1,5", "2", "3,5", "4,5"], ["12,50", "9,99", "3,20"], ["1,5", "7,3", "2"], ["0,5", "1,7"], ["2,2", "1,7"]],
)
@pytest.mark.parametrize("sign", [",", ";"])
def test_decimal_commas_are_no_lists(tmp_path: Path, numbers: list[str], sign: str) -> None:
    lines = [f"x{sign}y", *(f'"{numbers[n % len(numbers)]}"{sign}{n % 7}' for n in range(120))]
    proposal = looked(tmp_path, lines, "y")
    assert (proposal.profile.columns["x"].type, proposal.profile.decimal) == (float, ",")
    assert not any("codes?" in each for each in proposal.questions)


@pytest.mark.parametrize("form", ["{month}.{year}", "{year}.{month:02}", "{month}/{year}", "{year}-{month:02}"])
@pytest.mark.parametrize("sign", [",", ";"])
def test_months_are_asked_about(tmp_path: Path, form: str, sign: str) -> None:
    months = [form.format(month=n % 12 + 1, year=2010 + n // 12) for n in range(120)]
    lines = [
        sign.join(("month", "sales", "y")),
        *(f'{each}{sign}"{n},25"{sign}{n % 7}' for n, each in enumerate(months)),
    ]
    proposal = looked(tmp_path, lines, "y")
    [asked] = [each for each in proposal.questions if each.startswith("is `month` a")]
    assert asked.startswith("is `month` a date? It is read as text. If it is one, adopt with `--format month=%")
    assert proposal.profile.decimal == "," and "month" not in proposal.left_out
    format = asked.partition("month=")[2].removesuffix("`.")
    dated = looked(tmp_path, lines, "y", time="month", formats={"month": format}).profile.columns["month"]
    assert (dated.type, dated.low, dated.high) == (date, date(2010, 1, 1), date(2019, 12, 1))


def test_months_of_digits_are_asked_about() -> None:
    assert column([f"{n % 12 + 1}.{2010 + n // 12}" for n in range(120)]).type is str
    assert column([f"{n % 13 + 1}.{2010 + n // 12}" for n in range(120)]).type is float


def test_last_row_that_adds_up_the_others_is_asked_about(tmp_path: Path) -> None:
    rows = [f"{'AB'[n % 2]},{n % 9},{n}.25" for n in range(100)]
    asked = "is the last row the sum of others, as in `y`? Then take it out of the table."
    assert asked in looked(tmp_path, ["shop,x,y", *rows, f",,{sum(range(100)) + 25}"], "y").questions
    one = ["shop,rare,y", *(f"{'AB'[n % 2]},{int(n == 7)},{n}.25" for n in range(100)), "A,1,4.25"]
    assert not any("sum of" in each for each in looked(tmp_path, one, "y").questions)
    assert not any("sum of" in each for each in looked(tmp_path, ["shop,x,y", *rows], "y").questions)
    words = looked(tmp_path, ["shop,x,y", *rows, f"Total,,{sum(range(100)) + 25}"], "y").questions
    assert len([each for each in words if "sum of" in each]) == 1


@pytest.mark.parametrize("error", ["#DIV/0!", "#VALUE!", "#REF!", "#N/A"])
def test_errors_of_spreadsheets_are_missing_values(error: str) -> None:
    found = column([*(f"{n}.5" for n in range(90)), *[error] * 9])
    assert (found.type, found.n_missing, found.form.unlike) == (float, 9, ())


def test_codes_that_begin_with_zeros_are_no_amounts() -> None:
    found = column([f"006{n:012}AAA" for n in range(90)])
    assert is_identifier(found) and found.form.unlike == ()
    assert column([f"EUR 00{n:04}" for n in range(90)]).type is str


def test_amounts_in_two_currencies_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        DaybookError, match=r"it holds texts such as 1\\u202f000 \$: write numbers with a decimal point"
    ):
        looked(tmp_path, ["x;y", *(f"{n % 7};{n % 9 + 1}\u202f{n:03} {'$€'[n % 2]}" for n in range(90))], "y")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ([1704067200 + 3600 * n for n in range(90)], "is `at` a time? It is read as a number. If they are seconds"),
        ([45292 + 3 * n for n in range(90)], "If they are days since 1900, as spreadsheets count them, write them as"),
        ([f"{day:%A, %B %d, %Y}" for day in DAYS], "--format 'at=%A, %B %d, %Y'`"),
        ([f"{day} 10:00:00 CET" for day in DAYS], "--format 'at=%Y-%m-%d %H:%M:%S %Z'`"),
    ],
)
def test_times_in_other_forms_are_asked_about(tmp_path: Path, at: list, said: str) -> None:
    lines = ["at;y", *(f"{each};{n % 7}" for n, each in enumerate(at))]
    [asked] = [each for each in looked(tmp_path, lines, "y").questions if each.startswith("is `at` a ")]
    assert said in asked
    with pytest.raises(DaybookError, match="at cannot be the time: .*(write them as dates|--format 'at=%)"):
        looked(tmp_path, lines, "y", time="at")


def test_ids_are_no_times(tmp_path: Path) -> None:
    lines = ["order,day,y", *(f"{1704067200 + 7 * n},{n % 31},{n % 7}" for n in range(90))]
    assert not any(" a time?" in each for each in looked(tmp_path, lines, "y").questions)


def test_one_row_of_two_hundred_is_no_zero_percent() -> None:
    assert (percent(1, 200), percent(2, 200)) == ("1 row", "1 %")
