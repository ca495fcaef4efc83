"""The reference is what the code says, and the page about the record names the same fields."""

import re
from pathlib import Path

from helpers import Project
from template import ROOT

DOCS = ROOT / "docs"


def test_reference_is_up_to_date(project: Project, tmp_path: Path) -> None:
    page = tmp_path / "reference.md"
    project.run("python", str(ROOT / "tools" / "reference.py"), str(page))
    written, committed = page.read_text(encoding="utf-8"), (DOCS / "reference.md").read_text(encoding="utf-8")
    assert committed == written, "docs/reference.md is not what the code says: `make reference` writes it"
    assert not project.status(), "writing it changes nothing in the project"


def test_record_page_names_the_fields() -> None:
    reference, record = ((DOCS / name).read_text(encoding="utf-8") for name in ("reference.md", "record.md"))

    def names(page: str, heading: str) -> set[str]:
        """The first column of the table below a heading."""
        [section] = re.findall(rf"^#+ {heading}\n(.*?)^#", page, re.MULTILINE | re.DOTALL)
        return set(re.findall(r"^\| ([^|]+) \|", section.replace("`", ""), re.MULTILINE)) - {"field", "column", "---"}

    assert names(reference, "A line of the log") == names(record, "One record")
    for table in ("predictions", "actuals", "requests"):
        [columns] = re.findall(rf"^\| {table} \| ([^;|]*)", record.replace("`", ""), re.MULTILINE)
        assert names(reference, f"The table {table}") == set(columns.strip().split(", "))
