"""What is shown and what is shipped, and that the threats of docs/deployment.md name tests that exist."""

import re
from pathlib import Path

from helpers import Project, last_run
from template import ROOT, TEMPLATE


def test_report_shows_html_from_outside_as_text(project: Project) -> None:
    mark = "<script>alert(1)</script>"
    project.run("daybook", "run", "train", "-p", f"source={mark}.csv", code=1)
    folder, run = last_run(project, "train")
    assert mark in run["parameters"]["source"] and mark in run["error"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("&lt;script&gt;alert(1)") >= 2 and mark not in page


def test_bento_holds_no_secret_and_no_log(project: Project, trained: str) -> None:
    private = [
        project.root / ".env",
        project.root / "iolog" / "raw" / "dt=2012-07-04" / "host-1-abcdef01-0.jsonl",
        project.root / "iolog" / "contracts" / "bike_demand" / "model.json",  # a folder of the package's name
        project.root / "runs" / "champion.json",
    ]
    for path in private:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s3cret", encoding="utf-8")
    try:
        output = project.run("bentoml", "build", "--output", "tag")
    finally:
        for path in private:
            path.unlink()
    name, version = output.strip().splitlines()[-1].removeprefix("__tag__:").split(":")
    bento = Path(project.settings["BENTOML_HOME"], "bentos", name, version)
    files = [path for path in bento.rglob("*") if path.is_file()]
    assert {bento / "src" / "bike_demand" / "service.py", bento / "src" / "daybook" / "serving.py"} < set(files)
    assert not [path for path in files if b"s3cret" in path.read_bytes() or {"iolog", "runs"} & {*path.parts}]


def test_threats_name_tests_that_exist() -> None:
    """Each row names a test, an assertion of a notebook, or says that there is none."""
    _, text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8").split("\n## Threats\n")
    rows = [line.strip(" |").split(" | ") for line in text.splitlines() if line.startswith("| **")]
    assert len(rows) >= 30 and {len(row) for row in rows} == {3}
    for threat, *_, shown in rows:
        named = re.findall(r"`([\w/.-]+)::([^`]+)`", shown)
        assert named or "no test" in shown, threat
        for file, name in named:
            path = TEMPLATE / file if file.startswith("nbs/") else ROOT / "tests" / file
            source = path.read_text(encoding="utf-8")
            assert (name if path.suffix == ".ipynb" else f"def {name}(") in source, f"{file}::{name}"
