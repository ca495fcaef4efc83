"""Tables larger than the memory that DuckDB may take."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from daybook.sources import open_source
from daybook.sql import set_up

ROWS = {  # the start of a file, a row but for its number, what is between two rows, the end
    "csv": (b"note,n\n", b"x" * 998 + b",%d", b"\n", b"\n"),
    "jsonl": (b"", b'{"note": "' + b"x" * 980 + b'", "n": %d}', b"\n", b"\n"),
    "json": (b"[", b'{"note": "' + b"x" * 980 + b'", "n": %d}', b",\n", b"]"),
}


@pytest.mark.parametrize("cores", [2, pytest.param(64, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["csv", "jsonl", pytest.param("json", marks=pytest.mark.long)])
def test_a_file_larger_than_memory_is_read_in_pieces(kind: str, cores: int, tmp_path: Path) -> None:
    path, (start, row, between, end) = tmp_path / f"large.{kind}", ROWS[kind]
    path.write_bytes(start + row % 1 + (between + row % 2) * 300_000 + end)
    duckdb.execute(f"SET threads = {cores}")
    set_up.__wrapped__()
    source = open_source(path)
    assert source.names == ["note", "n"]
    assert source.relation.aggregate("count(*), max(n)").fetchall() == [(300_001, "2")]


COUNT = """
import duckdb
from daybook.profile import Profile
from daybook.sources import open_source

duckdb.execute("SET threads = {cores}")
duckdb.execute({make!r})
print(Profile(open_source("large.parquet")).columns["name"].n_distinct)
"""


@pytest.mark.parametrize("cores", [2, pytest.param(1, marks=pytest.mark.long)])
def test_more_different_texts_than_memory_are_counted(cores: int, tmp_path: Path) -> None:
    n = 3_000_000
    make = f"COPY (SELECT 'order-' || (range * 7919) % {n} AS name FROM range({n})) TO 'large.parquet'"
    script = tmp_path / "count.py"  # given by -c, DuckDB would take it for a session, and print how far it is
    script.write_text(COUNT.format(cores=cores, make=make))
    printed = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert printed.stdout == f"{n}\n", printed.stderr
