"""A parameters cell as a model, and what texts and values become in it."""

import ast
import json
import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

import daybook
from daybook.notebooks import parameters_cell
from daybook.parameters import SECRET, all_values, describe, given_args, is_secret, model_of, nearest, parse
from daybook.project import DaybookError
from daybook.values import split

TYPED = """
text: str = "a"
count: int = 1
share: float = 0.5
is_on: bool = False
day: date = date(2011, 1, 1)
until: date | None = None
names: list[str] = ["a"]
days: list[date] = []
kind: Literal["x", "y"] = "x"  # which of them
"""
TEXTS = {"text": "no", "count": "1000", "share": "1e-3", "is_on": "yes", "day": "2012-02-29", "until": "2012-03-01"}
TEXTS |= {"names": 'b,"c, d"', "days": "2012-01-01,2012-01-02", "kind": "y"}
JSON = {"text": "no", "count": 1000, "share": 1e-3, "is_on": True, "day": "2012-02-29", "until": "2012-03-01"}
JSON |= {"names": ["b", "c, d"], "days": ["2012-01-01", "2012-01-02"], "kind": "y"}
YAML = """
text: 'no'
count: 1000
share: 1e-3
is_on: yes
day: 2012-02-29
until: 2012-03-01
names: [b, 'c, d']
days: [2012-01-01, 2012-01-02]
kind: y
"""
TYPES = JSON | {"day": date(2012, 2, 29), "until": date(2012, 3, 1), "days": [date(2012, 1, 1), date(2012, 1, 2)]}


@pytest.mark.parametrize("args", [TEXTS, JSON, yaml.safe_load(YAML), TYPES], ids=["texts", "json", "yaml", "python"])
def test_parse_gives_the_annotated_types(args: dict[str, Any]) -> None:
    parsed = parse(model_of(TYPED), args)
    assert given_args(parsed) == TYPES
    assert all_values(parsed) == JSON


def test_parse_tells_given_from_default() -> None:
    parsed = parse(model_of(TYPED), {"count": "1"})
    assert given_args(parsed) == {"count": 1}
    assert all_values(parsed)["day"] == "2011-01-01" and len(all_values(parsed)) == 9


@pytest.mark.parametrize("text", ["none", "None", ""])
def test_parse_reads_none_where_it_is_allowed(text: str) -> None:
    assert parse(model_of(TYPED), {"until": text}).until is None
    assert parse(model_of(TYPED), {"text": text}).text == text


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        ({"count": "many"}, "count=many: input should be a valid integer"),
        ({"count": "1.5"}, "count=1.5"),
        ({"count": True}, "count=True: input should be a valid integer"),
        ({"count": "1", "share": [1]}, "share=[1]: input should be a valid number"),
        ({"is_on": "maybe"}, "is_on=maybe: input should be a valid boolean"),
        ({"day": "yesterday"}, "day=yesterday: input should be a valid date"),
        ({"days": "2012-01-01,soon"}, "days=2012-01-01,soon: input should be a valid date"),
        ({"kind": "z"}, "kind=z: input should be 'x' or 'y'"),
        ({"cuont": "3"}, "no parameter cuont: did you mean count?"),
        ({"kind": "z", "cuont": "3"}, "kind=z"),
        ({"text": "caf\udce9.csv"}, "parameter text: its text is no UTF-8"),
    ],
)
def test_parse_refuses_in_one_sentence(args: dict[str, Any], hint: str) -> None:
    with pytest.raises(DaybookError) as error:
        parse(model_of(TYPED), args)
    assert hint in str(error.value) and "\n" not in str(error.value)


def test_parse_reads_lists() -> None:
    model = model_of('numbers: list[int] = []\nlevels: list[Literal[1, 2]] | None = None\nany: list = ["a"]')
    texts = {"numbers": "[1, 2]", "levels": "1,2", "any": 'a, "b, c"'}
    assert given_args(parse(model, texts)) == {"numbers": [1, 2], "levels": [1, 2], "any": ["a", "b, c"]}
    assert given_args(parse(model, {"numbers": "", "levels": "none"})) == {"numbers": [], "levels": None}


def test_parse_finds_literals_that_are_no_texts() -> None:
    model = model_of("depth: Literal[1, 2, 3] = 1\nmode: Literal['a', 5] | None = None")
    assert given_args(parse(model, {"depth": "2", "mode": "5"})) == {"depth": 2, "mode": 5}
    with pytest.raises(DaybookError, match="depth=4: input should be 1, 2 or 3"):
        parse(model, {"depth": "4"})


@pytest.mark.parametrize(
    ("line", "text", "value"),
    [
        ("a: Literal[1, 2, 3] = 1", "2", 2),
        ("a: Literal[0.5, 'auto'] = 'auto'", "0.5", 0.5),
        ("a: int | None = None", "3", 3),
        ("a: Optional[float] = None", "1e-3", 1e-3),
        ("a: int | float = 1", "2", 2),
        ("a: list[float] = []", "1,2.5", [1.0, 2.5]),
        ("a: list[int] | None = None", "1,2", [1, 2]),
        ("a: datetime.date = datetime.date(2024, 1, 1)", "2024-02-29", date(2024, 2, 29)),
        ("a: datetime.datetime | None = None", "2024-02-29T12:00", datetime(2024, 2, 29, 12)),
        ("a: datetime | None = None", "2024-02-29", datetime(2024, 2, 29)),
        ("a: typing.Literal[True, 5] = 5", "True", True),
        ("a: Path = Path('x')", "data/a.csv", Path("data/a.csv")),
        ("a: pathlib.Path | None = None", "a.csv", Path("a.csv")),
        ("a: list[Path] = [Path('x')]", "a.csv,b.csv", [Path("a.csv"), Path("b.csv")]),
        ("a: float = 1.0", "nan", "nan"),
        ("a: float = 1.0", "-inf", -math.inf),
    ],
)
def test_parse_reads_every_type_that_an_annotation_names(line: str, text: str, value: Any) -> None:
    parsed = parse(model_of(line), {"a": text})
    assert repr(parsed.a) == (value if value == "nan" else repr(value))
    shown = json.dumps(all_values(parsed), allow_nan=False)
    assert parse(model_of(line), json.loads(shown)).a == parsed.a or value == "nan"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("number: Moon = 1", "`number: Moon = 1` is no parameter: write `name: type = value  # help`"),
        ("number: int = 'one'", "the default is not what the annotation says: input should be a valid integer"),
        ("number = open('/etc/hostname')", "is no parameter"),
        ("number: int", "is no parameter"),
        ("import os", "is no parameter"),
        ("number = ", "is no Python"),
        ("_number: int = 1", "is no parameter"),
    ],
)
def test_model_of_refuses_what_is_no_parameter(line: str, hint: str) -> None:
    with pytest.raises(DaybookError) as error:
        model_of(line)
    assert hint in str(error.value)


def test_model_of_accepts_names_that_pydantic_uses() -> None:
    model = model_of("json: int = 1\ncopy: str = ''\nmodel: str = ''\nmodel_name: str = ''\nschema = 1.5")
    assert given_args(parse(model, {"json": "2", "copy": "a", "model_name": "b"})) == {
        "json": 2,
        "copy": "a",
        "model_name": "b",
    }


def test_describe_shows_types_defaults_and_help() -> None:
    rows = describe(model_of(TYPED))
    kind = {"name": "kind", "type": "Literal['x', 'y']", "allowed": "x, y", "default": "x", "help": "which of them"}
    assert rows[8] == kind and describe(model_of("")) == []
    assert json.loads(json.dumps(rows))[4]["default"] == "2011-01-01"
    wrapped = 'names: list[str] = [\n    "a",\n    "b",\n]  # of the columns'
    assert describe(model_of(wrapped))[0]["help"] == "of the columns"


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("n: PositiveInt = 1", "above 0"),
        ("n: NonNegativeFloat | None = None", "from 0"),
        ("n: list[Literal[1, 2]] = [1]", "1, 2"),
        ("n: Literal[1] | None = None", "1"),
        ("n: float = float('nan')", ""),
        ("n: Path = Path('a.csv')", ""),
        ("n: SecretStr = SecretStr('')", ""),
        ("n: HTTPMethod = HTTPMethod.GET", "CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, TRACE"),
        ("n: list[HTTPMethod] = []", "CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, TRACE"),
    ],
)
def test_describe_shows_what_is_allowed(line: str, allowed: str) -> None:
    imports = ast.parse("from http import HTTPMethod").body
    assert [row["allowed"] for row in describe(model_of(line, imports))] == [allowed]


def test_secrets_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from the environment")
    model = model_of('token: SecretStr = SecretStr(os.environ.get("TOKEN", ""))')
    assert is_secret(model.model_fields["token"].annotation) and is_secret(SecretStr | None)
    assert describe(model)[0]["default"] == SECRET and all_values(parse(model, {})) == {"token": SECRET}
    assert parse(model, {}).token.get_secret_value() == "from the environment"
    for value in ("swordfish", SecretStr("swordfish")):
        assert parse(model, {"token": value}).token.get_secret_value() == "swordfish"
    with pytest.raises(DaybookError) as error:
        parse(model, {"token": 12345678})
    assert SECRET in str(error.value) and "12345678" not in str(error.value)


def test_nearest_and_split() -> None:
    assert nearest("cuont", ["count"]) == "did you mean count? there is: count"
    assert nearest("z", ["a", "b"]) == "there are: a, b" and nearest("z", []) == "there are: none"
    assert split('a, "b, c",') == ["a", "b, c", ""] and split("") == []


@pytest.mark.parametrize(
    ("kind", "good", "bad", "reason"),
    [
        ("PositiveInt", "1", "0", "input should be greater than 0"),
        ("NonNegativeInt", "0", "-1", "input should be greater than or equal to 0"),
        ("PositiveFloat | None", "0.1", "-1", "input should be greater than 0"),
        ("list[NonNegativeFloat]", "0,0.5", "0,-0.5", "input should be greater than or equal to 0"),
    ],
)
def test_parse_keeps_to_bounds(kind: str, good: str, bad: str, reason: str) -> None:
    model = model_of(f"x: {kind} = {'[]' if 'list' in kind else 1}")
    parse(model, {"x": good})
    with pytest.raises(DaybookError, match=f"^parameter x={bad}: {reason}$"):
        parse(model, {"x": bad})


NOTEBOOKS = [path for path in Path(daybook.__file__).parents[1].glob("nbs/*.ipynb*") if "00_data" not in path.name]
BOUNDED = ("days", "holdout_days", "folds", "max_iter", "max_depth", "learning_rate", "min_rows", "tolerated", "batch")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_owners_notebooks_refuse_numbers_without_a_sense(path: Path) -> None:
    """Before anything starts, and not with an estimator's traceback."""
    model = model_of(parameters_cell(path.read_bytes()) or "")
    for name in set(BOUNDED) & set(model.model_fields):
        with pytest.raises(DaybookError, match=f"^parameter {name}=0: input should be greater than 0$"):
            parse(model, {name: "0"})
