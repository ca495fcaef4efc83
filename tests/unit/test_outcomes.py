"""Outcomes: which predictions have an actual, which of those count, and by which days a model is judged."""

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from daybook import example, models
from daybook.evaluation import evaluation_window, rows_sha
from daybook.log import Log
from daybook.outcomes import outcomes, required_columns
from daybook.project import DaybookError
from daybook.segments import SegmentWriter
from daybook.world import World

pytest_plugins = "worlds"


@pytest.fixture
def log(world: World) -> Log:
    """The log of the example world."""
    return Log(example.contract)


@pytest.fixture
def own(world: World) -> dict:
    """The champion's contract."""
    return {world.champion: models.contract_of(world.champion)}


def test_outcomes_are_what_had_arrived(world: World, log: Log, own: dict, tmp_path: Path) -> None:
    first, second = (f"{world.start + pd.Timedelta(days=days)}" for days in (0, 1))
    labels = tmp_path / "corrected.csv"
    labels.write_text(
        f"day,hour,rentals,received\n{first},0,5,2024-04-15T00:00:00Z\n{first},0,6,2024-05-09T00:00:00Z\n"
        f"{second},0,7,2024-03-30T00:00:00Z\n1999-01-01,0,7,2024-05-03T00:00:00Z\n"
    )
    for as_of, actual in ((datetime(2024, 4, 20), 5.0), (datetime(2024, 5, 10), 6.0)):
        found = outcomes(log, own, as_of, str(labels))
        assert found.rows.filter("actual IS NOT NULL").project("actual").fetchall() == [(actual,)]
        assert (found.facts["with_actual"], found.facts["arrived_too_early"]) == (1, 1)


def test_outcomes_say_how_late_actuals_are(world: World, log: Log, own: dict) -> None:
    early = outcomes(log, own, datetime(2024, 4, 20, tzinfo=UTC), str(world.labels)).facts
    assert early["days_late_median"] == 3.0 and early["with_actual"] < early["predictions"] / 5
    late = outcomes(log, own, None, str(world.labels)).facts
    assert late["with_actual"] == late["predictions"] == 90 * 24


def send_actuals(folder: Path, *actuals: tuple[str, float, str]) -> None:
    """Log actuals as the service does: prediction's id, value, day of arrival."""
    writer = SegmentWriter(folder)
    for number, (name, actual, day) in enumerate(actuals):
        head = {"v": 1, "id": f"a{number}", "ts": f"{day}T00:00:00.000000Z", "route": "/actuals", "status": 200}
        head |= {"ms": 1.0, "model": "demand:x", "bento": None, "rate": 1.0, "out": {"accepted": 1}}
        head |= {"in": {"actuals": [{"prediction_id": name, "actual": actual}]}}
        writer.write(json.dumps(head).encode() + b"\n", day)
    writer.close()


def test_outcomes_of_actuals_that_came_through_the_service(world: World, log: Log, own: dict) -> None:
    with pytest.raises(DaybookError, match="has no actual for any of 2,160 predictions: nothing to judge by"):
        outcomes(log, own)
    (one,), (two,) = log.predictions().order("prediction_id").limit(2).project("prediction_id").fetchall()
    sent = [(one, 4, "2026-03-01"), (one, 5, "2026-03-02"), (two, 5, "2020-01-01"), ("nobody:0", 1, "2026-03-01")]
    send_actuals(log.folder, *sent)
    found = outcomes(log, own)
    actuals = found.rows.filter("actual IS NOT NULL").project("actual").fetchall()
    assert actuals == [(5.0,)], "the latest correction wins"
    assert (found.facts["with_actual"], found.facts["corrections"]) == (1, 1)
    assert (found.facts["for_no_prediction"], found.facts["arrived_too_early"]) == (1, 1)
    then = outcomes(log, own, datetime(2026, 3, 2))
    assert then.rows.filter("actual IS NOT NULL").project("actual").fetchall() == [(4.0,)]


def test_predictions_made_when_the_outcome_was_known_do_not_count(
    world: World, log: Log, own: dict, tmp_path: Path
) -> None:
    """Whether labels or the service brought the actual, and even if a correction came later."""
    rows = example.sample(200).tail(24)
    log.backfill(rows, rows["rentals"] * 1.0, world.champion, "2024-08-20")
    labels = rows[["day", "hour", "rentals"]].assign(received="2024-08-19")
    labels = pd.concat([labels, labels.assign(received="2024-08-21", rentals=1)])
    labels.to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DaybookError, match="24 were made when their actual was known already"):
        outcomes(log, own, labels=str(tmp_path / "labels.csv"))
    labels.assign(received="2024-08-20T01:00Z").drop_duplicates(["day", "hour"]).to_csv(tmp_path / "labels.csv")
    facts = outcomes(log, own, labels=str(tmp_path / "labels.csv")).facts
    assert (facts["with_actual"], facts["predicted_too_late"]) == (24, 0)


def test_predictions_made_after_as_of_are_not_there(world: World, log: Log, own: dict) -> None:
    found = outcomes(log, own, world.as_of, str(world.labels))
    rows = example.sample(200).tail(24)
    log.backfill(rows, rows["rentals"] * 1.0, world.champion, world.as_of)
    again = outcomes(log, own, world.as_of, str(world.labels))
    assert again.facts == found.facts | {"predicted_after_as_of": 24}
    assert rows_sha(evaluation_window(again)) == rows_sha(evaluation_window(found))


def test_labels_without_a_time_of_arrival_are_of_their_files_time(
    world: World, log: Log, own: dict, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    pd.read_parquet(world.labels).drop(columns="received").to_parquet(path)
    found = outcomes(log, own, labels=str(path))
    assert (found.as_of, found.notes, found.facts["with_actual"]) == (None, (), 90 * 24)
    with pytest.raises(DaybookError, match="no column `received`, and their file was written on"):
        outcomes(log, own, world.as_of, str(path))
    os.utime(path, (1_720_000_000,) * 2)  # 2024-07-03
    [note] = outcomes(log, own, world.as_of, str(path)).notes
    assert "no column `received`: all of them count as arrived on 2024-07-03 09:46 UTC" in note


def test_one_request_about_2099_changes_nothing(world: World, log: Log, own: dict) -> None:
    found = outcomes(log, own, world.as_of, str(world.labels))
    odd = example.sample(200).tail(1).assign(day=pd.Timestamp("2099-01-01"))
    log.backfill(odd, [1.0], world.champion, "2024-05-01")
    again = outcomes(log, own, world.as_of, str(world.labels))
    assert again.facts == found.facts | {"of_implausible_day": 1} and "2099-01-01" in again.notes[0]
    assert evaluation_window(again).end == evaluation_window(found).end


def test_actuals_of_the_service_may_be_of_another_time_zone(world: World, log: Log, own: dict) -> None:
    """An hour of a day may begin fourteen hours before it does in UTC, and no earlier."""
    rows = example.sample(200).tail(24)
    log.backfill(rows, rows["rentals"] * 1.0, world.champion, "2024-07-10", request="early")
    (day,) = set(rows["day"])
    times = [day - pd.Timedelta(hours=hours) for hours in (13, 15)]
    writer = SegmentWriter(log.folder)
    for number, time in enumerate(times):
        head = {
            "v": 1,
            "id": f"z{number}",
            "ts": f"{time:%Y-%m-%dT%H:%M}:00.000000Z",
            "route": "/actuals",
            "status": 200,
        }
        head |= {"ms": 1.0, "model": "demand:x", "bento": None, "rate": 1.0, "out": {"accepted": 1}}
        head |= {"in": {"actuals": [{"prediction_id": f"early:{number}", "actual": 5}]}}
        writer.write(json.dumps(head).encode() + b"\n", f"{time:%Y-%m-%d}")
    writer.close()
    facts = outcomes(log, own).facts
    assert (facts["with_actual"], facts["arrived_too_early"]) == (1, 1)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (None, "labels: labels.csv: there is no such file"),
        ("day,hour,rentals\n2024-04-10,0,7\n2024-04-10,0,9\n", "more than once"),
        ("day,hour,rentals\n2024-04-10,0,many\n2024-04-10,1,9\n", "rentals: input should be a whole number"),
        ("day,hour,rented\n2024-04-10,0,7\n", "no column rentals; there are: day, hour, rented"),
        ("day,hour,rentals,received\n2024-04-10,0,7,2030-01-01\n", "has no actual for any of 2,160 predictions as of"),
    ],
)
def test_labels_that_cannot_be_joined_are_one_sentence(
    world: World, log: Log, own: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content:
        Path("labels.csv").write_text(content)
    with pytest.raises(DaybookError, match=sentence) as error:
        outcomes(log, own, datetime(2026, 1, 1), "labels.csv")
    assert "\n" not in str(error.value)


def test_outcomes_need_something_logged(own: dict) -> None:
    with pytest.raises(DaybookError, match="no prediction of demand is logged in nowhere: serve it"):
        outcomes(Log(example.contract, "nowhere"), own)


def test_evaluation_window_is_the_end_of_what_is_known(world: World, log: Log, own: dict) -> None:
    found = outcomes(log, own, world.as_of, str(world.labels))
    window = evaluation_window(found)
    assert window.end == world.end - pd.Timedelta(days=3) and window.n == 28 * 24
    assert (
        evaluation_window(found, start=world.start, end=date(2024, 5, 1)).n
        == (date(2024, 5, 1) - world.start).days * 24
    )
    with pytest.raises(DaybookError, match="has an actual: there are some from 2024-04-09 to 2024-07-04"):
        evaluation_window(found, end=date(2023, 6, 1))
    with pytest.raises(DaybookError, match="the window is empty"):
        evaluation_window(found, days=0)


def test_evaluation_window_cannot_bear_a_verdict(world: World, log: Log, own: dict, tmp_path: Path) -> None:
    labels = tmp_path / "same.csv"
    labels.write_text("day,hour,rentals\n" + "".join(f"2024-05-01,{hour},7\n" for hour in range(20)))
    with pytest.raises(
        DaybookError, match="all 20 actuals about 2024-04-04 to 2024-05-01 are 7: nothing can be judged"
    ):
        evaluation_window(outcomes(log, own, labels=str(labels)))


def test_rows_sha_sees_each_change(world: World, log: Log, own: dict, tmp_path: Path) -> None:
    def sha(labels: pd.DataFrame) -> str:
        labels.to_parquet(tmp_path / "labels.parquet")
        return rows_sha(evaluation_window(outcomes(log, own, labels=str(tmp_path / "labels.parquet"))))

    labels = pd.read_parquet(world.labels)
    first = sha(labels)
    assert sha(labels.sample(frac=1, random_state=0)) == first, "the order of rows does not matter"
    labels.loc[labels.index[-1], "rentals"] += 1
    assert sha(labels) != first


def test_rows_of_another_contract_are_counted_and_left_out(world: World, log: Log, save_variant, own: dict) -> None:
    contract, tag = save_variant("wind: float", wind=3.0)
    assert required_columns(contract) == ["day", "hour", "wind"]
    with pytest.raises(DaybookError) as error:
        outcomes(log, own | {tag: contract}, labels=str(world.labels))
    assert f"{tag} requires wind" in str(error.value)
    assert f'`daybook run promote -p candidate={tag} -p force=true -p reason="..."`' in str(error.value)
    later = example.sample(200).assign(wind=3.0).tail(24)
    Log(contract).backfill(contract.validate(later), later["rentals"] * 1.0, world.champion, "2024-07-20")
    labels = pd.read_parquet(world.labels)
    extra = later[["day", "hour", "rentals"]].assign(received=pd.Timestamp("2024-07-25", tz="UTC"))
    pd.concat([labels, extra]).to_parquet(log.folder / "both.parquet")
    found = outcomes(Log(contract), own | {tag: contract}, labels=str(log.folder / "both.parquet"))
    facts = found.facts
    assert (facts["of_another_contract"], facts["predictions"], facts["with_actual"]) == (90 * 24, 24, 24)
    assert outcomes(log, own, labels=str(world.labels)).facts["of_another_contract"] == 0


def test_labels_that_do_not_say_when_they_arrived_have_arrived_by_now(
    world: World, log: Log, own: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = pd.read_parquet(world.labels)
    times = labels["received"].astype(str).where(labels.index % 2 > 0)
    labels = labels.assign(day=labels["day"].dt.strftime("%Y-%m-%d"), received=times)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        labels.to_sql("labels", connection, index=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/shop.db")
    assert outcomes(log, own, None, "SELECT * FROM labels").facts["with_actual"] == 90 * 24
