"""What the guide says is typed as it stands."""

import re
import subprocess
from pathlib import Path

import pytest
from template import ROOT, copy_of_the_template, environment


def test_the_start_page_runs_as_typed(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs" / "start.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) > 8
    copy_of_the_template(tmp_path / "daybook")
    (tmp_path / "home").mkdir()
    stop = 'trap \'test -z "${server:-}" || kill "$server" 2>/dev/null || true\' EXIT\n'
    done = subprocess.run(
        ["bash", "-c", "set -eo pipefail\n" + stop + "\n".join(blocks)],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path / "home")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout
    for line in (r"0 +first +/predict +200", r"1 +second +/predict +400", r"2 +third +/actuals +200"):
        assert len(re.findall(f"^{line}$", done.stdout, re.MULTILINE)) == 2, done.stdout
    assert len(re.findall(r"^0 +first:0 2012-07-04 +17 +[\d.]+ +212.0$", done.stdout, re.MULTILINE)) == 2, done.stdout
    assert {"actuals", "archive", "contracts", "predictions", "requests"} <= set(done.stdout.split()[-6:])
    assert len(list((tmp_path / "bike-demand" / "iolog").glob("archive/*/*.jsonl"))) == 1


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / "docs" / target).exists(), target
