"""Folders and files as people really have them: which files are a table, and what a file is that is none."""

import bz2
import json
import lzma
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.feather as feather
import pytest
from pydantic import BaseModel, Field

from daybook.chapter_code import load_cell
from daybook.contract import Contract
from daybook.databases import is_query
from daybook.leakage import leaks
from daybook.parts import find_files
from daybook.profile import Profile
from daybook.project import DaybookError
from daybook.proposal import propose
from daybook.reading import read
from daybook.roles import roles
from daybook.score_output import parts
from daybook.sources import open_source
from daybook.table_commands import check, validated

LINES = "day,shop,sales\n2024-01-01,a,3\n2024-01-02,b,4\n"


class Row(BaseModel):
    """A day of a shop."""

    shop: str
    promo: int = Field(ge=0)


class LabelledRow(Row):
    """A day and its sales."""

    amount: float = Field(alias="sales amount")


CONTRACT = Contract(LabelledRow, target="amount", name="sales")


def files(folder: Path, *names: str) -> list[str]:
    """Write a small table under some names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(LINES)
    return [str(folder / name) for name in names]


def test_endings_in_capitals_are_those_of_tables(tmp_path: Path) -> None:
    names = files(tmp_path, "JAN.CSV", "feb.csv", "mar.Txt")
    assert find_files(str(tmp_path))[1] == names
    assert find_files(f"{tmp_path}/*.CSV")[1] == names[:1]
    assert len(open_source(tmp_path).relation) == 6


def test_patterns_that_say_the_ending_decide(tmp_path: Path) -> None:
    names = files(tmp_path, "a.dat", "b.dat", "c.csv", "_d.dat", "x/e.dat")
    assert find_files(f"{tmp_path}/*.dat")[1] == names[:2]
    assert find_files(f"{tmp_path}/*")[1] == names[2:3]
    assert find_files(f"{tmp_path}/**/*.dat")[1] == [*names[:2], names[4]]


@pytest.mark.parametrize("source", ["", "*", "*/*.csv", "**", "[a-z]*"])
def test_score_and_adopt_see_the_same_files(tmp_path: Path, source: str) -> None:
    folder = tmp_path / "data"
    hidden = "x/.ipynb_checkpoints/a-checkpoint.csv", "_delta_log/0000.json", ".cache/b.csv"
    files(folder, "x/a.csv", "x/TXT.csv", "b.txt", "notes.md", *hidden)
    paths = find_files(f"{folder}/{source}")[1]
    assert [part for part, _ in parts(f"{folder}/{source}", str(tmp_path / "out"))] == paths
    assert not [path for path in paths if "checkpoint" in path or "_delta" in path or ".cache" in path]


def test_outputs_of_parts_are_named_after_them(tmp_path: Path) -> None:
    files(tmp_path, "in/JAN.TXT", "in/b.csv.gz", "in/x/c.dat")
    outputs = [[output for _, output in parts(f"{tmp_path}/in{each}", "out")] for each in ("", "/*/*.dat")]
    assert outputs == [["out/JAN.parquet", "out/b.parquet"], ["out/x/c.dat.parquet"]]


def test_load_of_a_table_without_the_target_is_one_sentence(tmp_path: Path) -> None:
    frame = pd.DataFrame({"shop": ["a", "b"] * 100, "promo": range(200), "sales amount": [2.5, 3, None, 7] * 50})
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    frame.drop(columns="sales amount").to_csv(tmp_path / "plan.csv", index=False)
    profile = Profile(open_source(tmp_path / "gaps.csv"))
    given = roles(profile, "sales amount")
    code = load_cell(propose(profile, given, leaks(profile, given)), str(tmp_path / "gaps.csv"), None)
    module = {"contract": CONTRACT}
    exec(code.replace("str(project_root() / SOURCE)", "SOURCE"), module)
    assert len(module["load"]()) == 150
    with pytest.raises(DaybookError, match=r"plan.csv: no column sales amount; there are: shop, promo$"):
        module["load"](str(tmp_path / "plan.csv"))
    frame.rename(columns={"sales amount": "amount"}).to_csv(tmp_path / "named.csv", index=False)
    assert len(module["load"](str(tmp_path / "named.csv"))) == 150, "the name in Python counts, too"


def test_check_counts_rows_without_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("daybook.table_commands.contract_of", lambda: CONTRACT)
    Path("gaps.csv").write_text("shop,promo,sales amount\na,1,\na,-1,\nb,1,2.5\n")
    assert check.main(["gaps.csv"], standalone_mode=False) == 0
    said = "gaps.csv: 1 rows, all as the contract of sales says; 2 rows have no sales amount and are left out\n"
    assert capsys.readouterr().out == said
    Path("gaps.csv").write_text("shop,promo,sales amount\na,1,\nb,-1,2.5\nb,1,many\n")
    assert validated(CONTRACT, "gaps.csv")[:2] == (2, 1)
    assert check.main(["gaps.csv"], standalone_mode=False) == 3
    head, *lines = capsys.readouterr().err.splitlines()
    assert head == "gaps.csv breaks the contract of sales; 1 rows have no sales amount and are left out:"
    assert (
        len(lines) == 2
        and any("row 1 (-1)" in line for line in lines)
        and any("row 2 (many)" in line for line in lines)
    )
    Path("plan.csv").write_text("shop,promo,sales amount\na,1,\nb,2,\n")
    assert validated(CONTRACT, "plan.csv") == (2, None, [])


def sqlite_file(path: Path) -> None:
    """Write a database."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE sales (day TEXT)")


KINDS = {
    "packed with bzip2: unpack it": lambda path: path.write_bytes(bz2.compress(LINES.encode())),
    "packed with xz: unpack it": lambda path: path.write_bytes(lzma.compress(LINES.encode())),
    "a database of SQLite: give a query": sqlite_file,
    "an Arrow or Feather file: save": lambda path: feather.write_feather(pd.DataFrame({"a": [1]}), str(path)),
    "a pickle of Python: save": lambda path: path.write_bytes(pickle.dumps(pd.DataFrame({"a": [1]}))),
    "HTML or XML: open it as a spreadsheet": lambda path: pd.DataFrame({"a": [1]}).to_html(path),
    "no text; a table is CSV, Parquet or JSON lines": lambda path: np.save(path.open("wb"), np.arange(9)),
}


@pytest.mark.parametrize("what", KINDS)
def test_files_that_are_no_table_say_what_they_are(tmp_path: Path, what: str) -> None:
    KINDS[what](tmp_path / "sales.xls")
    with pytest.raises(DaybookError, match=f"^(/.*: )?sales.xls is {what}") as caught:
        open_source(tmp_path / "sales.xls")
    assert "\n" not in str(caught.value)


def test_names_in_angles_are_no_html(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("<TICKER>,<OPEN>\nA,1.5\n")
    (tmp_path / "one.csv").write_text("<TABLE>,<OPEN>\nA,1.5\n")
    assert open_source(tmp_path / "prices.csv").names == ["<TICKER>", "<OPEN>"]
    assert open_source(tmp_path / "one.csv").names == ["<TABLE>", "<OPEN>"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("is_list", [False, True])
def test_json_of_any_encoding(tmp_path: Path, encoding: str, is_list: bool) -> None:
    rows = [json.dumps({"city": city, "n": n}, ensure_ascii=False) for n, city in enumerate(["Köln", "Bonn", "Ulm"])]
    text = f"[{', '.join(rows)}]" if is_list else "\r\n".join(rows)
    (tmp_path / "rows.json").write_bytes(text.encode(encoding))
    source = open_source(tmp_path / "rows.json")
    assert source.relation.fetchall()[0] == ("Köln", "0") and source.name.endswith("rows.json")


def test_queries_may_begin_with_comments(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE sales AS SELECT 'a' AS shop, 1 AS promo, 2.5 AS \"sales amount\"")
    sql = "-- my query\n/* of\n * all */ SELECT * FROM sales"
    assert len(read(CONTRACT, sql, database=f"sqlite:///{tmp_path}/shop.db")) == 1
    assert parts(sql, "out.parquet") == [(sql, "out.parquet")]
    assert not is_query("-- SELECT 1 FROM a") and not is_query("/* SELECT 1") and not is_query("--a.csv")
