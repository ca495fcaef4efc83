"""One row is the same everywhere: whatever a contract has, all ways to its arrays give equal ones."""

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, create_model, model_validator
from segments_of import write_schema, write_segment

from daybook.contract import Contract
from daybook.log import Log


class Sky(Enum):
    CLEAR = "clear"
    RAIN = "rain, heavy"


class Level(IntEnum):
    LOW = 1
    HIGH = 7


@dataclass(frozen=True)
class Kind:
    """A kind of field: its type, its values as JSON has them, and a default."""

    annotation: Any
    values: st.SearchStrategy
    default: Any


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
numbers = st.floats(-1e300, 1e300) | st.integers(-(10**6), 10**6)
days = st.dates(date(1900, 1, 1), date(2200, 12, 31))
zones = st.none() | st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
times = st.datetimes(datetime(1900, 1, 2), datetime(2200, 12, 30), timezones=zones)


KINDS = {
    "bool": Kind(bool, st.booleans() | st.sampled_from([0, 1, "yes", "off"]), True),
    "int": Kind(int, st.integers(-(2**63), 2**63 - 1) | st.sampled_from(["7", 8.0]), 5),
    "float": Kind(float, numbers | st.sampled_from(["2.5", True]), 0.5),
    "str": Kind(str, texts, "none"),
    "date": Kind(date, days.map(str), date(2012, 1, 1)),
    "datetime": Kind(datetime, times.map(datetime.isoformat) | st.just(1_700_000_000), datetime(2012, 1, 1, 5)),
    "texts": Kind(Literal["a", "it's"], st.sampled_from(["a", "it's"]), "a"),
    "integers": Kind(Literal[1, 2, 30], st.sampled_from([1, 2, 30]), 2),
    "enum": Kind(Sky, st.sampled_from([sky.value for sky in Sky]), Sky.RAIN),
    "levels": Kind(Level, st.sampled_from([1, 7]), Level.LOW),
    "lowered": Kind(Annotated[str, AfterValidator(lambda text: text.strip().casefold())], texts, "none"),
    "clipped": Kind(Annotated[float, AfterValidator(lambda value: min(max(value, -1.0), 1.0))], numbers, 0.0),
    "percent": Kind(
        Annotated[float, BeforeValidator(lambda value: value.rstrip("%") if isinstance(value, str) else value)],
        st.sampled_from(["5%", "7.5 %", 3]),
        1.0,
    ),
    "bounded": Kind(Annotated[int, Field(ge=0, lt=24)], st.integers(0, 23), 3),
    "month": Kind(Annotated[date, AfterValidator(lambda day: day.replace(day=1))], days.map(str), date(2012, 1, 1)),
    "minute": Kind(
        Annotated[datetime, AfterValidator(lambda time: time.replace(second=0, microsecond=0))],
        times.map(datetime.isoformat),
        datetime(2012, 1, 1, tzinfo=UTC),
    ),
}
NAMES = [
    "select order group table Größe 温度 é ts Version MODEL dt prediction Received event_time in out id rows".split(),
    ["a b", 'the "real" one', "it's", "x.y", "a=b", "a/b", "%s {n}", "_1", "1", "-", "*", "ÅØ", "\N{SNOWMAN}", "path"],
]


class Checked(BaseModel):
    """A row whose model has a validator of its own."""

    @model_validator(mode="after")
    def _same(self) -> "Checked":
        return self


@st.composite
def contracts(draw: st.DrawFn) -> tuple[Contract, dict[str, Kind], set[str]]:
    """A contract of a few fields, their kinds, and those that may be missing."""
    chosen = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    aliases = draw(st.permutations([*NAMES[0], *NAMES[1]]))
    fields: dict[str, Any] = {"day": (date, ...)}
    kinds, optional = {}, set()
    for number, name in enumerate(chosen):
        field, known = f"f{number}", KINDS[name]
        is_optional, has_default = draw(st.booleans()), draw(st.booleans())
        annotation = known.annotation | None if is_optional else known.annotation
        info = {"default": draw(st.sampled_from([known.default, *([None] * is_optional)]))} if has_default else {}
        info |= {"alias": aliases[number]} if draw(st.booleans()) else {}
        fields[field] = (annotation, Field(**info))
        kinds[field] = known
        optional |= {field} if is_optional else set()
    base = draw(st.sampled_from([BaseModel, Checked]))
    row = create_model("Row", __base__=base, **fields)
    labelled = create_model("LabelledRow", __base__=row, target=(float, ...))
    return Contract(labelled, target="target", key=("day",), time="day", name="demand"), kinds, optional


@st.composite
def cases(draw: st.DrawFn) -> tuple[Contract, list[dict[str, Any]], pd.DataFrame]:
    """A contract, some rows as a request brings them, and the same as a table."""
    contract, kinds, optional = draw(contracts())
    n = draw(st.integers(1, 4))
    absent = {name for name in kinds if not contract.fields[name].is_required and draw(st.booleans())}
    rows = [{"day": f"2012-01-{number + 1:02}"} for number in range(n)]
    table: dict[str, list[Any]] = {"day": [row["day"] for row in rows]}
    for name, known in kinds.items():
        field = contract.fields[name]
        if name in absent:
            continue
        cells = []
        for row in rows:
            value = draw(known.values | st.none()) if name in optional else draw(known.values)
            if name not in optional and not field.is_required and draw(st.booleans()):
                value = None  # where nothing is said, the default counts, which a table says with a gap
            else:
                row[field.alias] = value
            cells.append(value)
        table[draw(st.sampled_from([field.alias, name]))] = cells
    return contract, rows, pd.DataFrame(table, dtype=object)


def write(folder: Path, contract: Contract, rows: list[dict[str, Any]]) -> None:
    """A closed segment with one request for the rows."""
    head = {"v": 1, "id": "r", "ts": "2012-01-01T10:00:00.000001Z", "route": "/predict", "status": 200, "ms": 1.5}
    head |= {"model": "demand:v1", "bento": None, "rate": 1.0, "in": {"rows": rows}}
    entry = head | {"out": {"predictions": [1.0] * len(rows)}}
    write_schema(folder, contract.schema)
    write_segment(folder, json.dumps(entry).encode() + b"\n")


def assert_equal(arrays: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    """The same fields, types and values; missing is equal to missing."""
    assert list(arrays) == list(others)
    for name, values in arrays.items():
        assert values.dtype == others[name].dtype, name
        np.testing.assert_array_equal(values, others[name], strict=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases())
def test_one_row_has_equal_arrays_from_frame_request_tables_and_raw_log(
    case: tuple[Contract, list[dict[str, Any]], pd.DataFrame],
) -> None:
    contract, rows, frame = case
    validated = TypeAdapter(list[contract.Row]).validate_json(json.dumps(rows))
    arrays = contract.arrays(validated)
    with tempfile.TemporaryDirectory() as folder:
        log = Log(contract, f"{folder}/temp=9/model=old")
        write(log.folder, contract, rows)
        raw = contract.arrays(log.predictions().order("prediction_id").to_arrow_table())
        assert log.compact().quarantined == 0
        compacted = contract.arrays(log.predictions().order("prediction_id").to_arrow_table())
    assert_equal(raw, arrays)
    assert_equal(compacted, arrays)
    assert_equal(contract.arrays(contract.validate(frame.assign(target=1.0))), arrays)
