"""Files as people have them: encodings, delimiters, line ends, parts; and what is no table."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel

from daybook.contract import Contract
from daybook.project import DaybookError
from daybook.reading import read
from daybook.sources import Source, open_source


def rows(content: bytes | str, folder: Path, name: str = "table.csv", encoding: str = "utf-8") -> list[tuple]:
    """Header and cells of a file."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return cells(open_source(folder / name))


def cells(source: Source) -> list[tuple]:
    """Header and cells of a source."""
    return [tuple(source.names), *source.relation.fetchall()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_of_any_delimiter_and_line_end(tmp_path: Path, delimiter: str, end: str) -> None:
    text = end.join(delimiter.join(line) for line in (["zip", "text"], ["007", '"a\nb, ""c"""'], ["", '""'])) + end
    text = text.replace("a\nb", "a b") if end == "\r" else text
    shown = "a b" if end == "\r" else "a\nb"
    assert rows(text, tmp_path) == [("zip", "text"), ("007", f'{shown}, "c"'), (None, "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_csv_of_any_encoding_compressed_or_not(tmp_path: Path, encoding: str, is_gzip: bool) -> None:
    content = "name;city\nMüller;Köln\nGroß;–\n".encode(encoding)
    content = gzip.compress(content) if is_gzip else content
    assert rows(content, tmp_path) == [("name", "city"), ("Müller", "Köln"), ("Groß", "–")]


def test_csv_that_is_cp1252_far_behind_the_sample(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,x\n" * 300_000 + b"2,M\xfcller\n"
    assert rows(content, tmp_path)[-1] == ("2", "Müller")


def test_csv_whose_quotes_begin_far_behind_the_sample(tmp_path: Path) -> None:
    assert rows("a,b\n" + "1,x\n" * 30_000 + '2,"y, ""z""\nw"\n', tmp_path)[-1] == ("2", 'y, "z"\nw')


def test_csv_with_line_ends_of_two_kinds(tmp_path: Path) -> None:
    assert rows("a,b\n1,2\r\n3,4\n", tmp_path) == [("a", "b"), ("1", "2"), ("3", "4")]


@pytest.mark.parametrize("mark", ["sep=;\r\n", "\ufeffsep=;\r\n", '"sep=;"\n'])
def test_csv_without_the_line_that_is_for_excel(tmp_path: Path, mark: str) -> None:
    assert rows(f"{mark}a;b\r\n1;2,5\r\n", tmp_path) == [("a", "b"), ("1", "2,5")]
    assert rows("sep=,b\n1,2\n", tmp_path) == [("sep=", "b"), ("1", "2")]


def test_csv_keeps_comments_blanks_and_words_for_missing(tmp_path: Path) -> None:
    text = "#a, b\n#1, x\nNA,NULL\n"
    assert rows(text, tmp_path) == [("#a", "b"), ("#1", " x"), ("NA", "NULL")]


def test_csv_names_that_are_absent_or_twice_are_kept_apart(tmp_path: Path) -> None:
    source = rows("a,A,a,\n1,2,3,4\n", tmp_path)
    assert source == [("a", "A", "a", "column3"), ("1", "2", "3", "4")]
    assert len(set(map(str.casefold, open_source(tmp_path / "table.csv").relation.columns))) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "table.csv is empty: a table has a line with the names of its columns"),
        (b"\n\n", "table.csv is empty"),
        (b"a,b\n1,2\n3\n", "line 3 has 1 columns instead of 2"),
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 columns instead of 2"),
        (b"a,b\n" + b"1,2\n" * 30_000 + b"3\n", "line 30002 has 1 columns instead of 2"),
        (b'a,b\n1,"2\n', "line 2: a quote is not closed"),
        (b"PK\x03\x04\x14\x00 and so on", "is an Excel file"),
        (bytes(range(256)) * 9, "a table is CSV, Parquet or JSON lines"),
        (b"PAR1 and so on", "cannot be read"),
        (b'{"a": 1}\n{"a": \n', "cannot be read: .*Malformed JSON"),
        (b"\x1f\x8b\x08\x00broken", "cannot be read"),
    ],
)
def test_open_source_says_what_is_wrong_in_one_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(DaybookError, match=reason) as caught:
        rows(content, tmp_path)
    assert "\n" not in str(caught.value)


def test_open_source_of_what_is_absent(tmp_path: Path) -> None:
    for source in (tmp_path / "none.csv", tmp_path / "*.csv", "nosuch://bucket/x.csv"):
        with pytest.raises(DaybookError, match="no such file|Protocol not known"):
            open_source(source)
    with pytest.raises(DaybookError, match="is a folder without a table: name a file, or a folder of files that end"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("a;b\n1,5;x\n", ","),
        ("a;b\n1,234;x\n", "."),
        ("a;b\n1,234;0,5\n", ","),
        ("a;b\n1,5;1.5\n", ","),
        ("a|b\n1,5|1.5\n", "."),
        ("a;b;c\n1,5;1.5;2.5\n", "."),
        ("a;b\n1.234;1,5\n", ","),
        ("a;b\nx, y;2\n", "."),
        ("a\tb\n00,7\t1.5\n", "."),
        ('a,b\n"1,5",x\n', ","),
        ("a;b\n02.01.2024;1,5\n", ","),
        ("a;b\n1;2\n", "."),
    ],
)
def test_decimal_is_a_comma_only_where_nothing_else_can_be_meant(tmp_path: Path, text: str, sign: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    assert open_source(tmp_path / "table.csv").decimal() == sign


@pytest.mark.parametrize("name", ["a [1].csv", "what?.csv", "a*.csv", "dt=2024/a=b.csv", "it's.csv", "ü,;.csv"])
def test_path_that_exists_is_one_file_and_no_pattern(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / "a 1.csv").write_text("b\n2\n")
    assert rows("a\n1\n", tmp_path, name) == [("a",), ("1",)]


@pytest.mark.parametrize("source", [".", "*", "**", "dt=*/*.csv", "dt=2024-01-0?"])
def test_parts_are_put_together_by_name_in_the_order_of_their_paths(tmp_path: Path, source: str) -> None:
    for day, text in {"2024-01-01": "a,b\n1,x\n", "2024-01-02": "B;A\ny;2\n", "2024-01-03": "a\n3\n"}.items():
        (tmp_path / f"dt={day}").mkdir()
        (tmp_path / f"dt={day}" / "part.csv").write_text(text)
        (tmp_path / f"dt={day}" / "_SUCCESS").write_text("")
        (tmp_path / f"dt={day}" / ".hidden.csv").write_text("x")
    expected = [("1", "x", "2024-01-01"), ("2", "y", "2024-01-02"), ("3", None, "2024-01-03")]
    found = cells(open_source(tmp_path / source))
    assert found[1:] == expected
    assert found[0][:2] == ("a", "b")


def test_parts_may_be_many(tmp_path: Path) -> None:
    for number in range(130):
        (tmp_path / f"part-{number:03d}.csv").write_text(f"a,b{number % 2}\n{number},x\n")
    found = cells(open_source(tmp_path))
    assert found[0] == ("a", "b0", "b1")
    assert [row[0] for row in found[1:]] == [str(number) for number in range(130)]


def test_parts_of_several_formats_are_texts_where_one_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,z\n1,007\n")
    (tmp_path / "b.jsonl").write_text('{"z": "008", "n": 9007199254740993}\n')
    pd.DataFrame({"n": [3], "z": ["009"]}).to_parquet(tmp_path / "c.parquet")
    assert cells(open_source(tmp_path))[1:] == [("1", "007"), ("9007199254740993", "008"), ("3", "009")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL of a folder, served."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_open_source_of_urls(tmp_path: Path, server: str) -> None:
    rows("a;b\nü;1,5\n", tmp_path, encoding="cp1252")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "table.parquet")
    assert cells(open_source(f"{server}/table.csv?version=2")) == [("a", "b"), ("ü", "1,5")]
    assert cells(open_source(f"{server}/table.parquet")) == [("a",), (1,)]
    assert cells(open_source(f"file://{tmp_path}/table.parquet")) == [("a",), (1,)]
    with pytest.raises(DaybookError, match="none.csv"):
        open_source(f"{server}/none.csv")


def test_open_source_of_a_frame_with_objects_of_several_types() -> None:
    frame = pd.DataFrame({"day": ["2024-01-01", pd.Timestamp("2024-01-02")], 7: [1, "x"]}, index=[5, 5])
    assert cells(open_source(frame)) == [("day", "7"), ("2024-01-01", "1"), ("2024-01-02 00:00:00", "x")]


def test_open_source_takes_a_part_of_a_source_as_texts(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("zip;price;late\n01067;1,5;\n00999;2;1\n")
    orders = open_source(tmp_path / "orders.csv")
    part = open_source(orders.filter("late != ''"))
    assert cells(part) == [("zip", "price", "late"), ("00999", "2", "1")]
    assert part.is_text and part.decimal() == "," and open_source(orders) is orders


def test_read_takes_a_part_of_a_source(tmp_path: Path) -> None:
    class Order(BaseModel):
        zip: str
        price: float

    class LabelledOrder(Order):
        late: bool

    (tmp_path / "orders.csv").write_text("zip;price;late\n01067;1,5;\n00999;2,25;1\n")
    contract = Contract(LabelledOrder, target="late", name="orders")
    frame = read(contract, open_source(tmp_path / "orders.csv").filter("late IS NOT NULL"))
    assert frame.to_dict("records") == [{"zip": "00999", "price": 2.25, "late": True}]


def test_keys_of_a_list_are_columns_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('\n [{"z": 1.50, "B": "007"},\n {"a": null, "z": {"x": 1}, "B": "8"}]\n')
    source = open_source(tmp_path / "list.json")
    assert source.names == ["z", "B", "a"]
    assert source.relation.fetchall() == [("1.5", "007", None), ('{"x":1}', "8", None)]


@pytest.mark.parametrize("rows", ["{}, {}", '{"a": 1, "a": 2}', '{"A": 1}, {"a": 2}', '{"": 1}'])
@pytest.mark.parametrize(("start", "end"), [("[\r\n", "]"), ("", "")])
def test_keys_that_name_no_columns_are_refused(tmp_path: Path, rows: str, start: str, end: str) -> None:
    (tmp_path / "table.json").write_text(start + (rows if start else rows.replace(", {", "\n{")) + end)
    with pytest.raises(
        DaybookError, match="table.json cannot be read: its objects need keys, none of them empty, twic"
    ):
        open_source(tmp_path / "table.json")
