"""What a table becomes: fields, roles, what is left out, and questions."""

import pandas as pd
import pytest
from tables import column, orders, profile

from daybook.leakage import leaks
from daybook.project import DaybookError
from daybook.proposal import Proposal, propose
from daybook.proposed_field import annotation, bounds, proposed_field, seen
from daybook.roles import roles


def proposal_of(frame: pd.DataFrame, target: str | None = None, **options: object) -> Proposal:
    """What is proposed for a frame."""
    found = profile(frame)
    given = roles(found, target, **options)
    return propose(found, given, leaks(found, given))


@pytest.mark.parametrize(
    ("name", "values", "limits"),
    [
        ("hr", [*range(24)] * 3, (0, 23)),
        ("mnth", [*range(1, 13)] * 3, (1, 12)),
        ("wday", [*range(7)] * 9, (0, 6)),
        ("year", [2007, 2008, 2009], (1900, 2100)),
        ("lat", [51.0, 51.5, 51.7], (-90, 90)),
        ("load", [0.1, 0.5, 0.9, 0.99], (0, 1)),
        ("rain mm", [0.0, 0.1, 0.3], (0, 1)),
        ("humidity %", [20.0, 60.0, 99.0], (0, 100)),
        ("n_items", [1, 2, 3, 4], (0, 10)),
        ("weight kg", [0.1, 12.5, 38.2], (0, 100)),
        ("temp", [-12.5, 5.0, 31.0], (-40, 60)),
        ("temp F", [10.0, 50.0, 100.0], (-40, 150)),
        ("price", [*range(1, 1000), 900_000], (0, None)),
        ("id", [*range(1, 100)], (0, None)),
        ("id", [*range(1, 40)], (0, 100)),
        ("gain", [-900_000, *range(-500, 500)], (None, 500_000)),
    ],
)
def test_bounds(name: str, values: list, limits: tuple) -> None:
    assert bounds(column(values, name)) == limits


def test_bounds_hold_for_what_was_seen() -> None:
    for values in ([0.5] * 9 + [0.6], [-3, -3, -3], [0, 0, 0], [1e9, 3e9], [-1e-9, 1e-9], [2**53, 5]):
        found = column(values)
        least, most = bounds(found)
        assert (least is None or least <= found.low) and (most is None or found.high <= most), values


def test_few_frequent_texts_are_a_literal() -> None:
    assert annotation(column(["std", "exp"] * 30)) == 'Literal["exp", "std"]'
    assert annotation(column(["std", "exp"] * 30 + [None])) == 'Literal["exp", "std"] | None'
    assert annotation(column([f"n{number}" for number in range(60)])) == "str"
    assert annotation(column(["std", "exp"] * 3)) == "str", "six rows say nothing about a seventh"
    assert annotation(column(["01067", "99084"] * 30)) == "str", "there will be other codes"
    assert annotation(column(['say "hi"', "back\\slash"] * 30)) == r'Literal["back\\slash", "say \"hi\""]'


def test_a_target_is_never_optional() -> None:
    assert annotation(column(["a", "b", None]), is_target=True) == 'Literal["a", "b"]'
    assert annotation(column([1.5, None]), is_target=True) == "float"


def test_seen_knows_each_word_for_yes() -> None:
    assert seen(column(["1.0", "0.0", "1.0", "1.0", None], "promo")) == "yes 75 %"


def test_seen_does_not_quote_personal_data() -> None:
    mails = column([f"ann{number}@example.org" for number in range(30)])
    assert seen(mails) == "30 different e-mail addresses"
    assert "example.org" not in proposed_field(mails, "x").code


def test_code_fits_into_a_line() -> None:
    texts = [f"a rather long text, number {number}" for number in range(15)] * 20
    lines = proposed_field(column(texts, "long texts"), "long_texts").code.splitlines()
    assert lines[0].startswith("    # ") and len(lines[0]) <= 120
    assert compile("class X:\n" + proposed_field(column(["a\nb"] * 40 + ["c"] * 40), "x").code, "x", "exec")


def test_proposal_of_orders() -> None:
    found = proposal_of(orders(), "late", time="day", key=["order_id"])
    lines = {field.name: field.code.splitlines()[-1].split("  #")[0].strip() for field in found.everything}
    assert lines == {
        "order_id": 'order_id: str = Field(alias="Order ID", max_length=20)',
        "day": "day: date",
        "zip": "zip: str = Field(max_length=10)",
        "class_": 'class_: Literal["ecco", "eco", "exp", "std"] = Field(alias="class")',
        "is_gift": "is_gift: bool",
        "n_items": "n_items: int | None = Field(ge=0, le=10)",
        "weight_kg": 'weight_kg: float | None = Field(alias="weight kg", ge=0, le=20)',
        "note": "note: str | None = Field(max_length=50)",
        "late": "late: bool",
    }
    assert found.left_out == {"shipped": "later than day in 100 %"}
    assert (found.missing, found.formats) == ({"weight_kg": ["-999"]}, {})
    questions = "\n".join(found.questions)
    for part in ("what is one row", "Left out so far: `shipped`", "`ecco` (1 row) a spelling of `eco`", "free text"):
        assert part in questions


def test_left_out_columns_have_a_reason() -> None:
    frame = orders().assign(country="DE", number=range(400), empty=None, day2=None)
    frame["day2"] = ["03/04/2023", "05/06/2023"] * 200
    frame[" blank"] = range(0, 800, 2)
    found = proposal_of(frame, "late", time="day").left_out
    assert found["country"] == "it is always DE"
    assert found["number"] == "it names each row, and is not the key"
    assert found["Order ID"] == found["number"]
    assert found["empty"] == "it is empty"
    assert found[" blank"].startswith("its name has blanks")
    assert "say it with --format" in found["day2"]


def test_names_do_not_meet() -> None:
    frame = pd.DataFrame({"a b": [1.5, 2, 4], "a_b": [1, 2, 5], "y": [1.5, 2.5, 3]})
    assert proposal_of(frame, "y").names == {"a b": "a_b_2", "a_b": "a_b", "y": "y"}


@pytest.mark.parametrize("other", ["Y", "N"])
def test_a_field_whose_name_is_there_in_other_capitals_is_refused(other: str) -> None:
    frame = pd.DataFrame({"n": [1, 2, 5], "y": [1.5, 2.5, 3], other: [7, 8, 9]})
    with pytest.raises(DaybookError, match=f"{other.lower()} and {other} differ in capitals only: rename one"):
        proposal_of(frame, "y")


def test_twins_take_no_other_column_along() -> None:
    names = ["day", "n", "x", "n", "y", "n_lag", "", ""]
    frame = pd.DataFrame([[f"2024-01-0{k}", k, k / 2, k, k * 1.5, k + 2, None, k] for k in range(1, 9)], columns=names)
    found = proposal_of(frame, "y", time="day")
    assert list(found.names) == ["day", "x", "n_lag", "y"]
    assert sorted(found.left_out.values()) == ["it has no name"] * 2 + ["it is one of two columns n"] * 2


def test_a_table_of_a_target_alone_is_refused() -> None:
    with pytest.raises(DaybookError, match="no column but 'y'"):
        proposal_of(pd.DataFrame({"y": [1.5, 2.5, 3]}), "y")


def test_what_may_be_a_class_or_a_copy_is_asked() -> None:
    frame = pd.DataFrame({"x": [0.5, 1.5, 2.5, 0.5] * 10, "y": [1, 2, 3, 3] * 10})
    questions = " ".join(proposal_of(frame, "y").questions)
    assert "36 rows equal others in all columns" in questions and "Its values are 1, 2, 3" in questions
    assert "equal others" not in " ".join(proposal_of(orders(), "late").questions)


def test_points_that_may_stand_between_thousands_are_refused_with_both_ways_out() -> None:
    texts = [str(number) for number in range(400, 430)] + [f"{number}.{number + 400}" for number in range(1, 31)]
    frame = pd.DataFrame({"x": [0.5, 1.5, 2.5] * 20, "y": texts})
    with pytest.raises(
        DaybookError, match=r"1.401 may have thousands or decimals: say --format y=1.234,56 or y=1,234.56"
    ):
        proposal_of(frame, "y")


def test_numbers_without_bounds() -> None:
    assert bounds(column(["-1.7e308", "0.5", "1.7e308"])) == (None, None)


def test_roles_are_guessed_until_a_target_is_said() -> None:
    found = roles(profile(orders()))
    assert (found.target, found.time, found.key) == ("late", "day", ("Order ID",))
    assert found.guessed == {"target", "time", "key"}
    assert roles(profile(orders()), "late").time is None


def test_roles_guess_a_key_of_time_and_another_column() -> None:
    frame = pd.DataFrame({"day": ["2024-01-01"] * 3 + ["2024-01-02"] * 3, "hour": [1, 2, 3] * 2, "y": [1.5, 2] * 3})
    assert roles(profile(frame)).key == ("day", "hour")


def test_roles_warn_of_an_id_that_repeats() -> None:
    twice = pd.concat([orders(), orders().head(2).assign(day="2025-01-01")])
    found = roles(profile(twice), "late", "day", ["Order ID"])
    assert found.key == ("Order ID", "day")
    assert "Order ID repeats: 2 rows" in found.warnings[0]
    assert roles(profile(pd.concat([orders(), orders().head(2)])), "late", "day", ["Order ID"]).key == ()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"target": "lat"}, "did you mean late?"),
        ({"target": "note"}, "different texts; a class is one of 2 to 20"),
        ({"target": "day"}, "no number, no yes or no"),
        ({"target": "late", "time": "zip"}, "holds no dates, but texts such as .*: --format zip=%d.%m.%Y"),
        ({"target": "late", "time": "class"}, "holds no dates, but texts such as std$"),
        ({"target": "late", "key": ["n_items"]}, "n_items cannot be part of the key: it is missing in 20 %"),
        ({"target": "late", "key": ["late"]}, "cannot be the target and"),
    ],
)
def test_roles_refuse(options: dict, reason: str) -> None:
    with pytest.raises(DaybookError, match=reason):
        roles(profile(orders()), **options)


def test_roles_refuse_a_time_that_can_be_read_in_two_ways() -> None:
    frame = orders().assign(day=["03/04/2024", "05/06/2024"] * 200)
    with pytest.raises(DaybookError, match="--format day=%d/%m/%Y"):
        roles(profile(frame), "late", "day")


@pytest.mark.parametrize("rows", [1, 2])
def test_tables_of_few_rows_are_looked_at(rows: int) -> None:
    found = proposal_of(orders().head(rows))
    assert found.rows == rows
