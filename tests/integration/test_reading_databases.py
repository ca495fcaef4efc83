"""Rows of queries to real databases: a Postgres that the tests start, and SQLite."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from pydantic import BaseModel

from daybook.adoption import adopt
from daybook.contract import Contract
from daybook.project import DaybookError
from daybook.reading import batches, read
from daybook.sources import open_source
from daybook.validation import ContractError

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "p@ss/word"


class Order(BaseModel):
    """An order as it is sent."""

    day: date
    number: int
    zip: str
    price: float | None
    sent: datetime | None
    is_gift: bool


class LabelledOrder(Order):
    """And whether it was late."""

    late: bool


CONTRACT = Contract(LabelledOrder, target="late", key=("number",), time="day", name="orders")
TABLE = """CREATE TABLE orders (number bigint, day date, zip text, price numeric(12, 2), sent timestamptz,
    is_gift boolean, late int, odd uuid, tags text[])"""
ROWS = """INSERT INTO orders VALUES
    (9007199254740993, '2024-01-02', '01067', 1.10, '2012-03-25T03:30:00+02:00', true, 1, gen_random_uuid(), '{a}'),
    (7, '2024-01-01', 'NA', NULL, NULL, false, 0, NULL, NULL)"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a Postgres with a table of orders."""
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    if not BINARIES:
        pytest.skip("no Postgres: install Debian's postgresql")
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))  # a socket's path is short
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    if user:
        shutil.chown(folder, user)
    (folder / "password").write_text(PASSWORD)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--auth=scram-sha-256", "--username=ann", "--no-sync", "--encoding=UTF8"]
    make = [BINARIES[-1] / "initdb", *options, f"--pwfile={folder}/password", folder / "data"]
    subprocess.run(make, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/tmp")
    start = [BINARIES[-1] / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-F"]
    server = subprocess.Popen(start, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/tmp")
    url = f"postgresql://ann:p%40ss%2Fword@127.0.0.1:{port}/postgres"
    try:
        with closing(connected(dbapi, url)) as connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
            cursor.execute(ROWS)
            connection.commit()
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # not waiting for clients
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def connected(dbapi: object, url: str) -> object:
    """A connection to a server that has just been started."""
    for _ in range(100):
        try:
            return dbapi.connect(url)
        except dbapi.Error:
            time.sleep(0.1)
    raise AssertionError("Postgres did not start")


def test_read_query_to_postgres_by_the_contract(postgres: str) -> None:
    frame = read(CONTRACT, "SELECT * FROM orders", database=postgres)
    assert frame["number"].tolist() == [7, 9007199254740993]
    assert frame["zip"].tolist() == ["NA", "01067"]
    assert frame["price"].fillna(-1).tolist() == [-1, 1.1]
    assert frame["late"].tolist() == [False, True]
    assert str(frame["sent"][1]) == "2012-03-25 01:30:00+00:00"


def test_batches_of_a_query_to_postgres(postgres: str) -> None:
    query = "SELECT *, 'x' AS reason FROM orders, generate_series(1, 30000) ORDER BY number"
    lengths, positions = [], []
    for good, rejected in batches(CONTRACT, query, size=1000, database=postgres):
        duckdb.sql("SELECT 1").fetchall()  # the stream does not mind
        assert len(rejected) == 0
        lengths.append(len(good))
        positions += good.index.tolist()
    assert positions == list(range(60000))
    assert len(lengths) > 5


def test_batches_of_a_query_reject_rows_with_the_reason(postgres: str) -> None:
    query = "SELECT number, day, zip, 'n/a' AS price, sent, is_gift FROM orders"
    ((good, rejected),) = batches(CONTRACT, query, database=postgres)
    assert len(good) == 0
    assert rejected.column("reason").to_pylist() == ["price: input should be a finite number"] * 2


def test_open_source_of_postgres_has_types(postgres: str) -> None:
    source = open_source("select day, number, price from orders", postgres)
    assert not source.is_text
    assert [str(type) for type in source.relation.types][:2] == ["DATE", "BIGINT"]


@pytest.mark.parametrize("query", ["SELECT * FROM nothing", "SELECT 1 / (number - 7) FROM orders", "SELECT FROM"])
def test_read_query_that_fails_is_one_sentence_without_password(postgres: str, query: str) -> None:
    with pytest.raises(DaybookError, match="the query") as caught:
        read(CONTRACT, query, database=postgres)
    assert "word" not in str(caught.value).replace("password", "")


def test_read_query_with_wrong_password_does_not_show_it(postgres: str) -> None:
    with pytest.raises(DaybookError, match="password authentication failed") as caught:
        read(CONTRACT, "SELECT 1 AS a", database=postgres.replace("word", "hole"))
    assert "hole" not in str(caught.value)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URL of a database of SQLite."""
    path = tmp_path / "shop [1].db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (number INTEGER, day TEXT, zip TEXT, price REAL, sent, is_gift, late)")
        rows = [
            (2**63 - 1, "2024-01-02", "01067", 1.1, "2024-01-02 10:00+02:00", 1, 1),
            (7, "2024-01-01", "NA", None, None, 0, 0),
        ]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return f"sqlite:///{path}"


def test_read_query_to_sqlite_by_the_contract(sqlite: str) -> None:
    frame = read(CONTRACT, "\n  select * from orders", database=sqlite)
    assert frame["number"].tolist() == [7, 2**63 - 1]
    assert frame["zip"].tolist() == ["NA", "01067"]
    assert frame["price"].fillna(-1).tolist() == [-1, 1.1]
    assert [len(good) for good, _ in batches(CONTRACT, "SELECT * FROM orders", size=1, database=sqlite)] == [1, 1]


def test_read_query_never_writes(sqlite: str) -> None:
    with pytest.raises(DaybookError):
        read(CONTRACT, "WITH a AS (SELECT 1) INSERT INTO orders SELECT * FROM orders", database=sqlite)


def test_read_query_without_rows_or_database_is_one_sentence(sqlite: str) -> None:
    with pytest.raises(ContractError, match="has no rows"):
        read(CONTRACT, "SELECT * FROM orders WHERE false", database=sqlite)
    with pytest.raises(DaybookError, match="a query needs a database"):
        read(CONTRACT, "SELECT * FROM orders")
    with pytest.raises(DaybookError, match="there is no database"):
        read(CONTRACT, "SELECT 1 AS a", database="sqlite:///none.db")


def test_adopt_takes_a_query_to_postgres_and_keeps_no_password(
    postgres: str, demand: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres)  # where the written chapter finds the password
    adopt("SELECT * FROM orders", target="late", time="day", key="number", database=postgres, force=True)
    written = (demand / "demand" / "data.py").read_text()
    assert "SELECT * FROM orders" in written and "ann@127.0.0.1" in written
    assert "ss%2F" not in written and PASSWORD not in written
    made = {}
    exec(written, made)
    assert made["load"]()["zip"].tolist() == [None, "01067"]  # it says that NA is missing


def test_read_asks_the_database_of_the_environment(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite)
    assert len(read(CONTRACT, "SELECT * FROM orders")) == 2
    assert sum(len(good) for good, _ in batches(CONTRACT, "SELECT * FROM orders")) == 2
    with pytest.raises(DaybookError, match="there is no database none.db"):
        read(CONTRACT, "SELECT * FROM orders", database="sqlite:///none.db")


@pytest.mark.parametrize("name", ["With prices.csv", "select all from.csv"])
def test_a_file_is_no_query_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("a,b\n1,2\n")
    assert open_source(name).relation.fetchall() == [("1", "2")]
