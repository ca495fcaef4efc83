"""What an operator meets: odd contracts, corrections, models that take turns, and files in the wrong place."""

import asyncio
import json
from datetime import date
from pathlib import Path

import duckdb
import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from daybook.bulk import unfold_segment
from daybook.champion import read_champion
from daybook.checks import check_degradation
from daybook.contract import Contract
from daybook.entries import RowReaders
from daybook.evaluation import EvaluationWindow, rows_sha
from daybook.files import Folder
from daybook.labels import read_labels
from daybook.log import Log, window_bounds
from daybook.merging import current_files, merge_days
from daybook.project import DaybookError
from daybook.promotion import candidate_tag
from daybook.recorder import Recorder
from daybook.redaction import Redaction, hash_value
from daybook.relations import in_files
from daybook.replay import read_requests
from daybook.score_output import parts
from daybook.segments import write_schema
from daybook.service_settings import ServiceSettings
from daybook.slices import cuts
from daybook.tables import parquet_bytes
from daybook.unfolding import unfold
from daybook.world import World

pytest_plugins = "worlds"


class Row(BaseModel):
    """A row whose log keeps a part."""

    day: date
    hour: int
    phone: int = Field(0, json_schema_extra={"iolog": "hash"})
    name: str = Field("", json_schema_extra={"iolog": "drop"})
    size: float | None = Field(5.0, alias="größe")
    wind: float | None = None

    @field_validator("wind")
    @classmethod
    def fill(cls, value: float | None) -> float:
        """Seven where nothing was measured."""
        return 7.0 if value is None else value


class Labelled(Row):
    """And its target."""

    y: float


CONTRACT = Contract(Labelled, target="y", key=["day", "hour"], time="day", name="odd")


def test_defaults_are_validated_in_service_as_in_training() -> None:
    frame = pd.DataFrame({"day": ["2024-01-01"], "hour": [1], "y": [2.0]})
    sent = {"day": "2024-01-01", "hour": 1}
    rows = [CONTRACT.validate(frame), CONTRACT.validate(frame.assign(wind=[None]))]
    rows += [read_requests(CONTRACT, [each]) for each in (sent, sent | {"wind": None})]
    assert [CONTRACT.arrays(each)["wind"].tolist() for each in rows] == [[7.0]] * 4


def test_a_null_is_no_default_whatever_the_field_is_called(tmp_path: Path) -> None:
    write_schema(tmp_path, "odd:x", Redaction(CONTRACT, SecretStr("k")).schema("cpu"))
    head = '{{"v":1,"id":"r{0}","ts":"2024-01-01T00:00:00.{0:06}Z","route":"/predict","status":200,"ms":1.000,'
    head += '"model":"odd:x","bento":null,"rate":1.0,"in":{1},"out":{2}}}\n'
    lines = []
    for number in range(400):
        row = {"day": "2024-01-01", "hour": 1} | ({"größe": None} if number % 4 == 0 else {})
        answer = json.dumps({"request_id": f"r{number}", "model": "odd:x", "predictions": [1.5]})
        lines.append(head.format(number, json.dumps({"rows": [row]}, ensure_ascii=False), answer).encode())
    readers = RowReaders(tmp_path, CONTRACT)
    for tables, rest in (
        unfold_segment(b"".join(lines), "s-1-00000000-0", readers),
        unfold(lines, "s-1-00000000-0", readers),
    ):
        [table] = [table for path, table in tables.items() if path.startswith("predictions")]
        assert (table["größe"].null_count, len(rest)) == (100, 0)


def test_a_new_champion_is_not_blamed_for_the_old_one() -> None:
    days = pd.DataFrame({"n": 24, "in service": 100.0 * 24, "m:new": 5.0 * 24}, index=pd.RangeIndex(28))
    made = pd.DataFrame({"n": 24, "loss": 5.0 * 24}, index=pd.RangeIndex(28))
    made["loss"] += np.arange(28)
    assert check_degradation(days, made, 1.5, "mae", 200).is_alert
    assert not check_degradation(days, made, 1.5, "mae", 200, "m:new").is_alert


def test_labels_must_say_which_actual_is_the_latest() -> None:
    labels = pd.DataFrame({"day": ["2024-01-01"] * 2, "hour": [1, 1], "y": [1.0, 2.0], "received": ["2024-02-15"] * 2})
    types = {"day": "DATE", "hour": "BIGINT"}
    with pytest.raises(DaybookError, match="labels have different actuals of day=2024-01-01, hour=1 received at 2024"):
        read_labels(labels, CONTRACT, types)
    assert len(read_labels(labels.assign(y=1.0), CONTRACT, types)) == 2


def test_labels_without_an_arrival_arrived_with_their_file(tmp_path: Path) -> None:
    file, types = tmp_path / "labels.csv", {"day": "DATE", "hour": "BIGINT"}
    file.write_text("day,hour,y,received\n2024-01-01,1,2.0,2024-01-02\n2024-01-01,2,3.0,\n")
    assert len(read_labels(str(file), CONTRACT, types, "2100-01-01")) == 2
    assert len(read_labels(str(file), CONTRACT, types, "2024-02-01")) == 1


async def explain(request: Request) -> Response:
    """Repeat what was asked."""
    return JSONResponse({"rows": (await request.json())["rows"], "predictions": [1.5], "why": "Alice"})


async def letter(request: Request) -> Response:
    """Repeat it in words."""
    return PlainTextResponse(f"Dear {(await request.json())['rows'][0]['name']}")


def test_no_route_repeats_what_the_log_drops(tmp_path: Path) -> None:
    routes = [Route(f"/{route.__name__}", route, methods=["POST"]) for route in (explain, letter)]
    redaction = Redaction(CONTRACT, SecretStr("k"))
    recorder = Recorder(
        Starlette(routes=routes), lambda: tmp_path, answered_by=lambda: ("odd:x", None), redaction=redaction
    )

    async def call() -> None:
        transport = httpx.ASGITransport(recorder)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            for route in ("/explain", "/letter"):
                done = await client.post(route, json={"rows": [{"name": "Alice", "hour": 1}]})
                assert "Alice" in done.text

    asyncio.run(call())
    recorder.segments.close()
    entries = [json.loads(line) for file in (tmp_path / "raw").rglob("*.jsonl*") for line in file.open()]
    assert [entry["out"] for entry in entries] == [{"rows": [{"hour": 1}], "predictions": [1.5]}, None]


def test_hashes_are_of_the_very_value() -> None:
    redaction = Redaction(CONTRACT, SecretStr("k"))
    kept = json.loads(redaction.request(b'{"rows": [{"phone": 9007199254740993, "size": 2.5}, {"phone": null}]}'))
    assert kept["rows"] == [{"phone": hash_value(9007199254740993, b"k"), "size": 2.5}, {"phone": None}]
    assert hash_value(9007199254740993, b"k") != hash_value(9007199254740992, b"k")


def test_backfill_hashes_as_the_service_does(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLOG_HASH_KEY", "k" * 32)
    frame = pd.DataFrame({"day": ["2024-01-01"], "hour": [1], "phone": [9007199254740993], "y": [2.0]})
    log = Log(CONTRACT, tmp_path / "log")
    log.backfill(CONTRACT.validate(frame), [1.5], "odd:x", "2024-01-01")
    expected = hash_value(9007199254740993, b"k" * 32)
    assert log.predictions().project("phone").fetchall() == [(expected,)]


class Hidden(BaseModel):
    """A row whose log does not say which day it is about."""

    at: date = Field(json_schema_extra={"iolog": "drop"})


class LabelledHidden(Hidden):
    """And its target."""

    y: float


def test_time_is_kept_by_the_log() -> None:
    with pytest.raises(DaybookError, match="the log must keep the time at"):
        Contract(LabelledHidden, target="y", time="at", name="hidden")


def test_hashed_numbers_are_cut_into_no_slices(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLOG_HASH_KEY", "k" * 32)
    rows = range(40)
    frame = pd.DataFrame({"day": ["2024-01-01"] * 40, "hour": rows, "phone": rows, "y": [2.0] * 40})
    log = Log(CONTRACT, tmp_path / "log")
    log.backfill(CONTRACT.validate(frame), [1.5] * 40, "odd:x", "2024-01-01")
    assert not any("phone" in name for cut in cuts(log.predictions(), 40, CONTRACT) for name in cut.names)


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("rows.csv", "rows.csv", "is the source: name another"),
        ("out.rejected.csv", "out.csv", "is the source: name another"),
        ("data", "data/scored", "it would lie among the tables of data"),
        ("data", "data", "it would lie among the tables of data"),
        ("data/*.csv", "data", "it would lie among the tables of"),
    ],
)
def test_score_never_overwrites_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, output: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for name in ("rows.csv", "out.rejected.csv", "data/a.csv"):
        Path(name).write_text("day,hour\n2024-01-01,1\n")
    with pytest.raises(DaybookError, match=said):
        parts(source, output)


def test_a_model_of_another_project_is_no_candidate(world: World, save_variant) -> None:
    with pytest.raises(DaybookError, match="is no model of odd: no service of this project could load it"):
        candidate_tag(CONTRACT, save_variant()[1], read_champion())


def test_rows_that_are_there_twice_count_in_the_hash(world: World) -> None:
    def sha(actual: float) -> str:
        rows = duckdb.sql(
            f"SELECT 'a' AS prediction_id, '1' AS version, 2.0 AS prediction, {actual} AS actual FROM range(2)"
        )
        return rows_sha(EvaluationWindow(rows, date(2024, 1, 1), date(2024, 1, 2), 2))

    assert sha(1.0) != sha(-7.0)


def test_no_number_of_days_is_too_many(tmp_path: Path) -> None:
    assert window_bounds(None, None, 1_000_000, date(2024, 1, 1))[0].year == 1924
    assert Log(CONTRACT, tmp_path).compact(keep_days=999_999).deleted == 0
    with pytest.raises(ValueError, match="finite"):
        ServiceSettings(max_body_mb=float("inf"))


def test_merged_day_keeps_the_default_of_a_new_field(tmp_path: Path) -> None:
    store, day = Folder.at(tmp_path), "predictions/model=odd/dt=2024-01-01"
    for number in range(4):
        store.put(f"{day}/vm-1-abcdef01-{number}-old.parquet", parquet_bytes(pa.table({"hour": [1]})))
        new = pa.table({"hour": [2], "wind": pa.array([None if number else 7.0], pa.float64())})
        store.put(f"{day}/vm-2-abcdef02-{number}-new.parquet", parquet_bytes(new))
    assert merge_days(store) == 8
    files, _ = current_files(store.list(), store)
    assert len(files) == 2
    winds = in_files(files, store, {"wind": "5.0"}).order("hour, wind").project("wind").fetchall()
    assert [wind for (wind,) in winds] == [5.0] * 4 + [7.0] + [None] * 3
