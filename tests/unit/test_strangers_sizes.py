"""Tables that are wide, long, or have a name that DuckDB uses: they are looked at and read as any other."""

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from pydantic import create_model

from daybook.adoption import look
from daybook.contract import Contract
from daybook.excerpt import excerpt
from daybook.reading import batches, read
from daybook.sql import set_up


def test_column_that_is_called_rowid(tmp_path: Path) -> None:
    lines = ["rowid,day,shop,sales", *(f"AAAR{n},{date(2024, 1, 1 + n % 28)},{n % 3},{n}.5" for n in range(84))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = look(tmp_path / "t.csv", "sales", "day", ["rowid"])
    made = excerpt(found.proposal).to_pandas()
    assert len(made) > 20 and made["rowid"].str.startswith("AAAR").all()


def test_wide_table_is_read(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(1100)]
    pd.DataFrame(np.random.default_rng(0).normal(size=(2000, 1100)), columns=names).to_parquet(tmp_path / "t.parquet")
    row = create_model("Row", **dict.fromkeys(names[1:], (float, ...)))
    contract = Contract(create_model("LabelledRow", __base__=row, c0=(float, ...)), target="c0", name="wide")
    assert read(contract, tmp_path / "t.parquet").shape == (2000, 1100)
    assert sum(len(rows) for rows, _ in batches(contract, tmp_path / "t.parquet", labelled=True)) == 2000


@pytest.mark.long
def test_three_million_times_are_counted_in_128_mb(tmp_path: Path) -> None:
    times = pd.date_range("2020-01-01", periods=3_000_000, freq="min")
    pd.DataFrame({"at": times}).to_parquet(tmp_path / "t.parquet")
    set_up()
    [[before]] = duckdb.execute("SELECT current_setting('memory_limit')").fetchall()
    duckdb.execute("SET memory_limit = '128MB'")
    try:
        assert look(tmp_path / "t.parquet").proposal.profile.columns["at"].n_distinct == 3_000_000
    finally:
        duckdb.execute(f"SET memory_limit = '{before.replace(' ', '')}'")
