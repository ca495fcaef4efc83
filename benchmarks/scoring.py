"""Memory and speed of `score` for one million rows and for ten: the memory must not grow with the table.

Run it with the library's environment: PYTHONPATH="{{cookiecutter.project}}" build/library/bike-demand/.venv/bin/python
benchmarks/scoring.py. Each table is scored in a process of its own, in a project of the library's example.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = (1_000_000, 10_000_000)


def write_table(path: Path, rows: int) -> None:
    """Hours of many years, as Parquet."""
    import duckdb

    duckdb.sql(f"""
        COPY (SELECT DATE '1700-01-01' + CAST(i // 24 % 100000 AS INTEGER) AS day, CAST(i % 24 AS INTEGER) AS hour,
              round(random() * 40 - 10, 1) AS "temp", ['clear', 'mist', 'rain'][1 + CAST(i % 3 AS INTEGER)] AS weather,
              i % 7 = 0 AS holiday FROM range({rows}) AS rows(i)) TO '{path}'
    """)


def score_one(rows: int) -> None:
    """Score a table of so many rows, and print what it took."""
    from daybook import example, scoring
    from daybook.log import Log
    from daybook.project import isolate

    isolate()
    os.chdir(example.project(tempfile.mkdtemp(prefix="daybook-")))
    tag = example.save(example.sample(days=30))
    start = time.perf_counter()
    done = scoring.score(Log(example.contract), tag, sys.argv[2], "out.parquet")
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert done.rows == done.logged == rows, done
    print(f"{rows:,} rows: {seconds:.1f} s, {peak:,.0f} MB at most", flush=True)


def main() -> None:
    """Write each table, and score it in a new process."""
    if len(sys.argv) > 1:
        score_one(int(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for rows in ROWS:
            table = Path(folder, f"{rows}.parquet")
            write_table(table, rows)
            subprocess.run([sys.executable, __file__, str(rows), table], check=True)


if __name__ == "__main__":
    main()
