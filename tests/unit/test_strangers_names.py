"""Tables that data scientists start with: what a column's name or its odd value makes of it."""

import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tables import column

from daybook.adoption import look
from daybook.proposal import Proposal
from daybook.sources import open_source

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(200)]


def looked(folder: Path, columns: dict[str, list], target: str | None = None, **options: object) -> Proposal:
    """What a file of these columns is proposed to become."""
    pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)
    return look(folder / "t.csv", target, **options).proposal


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("mobile", range(900, 5000)),
        ("3SsnPorch", [0, 0, 0, 130, 216]),
        ("ssn_region", range(1, 10)),
        ("PhoneService", range(2)),
        ("MobileSales", range(1_200_000)),
    ],
)
def test_counts_are_no_numbers_of_people(tmp_path: Path, name: str, values: list[int]) -> None:
    dice = random.Random(0)
    drawn = [dice.choice(values) for _ in DAYS]
    found = looked(tmp_path, {"day": DAYS, name: drawn, "y": [n % 7 for n in range(200)]}, "y").profile.columns[name]
    assert (found.type, found.personal) == (bool if name == "PhoneService" else int, None)


def test_numbers_of_people_are_texts_and_personal(tmp_path: Path) -> None:
    numbers = [f"0{170 + n % 9} {n * 7919 % 10**7:07}" for n in range(200)]
    digits = [f"4917{n * 7919 % 10**8:08}" for n in range(200)]
    found = looked(tmp_path, {"phone": numbers, "mobile": digits}).profile.columns
    assert [(each.type, each.personal) for each in found.values()] == [(str, "phone numbers")] * 2


def test_words_in_a_column_called_mobile_are_no_telephones(tmp_path: Path) -> None:
    words = [["iOS", "Android", "other"][n % 3] for n in range(200)]
    assert looked(tmp_path, {"mobile": words}).profile.columns["mobile"].personal is None


def test_time_later_on_the_same_day_is_a_leak(tmp_path: Path) -> None:
    starts = pd.date_range("2023-01-01 08:00", periods=200, freq="2h")
    ends = starts + pd.to_timedelta(np.arange(200) % 50 + 5, unit="min")
    fares = [n * 7 % 45 for n in range(200)]
    found = looked(tmp_path, {"pickup": starts, "dropoff": ends, "fare": fares}, "fare", time="pickup")
    assert found.left_out["dropoff"] == "later than pickup in 100 %"
    found = looked(tmp_path, {"pickup": ends, "dropoff": starts, "fare": fares}, "fare", time="pickup")
    assert "dropoff" not in found.left_out


def test_price_that_is_nearly_the_target_is_no_other_name(tmp_path: Path) -> None:
    close = 100 + np.cumsum(np.random.default_rng(0).normal(0, 1, 200))
    noise = np.random.default_rng(1).normal(0, 0.01, 200)
    columns = {"day": DAYS, "open": close + noise, "cents": close * 100, "close": close}
    found = looked(tmp_path, columns, "close", time="day").left_out
    assert found["cents"] == "is close under another name"
    assert found["open"].startswith("alone predicts close almost perfectly (")


@pytest.mark.parametrize(
    ("value", "others", "is_asked"),
    [
        (-200, [0.5, 4.4, 9.1], True),
        (-1, [0, 400, 871], True),
        (-1, [0, 1], False),
        (-3, [0.5, 4.4, 9.1], True),
        (-200, [-180, 3.5, 200.5], False),
    ],
)
def test_only_negative_number_is_asked_about(tmp_path: Path, value: int, others: list[float], is_asked: bool) -> None:
    wide = [*others, *(others[0] + n / 100 for n in range(20))] if len(others) > 2 else others
    values = [value if n % 5 == 0 else wide[n % len(wide)] for n in range(200)]
    found = looked(tmp_path, {"co": values, "y": [n % 7 for n in range(200)]}, "y")
    asked = [each for each in found.questions if "of `co` mean that there is no value?" in each]
    assert bool(asked) == is_asked
    assert not asked or asked[0].endswith("It is read as a number: see `missing`.")


def test_month_with_a_dash_is_asked_about(tmp_path: Path) -> None:
    months = [f"{day:%b-%Y}" for day in DAYS]
    [asked] = [each for each in looked(tmp_path, {"issued": months}).questions if "`issued` a date?" in each]
    assert asked.endswith("adopt with `--format issued=%b-%Y`.")
    found = looked(tmp_path, {"issued": months}, formats={"issued": "%b-%Y"}).profile.columns["issued"]
    assert (found.type, found.low, found.high) == (date, date(2024, 1, 1), date(2024, 7, 1))


def test_file_without_names_is_asked_about_though_a_value_is_missing(tmp_path: Path) -> None:
    rows = ["30, Private, ?, >50K", "41, State-gov, Sales, <=50K", "35, Private, Craft, <=50K", "28, Private, ?, >50K"]
    (tmp_path / "t.csv").write_text("".join(f"{row}\n" for row in rows * 15))
    [asked] = [each for each in look(tmp_path / "t.csv").proposal.questions if "a line of names?" in each]
    assert asked.endswith("If it is one, write names above it.")


def test_missing_values_of_the_first_row_are_no_units(tmp_path: Path) -> None:
    grades = ["NA", "Fa", "NA", "Gd"]
    columns = {"fence": [grades[n % 4] for n in range(80)], "fire": [grades[n * 3 % 4] for n in range(80)]}
    assert not any("units" in each for each in looked(tmp_path, columns).questions)


def test_codes_with_a_capital_at_their_end_are_no_spellings() -> None:
    assert column(["FuseA"] * 200 + ["FuseP"] * 4 + ["Fusea"]).rare == (("Fusea", 1, "FuseA"),)


def test_one_copy_is_one_row(tmp_path: Path) -> None:
    columns = {"x": [1.5, 1.5, *(n * 7 % 40 + 0.25 for n in range(40))], "y": [1, 1, *(n * 11 % 13 for n in range(40))]}
    asked = [each for each in looked(tmp_path, columns, "y").questions if "in all columns" in each]
    assert asked[0].startswith("1 row equals another in all columns: are they copies?")


def test_decimal_sign_of_a_wide_file_is_found(tmp_path: Path) -> None:
    """Within the memory of a narrow one this takes minutes."""
    numbers = np.random.default_rng(0).poisson(1.1, (20, 2000))
    pd.DataFrame(numbers, columns=[f"d_{n}" for n in range(2000)]).to_csv(tmp_path / "t.csv", index=False)
    assert open_source(tmp_path / "t.csv").decimal() == "."


@pytest.mark.parametrize("name", ["PassengerId", "customerID", "OrderNumber", "passenger_id"])
def test_id_is_proposed_as_key_however_it_is_written(tmp_path: Path, name: str) -> None:
    columns = {name: range(1, 201), "fare": [n * 7 % 45 for n in range(200)], "y": [n * 11 % 13 for n in range(200)]}
    assert looked(tmp_path, columns).roles.key == (name,)
    assert any(each.endswith(f"looked like a key: {name}") for each in looked(tmp_path, columns, "y").roles.warnings)
