"""A table is scored once, whatever happens, and its predictions are logged."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow.parquet as pq
import pytest

from daybook import example, models, scoring
from daybook.log import Log
from daybook.project import DaybookError
from daybook.score_output import parts
from daybook.validation import ContractError


@pytest.fixture
def tag(demand: Path) -> str:
    """A small model."""
    return example.save(example.sample(days=20))


@pytest.fixture
def week(demand: Path) -> pd.DataFrame:
    """Rows that it has not seen, in the names of their table, and without the target."""
    return example.sample(days=27).tail(7 * 24).drop(columns="rentals").reset_index(drop=True)


@pytest.mark.parametrize("output", ["out.csv", "out.CSV", "folder/out.Parquet", "memory://bucket/out.parquet"])
def test_score_writes_what_the_model_predicts_and_logs_it(tag: str, week: pd.DataFrame, output: str) -> None:
    week.to_csv("week.csv", index=False)
    log = Log(example.contract)
    done = scoring.score(log, tag, "week.csv", output, size=50)
    assert done == scoring.Score(parts=1, rows=168, logged=168)
    expected = models.load(tag).predict(week)
    assert scoring.predicted("week.csv", output).tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    logged = log.predictions().order("day, hour").project("prediction, version").df()
    assert logged["prediction"].tolist() == expected.tolist()
    assert set(logged["version"]) == {tag.partition(":")[2]}


def test_score_that_cannot_write_says_so_before_it_predicts(tag: str, week: pd.DataFrame) -> None:
    """A million rows were predicted and logged first, and a hidden file stayed."""
    week.to_csv("week.csv", index=False)
    Path("folder.csv").mkdir()
    log, before = Log(example.contract), sorted(Path().iterdir())
    for output, reason in (("folder.csv", "it is a folder; name a file"), ("week.csv/out.csv", "cannot be made: ")):
        with pytest.raises(DaybookError, match=f"output={output}: .*{reason}"):
            scoring.score(log, tag, "week.csv", output)
    assert not list(log.folder.glob("predictions/**/*.parquet")) and sorted(Path().iterdir()) == before


def test_score_twice_counts_once(tag: str, week: pd.DataFrame) -> None:
    week.to_parquet("week.parquet")
    log = Log(example.contract)
    first = scoring.score(log, tag, "week.parquet", "one.parquet", size=50)
    again = scoring.score(log, tag, "week.parquet", "two.parquet", size=50)
    assert (first.logged, again.logged, again.rows, len(log.predictions())) == (168, 0, 168, 168)
    assert pq.read_table("one.parquet").equals(pq.read_table("two.parquet"))


def test_score_that_was_killed_goes_on_where_it_stopped(
    tag: str, week: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    week.to_parquet("week.parquet")
    log, backfill, calls = Log(example.contract), Log.backfill, []

    def dies(self: Log, *args: object, **options: object) -> str:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return backfill(self, *args, **options)

    monkeypatch.setattr(Log, "backfill", dies)
    with pytest.raises(KeyboardInterrupt):
        scoring.score(log, tag, "week.parquet", "out.parquet", size=50)
    assert not Path("out.parquet").exists() and not list(Path().glob("*.part"))
    monkeypatch.setattr(Log, "backfill", backfill)
    assert scoring.score(log, tag, "week.parquet", "out.parquet", size=50).logged == 168 - 2 * 50
    assert len(log.predictions()) == 168


def test_score_sets_rows_aside_that_break_the_contract(tag: str, week: pd.DataFrame) -> None:
    week.assign(hour=week["hour"].where(week.index != 60, 99)).to_parquet("week.parquet")
    log = Log(example.contract)
    done = scoring.score(log, tag, "week.parquet", "out.parquet", size=50)
    assert (done.rows, done.rejected, len(log.predictions())) == (167, 1, 167)
    [row] = pd.read_csv("out.rejected.csv").to_dict("records")
    assert row["hour"] == 99 and row["reason"] == "hour: input should be less than or equal to 23"
    week.to_parquet("week.parquet")
    scoring.score(log, tag, "week.parquet", "out.parquet", size=50)
    assert not Path("out.rejected.csv").exists()


def test_score_of_nothing_but_broken_rows_writes_an_empty_table(tag: str, week: pd.DataFrame) -> None:
    week.assign(hour=99).to_parquet("week.parquet")
    done = scoring.score(Log(example.contract), tag, "week.parquet", "out.parquet")
    assert (done.rows, done.rejected, len(pd.read_parquet("out.parquet"))) == (0, 168, 0)


def test_score_of_parts_gives_each_a_file(tag: str, week: pd.DataFrame) -> None:
    Path("weeks").mkdir()
    week.head(100).to_parquet("weeks/a.2024.parquet")
    week.tail(68).to_csv("weeks/b.csv.gz", index=False)
    Path("weeks/_SUCCESS").touch()
    done = scoring.score(Log(example.contract), tag, "weeks", "out")
    assert done == scoring.Score(parts=2, rows=168, logged=168)
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.2024.parquet", "b.parquet"]


def test_score_of_parts_takes_columns_from_their_folders(tag: str, week: pd.DataFrame) -> None:
    for hour, rows in week.groupby("hour"):
        Path(f"weeks/hour={hour:02}").mkdir(parents=True)
        rows.drop(columns="hour").to_parquet(f"weeks/hour={hour:02}/part-0.parquet")
        rows.drop(columns="hour").head(0).to_parquet(f"weeks/hour={hour:02}/part-1.parquet")
    done = scoring.score(Log(example.contract), tag, "weeks", "out")
    assert done == scoring.Score(parts=48, rows=168, logged=168)
    found = pd.read_parquet("out").astype({"hour": int}).sort_values(["day", "hour"])
    assert found["prediction"].tolist() == models.load(tag).predict(week).tolist()
    assert scoring.score(Log(example.contract), tag, "weeks/hour=07", "one") == scoring.Score(parts=2, rows=7)
    assert pd.read_parquet("one")["hour"].astype(int).tolist() == [7] * 7
    with pytest.raises(DaybookError, match="no column hour"):
        scoring.score(Log(example.contract), tag, "weeks/hour=07/part-0.parquet", "out.parquet")
    with pytest.raises(DaybookError, match="weeks/.*1.parquet has no rows"):
        scoring.score(Log(example.contract), tag, "weeks/*/part-1.parquet", "none")


def test_score_refuses_what_cannot_be_scored(tag: str, week: pd.DataFrame) -> None:
    week.drop(columns="hour").to_parquet("short.parquet")
    log = Log(example.contract)
    for source, reason in (("short.parquet", "hour"), ("absent.parquet", "absent.parquet")):
        with pytest.raises(DaybookError, match=reason):
            scoring.score(log, tag, source, "out.parquet")
    week.head(0).to_parquet("empty.parquet")
    with pytest.raises(ContractError, match="no rows"):
        scoring.score(log, tag, "empty.parquet", "out.parquet")
    assert not Path("out.parquet").exists() and not len(log.predictions())


def test_parts_refuses_two_files_of_one_output(demand: Path) -> None:
    Path("weeks").mkdir()
    for name in ("a.csv", "a.parquet"):
        Path("weeks", name).touch()
    with pytest.raises(DaybookError, match="differ only in their ending"):
        parts("weeks", "out")


def test_score_keeps_a_column_that_is_called_reason(tag: str, week: pd.DataFrame) -> None:
    hours = week["hour"].where(week.index != 60, 99)
    week.assign(reason="rain", hour=hours).to_csv("week.csv", index=False)
    done = scoring.score(Log(example.contract), tag, "week.csv", "out.csv", size=50)
    assert (done.rows, done.rejected) == (167, 1)
    [row] = pd.read_csv("out.rejected.csv").to_dict("records")
    assert row["reason"] == "rain" and row.popitem()[1] == "hour: input should be less than or equal to 23"


def test_score_asks_the_database_of_the_environment(
    tag: str, week: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect("shop.db")) as connection:
        week.assign(day=week["day"].astype(str)).to_sql("rows", connection, index=False)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///shop.db")
    assert scoring.score(Log(example.contract), tag, "SELECT * FROM rows", "out.parquet").logged == 168


class HereClient:
    """A cluster's client that works in this process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable, parts: list, pure: bool, **options: Any) -> list:
        """Call the function for each part."""
        return [function(part, **options) for part in parts]

    def gather(self, results: list) -> list:
        """The results."""
        return results


def test_score_tells_workers_which_database_to_ask(
    tag: str, week: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect("shop.db")) as connection:
        week.assign(day=week["day"].astype(str)).to_sql("rows", connection, index=False)
    monkeypatch.setattr(scoring, "connect", lambda _: HereClient())
    options = {"database": "sqlite:///shop.db", "scheduler": "tcp://scheduler:8786"}
    assert scoring.score(Log(example.contract), tag, "SELECT * FROM rows", "out.parquet", **options).logged == 168
