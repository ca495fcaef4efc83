"""Names, texts and times in SQL."""

from datetime import UTC, date, datetime, timedelta, timezone

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybook.sql import identifier, instant, literal, set_up, timestamp

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(TEXTS)
def test_literal_is_the_text(text: str) -> None:
    assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]


@given(TEXTS.filter(bool))
def test_identifier_is_the_name(name: str) -> None:
    assert duckdb.sql(f"SELECT 1 AS {identifier(name)}").columns == [name]


@pytest.mark.parametrize(
    ("time", "utc"),
    [
        ("2012-01-01", datetime(2012, 1, 1)),
        (date(2012, 1, 1), datetime(2012, 1, 1)),
        ("2012-01-01T01:00:00+01:00", datetime(2012, 1, 1)),
        (datetime(2012, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2012, 1, 1)),
        (datetime(2012, 1, 1, 2, 3, 4, 5), datetime(2012, 1, 1, 2, 3, 4, 5)),
    ],
)
def test_instant_and_timestamp_are_utc(time: str | date | datetime, utc: datetime) -> None:
    set_up()
    assert instant(time) == utc.replace(tzinfo=UTC)
    assert duckdb.sql(f"SELECT {timestamp(time)}").fetchall() == [(utc.replace(tzinfo=UTC),)]


def test_instant_refuses_what_is_no_time() -> None:
    with pytest.raises(ValueError, match="noon"):
        instant("noon")
