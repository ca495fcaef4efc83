"""The first adoption: what a newcomer types, and what is said to them."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from tables import git, orders, profile, project

from daybook import adoption
from daybook.adoption import adopt, look
from daybook.adoption_view import as_html, as_text
from daybook.adoption_words import calls, commands, warnings
from daybook.cli import main
from daybook.project import DaybookError, package_folder
from daybook.replacement import difference
from daybook.roles import roles

BIKES = 'class Row(BaseModel):\n    dteday: date\n\ncontract = Contract(Row, target="cnt")\nSOURCE = "sample"\n'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that git does not know, in which the test runs; no chapter is executed."""
    (tmp_path / project(tmp_path) / "data.py").write_text(BIKES)
    write = adoption.write
    monkeypatch.setattr(adoption, "write", lambda found, simulate: write(found, simulate, run=False))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sales(format: str, days: int = 40) -> pd.DataFrame:
    """Sales of three shops a day, with days in a format."""
    day = pd.Series(pd.date_range("2025-01-01", periods=days).repeat(3)).reset_index(drop=True)
    numbers = range(3 * days)
    return pd.DataFrame(
        {
            "day": day.dt.strftime(format),
            "shop": ["north", "south", "west"] * days,
            "sales": [str(number * 37 % 101 + number / 2) for number in numbers],
        }
    )


def squeezed(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("written", "said", "reason"),
    [
        ("%d/%m/%Y", "%m/%d/%Y", r"^day: not written as %m/%d/%Y: row 36 \(13/01/2025\), .* and 54 more$"),
        ("%Y-%m-%d", "%m/%d/%Y", r"^day: no value fits the format %m/%d/%Y, as row 0 \(2025-01-01\)$"),
        ("%Y-%m-%d", "%Q", "%Q is no format"),
    ],
)
def test_format_has_to_fit_all_dates(written: str, said: str, reason: str) -> None:
    with pytest.raises(DaybookError, match=reason):
        profile(sales(written), formats={"day": said})


def test_format_leaves_words_over_as_gaps() -> None:
    frame = sales("%d/%m/%Y")
    frame.loc[3, "day"] = "not yet"
    assert profile(frame, formats={"day": "%d/%m/%Y"}).columns["day"].form.gaps == ("not yet",)


def test_adopt_with_a_wrong_format_is_one_sentence(shop: Path, capsys: pytest.CaptureFixture) -> None:
    sales("%d/%m/%Y").to_csv("us.csv", index=False)
    words = "adopt us.csv --target sales --time day --key day --key shop --format day=%m/%d/%Y"
    assert main(words.split()) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.long
def test_check_takes_a_table_without_the_target(shop: Path, capsys: pytest.CaptureFixture) -> None:
    adopt("orders.csv", target="late", time="day", key="Order ID")
    orders().drop(columns="late").to_csv("newer.csv", index=False)
    assert main(["check", "newer.csv"]) == 0
    assert "newer.csv: 400 rows, valid; without the target late, as rows to predict" in capsys.readouterr().out
    orders().drop(columns=["late", "zip"]).assign(day="soon; perhaps").to_csv("newer.csv", index=False)
    assert main(["check", "newer.csv"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[1].startswith("  no column zip; there are: Order ID, ")
    orders().assign(day="soon; perhaps").to_csv("newer.csv", index=False)
    assert main(["check", "newer.csv"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "row 0 (soon; perhaps), row 1 (soon; perhaps)" in lines[1]


def test_check_of_a_contract_that_fails_is_one_sentence(shop: Path, capsys: pytest.CaptureFixture) -> None:
    Path(package_folder(), "data.py").write_text("contract = Contract()")
    assert main(["check", "orders.csv"]) == 2
    assert "data.py has no contract: NameError: name 'Contract' is not defined" in capsys.readouterr().err


def test_roles_warn_of_what_was_forgotten() -> None:
    table = profile(sales("%Y-%m-%d"))
    time, key = roles(table, "sales").warnings
    assert time.startswith("no --time: ") and time.endswith("looked like a time: day")
    assert key == "no --key: labels cannot be joined; looked like a key: day + shop"
    assert roles(table, "sales", "day").warnings == (key,)
    assert roles(table, "sales", "day", ["day", "shop"]).warnings == ()
    assert roles(table).warnings == ()


def test_adopt_shows_what_was_forgotten(shop: Path) -> None:
    found = adopt("orders.csv", target="late")
    assert len(warnings(found.proposal)) == 2
    assert "no --key: labels cannot be joined; looked like a key: Order ID" in as_text(found)


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"formats": {"day": "%Y-%m-%d"}}, "--format day=%Y-%m-%d"),
        ({"simulate": True}, "--simulate"),
        ({"time": "day", "key": ["day,Order ID"]}, "--time day --key day --key 'Order ID'"),
    ],
)
def test_commands_repeat_what_was_said(shop: Path, options: Mapping, end: str) -> None:
    (command,) = commands(adopt("orders.csv", **options))
    assert command.endswith(end)


def test_commands_have_the_database_without_its_password() -> None:
    found = look(sales("%Y-%m-%d"))
    found.source, found.database = "SELECT * FROM sales", "postgresql://ann:s3cret@db/shop?password=s3cret&a=b"
    assert " --database 'postgresql://ann@db/shop?a=b'" in commands(found)[0]
    assert "database='postgresql://ann@db/shop?a=b'" in calls(found)[0]
    pages = (commands(found)[0], as_text(found), as_html(found))
    assert not any("s3cret" in text for text in pages)


@pytest.mark.parametrize("time", [None, "day"])
def test_look_shows_ambiguous_dates(time: str | None) -> None:
    frame = sales("%m/%d/%Y", 12)
    found = look(frame, time=time)
    text = squeezed(as_text(found))
    assert "? day: is 01/01/2025 day or month first? Adopt with --format day=%d/%m/%Y or with --format day=%m/" in text
    assert "%d/%m/%Y or %m/%d/%Y?" in text and "The one with the right format writes" in text
    assert [command.rpartition(" ")[2] for command in commands(found)] == ["day=%d/%m/%Y", "day=%m/%d/%Y"]
    assert all(column in text for column in frame.columns)
    with pytest.raises(DaybookError, match="--format day=%d/%m/%Y or --format day=%m/%d/%Y"):
        roles(profile(frame), "sales", "day")


def test_key_may_be_written_with_commas() -> None:
    frame = sales("%Y-%m-%d")
    assert roles(profile(frame), "sales", "day", ["day, shop"]).key == ("day", "shop")
    frame["day,shop"] = frame["day"] + frame["shop"]
    assert roles(profile(frame), "sales", "day", ["day,shop"]).key == ("day,shop",)
    with pytest.raises(DaybookError, match="has no column shp: did you mean shop"):
        roles(profile(frame), "sales", "day", ["day,shp"])


@pytest.mark.long
def test_adopt_without_git_keeps_copies(shop: Path) -> None:
    chapter = Path("nbs/00_data.ipynb")
    first = chapter.read_bytes()
    found = adopt("orders.csv", target="late", time="day")
    assert found.copy.name == ".00_data.ipynb.before1" and found.copy.read_bytes() == first
    assert "so it is kept: nbs/.00_data.ipynb.before1" in as_text(found)
    second = chapter.read_bytes()
    found = adopt("orders.csv", target="is_gift", time="day")
    assert found.copy.name == ".00_data.ipynb.before2" and found.copy.read_bytes() == second
    assert Path("nbs/.00_data.ipynb.before1").read_bytes() == first


@pytest.mark.long
def test_adopt_copies_only_what_no_commit_has(shop: Path) -> None:
    git("init")
    assert adopt("orders.csv", target="late", time="day").copy is not None
    git("add", ".")
    git("commit", "-m", "A project")
    found = adopt("orders.csv", target="is_gift", time="day")
    assert found.copy is None and "is kept" not in as_text(found)
    with pytest.raises(DaybookError, match="uncommitted changes"):
        adopt("orders.csv", target="late", time="day")


def test_adopt_leaves_no_copy_of_what_is_refused(shop: Path) -> None:
    with pytest.raises(DaybookError):
        adopt("orders.csv", target="note")
    assert [path.name for path in Path("nbs").iterdir()] == ["00_data.ipynb"]


@pytest.mark.long
def test_difference_of_the_first_adoption_has_no_bicycles(shop: Path) -> None:
    assert {line[0] for line in adopt("orders.csv", target="late", time="day").difference} == {"+"}
    assert difference(BIKES.replace('"sample"', '"bikes.csv"'), "") == ["- dteday: date", "- target='cnt'"]


@pytest.mark.long
def test_tables_are_found_from_the_chapters_folder(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop / "nbs")
    assert adopt("orders.csv", target="late", time="day", key="Order ID").proposal.rows == 400
    assert 'SOURCE = "orders.csv"' in (shop / "nbs/00_data.ipynb").read_text().replace("\\", "")
    assert main(["check", "orders.csv"]) == main(["check", "order*.csv"]) == 0
    with pytest.raises(DaybookError, match=r"^none.csv: there is no such file"):
        look("none.csv")
