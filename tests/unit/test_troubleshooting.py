"""The page about troubleshooting quotes what the library and a project's tests really say."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "{{cookiecutter.project}}"
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTES = [line for block in re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]
ANSWERS = re.findall(r"^\| (?:401|408, 504|413|415|5\d\d) \| `([^`]+)`", PAGE, re.MULTILINE)


def texts(node: ast.AST) -> str | None:
    """What a string of the code says, with an ellipsis for what it fills in."""
    if isinstance(node, ast.Constant):
        return node.value.decode(errors="replace") if isinstance(node.value, bytes) else str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(texts(part) or "…" for part in node.values)
    return None


@pytest.fixture(scope="module")
def said() -> str:
    """All strings of the library and of a project's tests, one a line."""
    strings = []
    for path in [*PROJECT.glob("daybook/*.py"), *PROJECT.glob("tests/*.py")]:
        code = path.read_text(encoding="utf-8").replace("{{cookiecutter.package}}", "package")
        strings += filter(None, map(texts, ast.walk(ast.parse(code))))
    return "\n".join(strings)


def fixed_parts(quote: str) -> list[str]:
    """The parts of a quoted message that are always the same."""
    return [part for part in quote.split("…") if part.strip(" .:;")]


@pytest.mark.parametrize("quote", [*QUOTES, *ANSWERS])
def test_troubleshooting_quotes_what_is_said(quote: str, said: str) -> None:
    for part in fixed_parts(quote):
        assert part in said, f"nothing says {part!r}"


def test_troubleshooting_quotes_enough() -> None:
    assert len(QUOTES) > 20 and len(ANSWERS) == 8
    assert all(len("".join(fixed_parts(quote))) > 5 for quote in QUOTES), "a fixed part that is anywhere proves nothing"
