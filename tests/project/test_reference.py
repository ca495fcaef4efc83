"""The reference is what the code says."""

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
