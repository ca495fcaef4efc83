"""A table becomes the project's own: what is written, and what is not."""

import importlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tables import git, orders, project

from daybook import adoption
from daybook.adoption import Adoption, adopt, look
from daybook.adoption_view import as_html, as_text
from daybook.adoption_words import calls, commands
from daybook.cli import main
from daybook.project import DaybookError
from daybook.reading import read
from daybook.replacement import difference

BEFORE = 'class Row(BaseModel):\n    day: date\n    size: int = Field(ge=0)\n\ncontract = Contract(Row, target="y")\n'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a table and a committed chapter, in which the test runs."""
    package = project(tmp_path)
    (tmp_path / package / "data.py").write_text(BEFORE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    git("init")
    git("add", ".")
    git("commit", "-m", "A project")
    return tmp_path


@pytest.fixture
def module(shop: Path) -> Callable[[], object]:
    """The data module, imported after it was written."""

    def load() -> object:
        importlib.invalidate_caches()
        name = f"{next(each.name for each in shop.iterdir() if each.name.startswith('shop_'))}.data"
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return load


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not execute the chapter."""
    write = adoption.write
    monkeypatch.setattr(adoption, "write", lambda found, simulate: write(found, simulate, run=False))


def status() -> list[str]:
    """What git says has changed."""
    lines = subprocess.check_output(["git", "status", "--porcelain", "--untracked-files=all"], text=True).splitlines()
    return [line[3:] for line in lines if not line.endswith(("_modidx.py", ".pyc"))]


def test_look_writes_nothing(shop: Path) -> None:
    found = look("orders.csv")
    assert (status(), found.written) == ([], [])
    assert commands(found) == ["daybook adopt orders.csv --target late --time day --key 'Order ID'"]
    assert calls(found) == ["adopt('orders.csv', target='late', time='day', key=['Order ID'])"]


def test_adopt_writes_chapter_module_and_sample(shop: Path, module: Callable) -> None:
    found = adopt("orders.csv", target="late", time="day", key="order_id")
    package = module().__name__.partition(".")[0]
    assert found.trouble is None
    assert sorted(status()) == sorted(["nbs/00_data.ipynb", f"{package}/data.py", "data/sample.parquet"])
    frame, sample = module().load(), module().load("sample")
    assert (len(frame), len(sample), module().contract.task) == (400, 400, "binary")
    assert frame["weight_kg"].isna().sum() == 8
    cells = json.loads((shop / "nbs/00_data.ipynb").read_text())["cells"]
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))


@pytest.mark.long
def test_written_chapter_is_clean(shop: Path) -> None:
    adopt("orders.csv", target="late", time="day")
    before = (shop / "nbs/00_data.ipynb").read_bytes()
    for words in ("ruff check nbs", "ruff format --check nbs", "nbdev-clean --fname nbs/00_data.ipynb"):
        subprocess.run([Path(sys.executable).parent / words.split()[0], *words.split()[1:]], check=True)
    assert (shop / "nbs/00_data.ipynb").read_bytes() == before


@pytest.mark.usefixtures("quick")
def test_adopt_refuses_to_lose_changes(shop: Path, module: Callable) -> None:
    (shop / "nbs/00_data.ipynb").write_text("{}")
    with pytest.raises(DaybookError, match="uncommitted changes"):
        adopt("orders.csv", target="late")
    assert status() == ["nbs/00_data.ipynb"]
    adopt("orders.csv", target="late", force=True)
    assert module().contract.target == "late"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("target", ["lat", "note"])
def test_adopt_writes_nothing_of_what_is_refused(shop: Path, target: str) -> None:
    with pytest.raises(DaybookError, match="did you mean late|different texts"):
        adopt("orders.csv", target=target)
    assert status() == []


@pytest.mark.long
@pytest.mark.usefixtures("quick")
def test_adopt_leaves_rows_without_a_target_out(shop: Path, module: Callable) -> None:
    frame = orders()
    frame.loc[::4, "late"], frame.loc[1, "late"] = None, "n/a"
    frame.to_csv("orders.csv", index=False)
    adopt("orders.csv", target="late", time="day")
    assert (len(module().load()), len(module().load("sample"))) == (299, 299)


@pytest.mark.usefixtures("quick")
def test_adopt_makes_personal_data_up(shop: Path, module: Callable) -> None:
    frame = orders().assign(buyer=[f"ann{number % 90}@shops.example" for number in range(400)])
    frame.to_csv("orders.csv", index=False)
    adopt("orders.csv", target="late", key=["Order ID"])
    sample = module().load("sample")
    assert module().contract.fields["buyer"].log == "hash"
    assert not set(sample["buyer"]) & set(frame["buyer"])
    assert sample["buyer"].nunique() > 80
    assert "shops.example" not in Path("nbs/00_data.ipynb").read_text()


@pytest.mark.long
@pytest.mark.usefixtures("quick")
def test_adopt_can_simulate_its_sample(shop: Path, module: Callable) -> None:
    adopt("orders.csv", target="late", time="day", key=["Order ID"])
    assert Path("data/sample.parquet").exists()
    adopt("orders.csv", target="late", time="day", key=["Order ID"], simulate=True, force=True)
    assert not Path("data/sample.parquet").exists()
    sample = module().load("sample")
    assert len(sample) > 1900 and set(sample["class_"]) >= {"std", "exp", "eco"}
    assert 0.1 < sample["n_items"].isna().mean() < 0.3
    assert len(module().load()) == 400


@pytest.mark.usefixtures("quick")
def test_adopt_takes_queries_and_keeps_no_password(shop: Path, module: Callable) -> None:
    with sqlite3.connect("shop.db") as connection:
        orders().to_sql("orders", connection, index=False)
    query = """SELECT * FROM orders
        WHERE "class" <> 'ecco' AND "class" NOT LIKE '%\\b' AND 'a\"\"\"' <> 'b'"""
    adopt(query, target="late", time="day", database="sqlite:///shop.db")
    assert (module().SOURCE.strip(), len(module().load())) == (query, 399)
    url = "postgresql://ann:s3cret@db/shop?sslmode=require&sslpassword=s3cret&PASSWORD=s3cret"
    found = Adoption(None, query, url)
    assert found.public_database == "postgresql://ann@db/shop?sslmode=require"


@pytest.mark.long
@pytest.mark.usefixtures("quick")
def test_adopt_names_tables_from_the_project(shop: Path, module: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "parts").mkdir()
    orders(200).to_parquet("parts/a.parquet")
    orders(100).to_parquet("parts/b.parquet")
    monkeypatch.chdir(shop / "nbs")
    adopt("../parts/*.parquet", target="late", time="day")
    assert (module().SOURCE, len(module().load())) == ("parts/*.parquet", 300)


def test_adopt_of_a_frame_only_looks() -> None:
    found = adopt(orders())
    assert "Order ID" in repr(found) and "<table>" in found._repr_html_()
    with pytest.raises(DaybookError, match="save it to a file"):
        adopt(orders(), target="late")


def test_views_say_the_same(shop: Path) -> None:
    found = look(orders().assign(note="<b>"))
    text, page = as_text(found), as_html(found)
    assert max(map(len, text.splitlines())) <= 120
    text = " ".join(text.split())
    for part in ("later than day in 100 %", "shipped", "weight_kg", "taken for missing", "Guessed: late is the target"):
        assert part in text and part in page
    assert "<b>," not in page


def test_difference_is_that_of_the_contract() -> None:
    after = BEFORE.replace("ge=0", "ge=1").replace("    day: date\n", "").replace('"y"', '"y", time="day"')
    lines = ["- day: date", "- size: int = Field(ge=0)", "+ size: int = Field(ge=1)", "+ time='day'"]
    assert difference(BEFORE, after) == lines
    assert difference(BEFORE, BEFORE) == []


@pytest.mark.long
@pytest.mark.usefixtures("quick")
def test_commands_adopt_and_check(shop: Path, module: Callable, capsys: pytest.CaptureFixture) -> None:
    assert main(["adopt", "orders.csv"]) == 0
    assert main(["adopt", "orders.csv", "--target", "late", "--time", "day", "--key", "order_id"]) == 0
    assert main(["check", "orders.csv"]) == 0
    assert "400 rows" in capsys.readouterr().out
    newer = orders().assign(**{"class": "luxury"})
    newer.to_csv("newer.csv", index=False)
    assert main(["check", "newer.csv"]) == 3
    assert "class: input should be" in capsys.readouterr().err
    assert [main(["check", "none.csv"]), main(["adopt", "none.csv"]), main(["adopt", "orders.csv", "--key", "x"])] == [
        2
    ] * 3
    assert main(["adopt", "orders.csv", "--format", "day"]) == 2


def test_help_needs_no_duckdb() -> None:
    code = "import sys, daybook.cli; print(sorted({'duckdb', 'pandas', 'pyarrow', 'rich'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == "[]"


@pytest.mark.usefixtures("quick")
def test_adopted_tables_read_what_they_wrote(shop: Path, module: Callable) -> None:
    frame = pd.DataFrame({"copy": range(60), "class": ["a", "b", "c"] * 20, "Preis in €": [1.5, None, 3] * 20})
    frame.assign(_x=["ja", "nein"] * 30, date=["03.04.2024", "31.12.2024"] * 30).to_csv("odd.csv", index=False, sep=";")
    adopt("odd.csv", target="class", time="date")
    contract = module().contract
    assert (contract.task, contract.time, contract.formats) == ("multiclass", "date_", {"date_": "%d.%m.%Y"})
    assert len(read(contract, "odd.csv")) == len(module().load("sample")) == 60
