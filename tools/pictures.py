"""Take the pictures of the documentation: parts of the reports of real runs, as Chromium shows them.

`make pictures` runs it in a project in which a tour and a sweep were run, with that project's Python.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SECTIONS = {  # of each report, those that are shown; "" is its head
    "train": ["", "Is it any good?"],
    "sweep": [""],
    "drift": ["What is compared", "In pictures"],
    "backtest": ["The verdict", "Champion and candidates, day by day"],
    "tour": ["With the loop, and without"],
}
ONLY = """<script>
let section = null
for (const part of document.querySelectorAll("main > .run, main > .jp-Cell")) {
  const heading = part.querySelector("h1, h2")
  section = part.className == "run" ? "" : heading ? heading.firstChild.textContent : section
  if (!SECTIONS.includes(section)) part.remove()
}
</script>"""
MARGIN = 30  # pixels
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars --force-device-scale-factor=1.4 --window-size=1000,2000"""


def reports(project: Path) -> dict[str, Path]:
    """The reports that the pictures are of: of drift the first with an alert, of backtests the first that promotes."""
    runs = project / "runs"
    tour = max(runs.glob("tour/*"))
    drift = next(path for path in sorted(tour.glob("runs/drift/*/drift.json")) if json.loads(path.read_text())["moved"])
    decisions = sorted(tour.glob("runs/backtest/*/decision.json"))
    backtest = next(path for path in decisions if json.loads(path.read_text())["verdict"] == "promote")
    folders = {
        "train": min(tour.glob("runs/train/*")),
        "drift": drift.parent,
        "backtest": backtest.parent,
        "tour": tour,
        "sweep": max(runs.glob("sweeps/*")),
    }
    return {name: folder / "report.html" for name, folder in folders.items()}


def take(report: Path, sections: list[str], into: Path) -> None:
    """Show sections of a report, and save what is seen, with an even margin."""
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        script = ONLY.replace("SECTIONS", json.dumps(sections))
        page.write_text(report.read_text(encoding="utf-8") + script, encoding="utf-8")
        chromium = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("chromium is needed")
        words = [chromium, *FLAGS.split(), f"--user-data-dir={folder}/home", f"--screenshot={shot}", page.as_uri()]
        subprocess.run(words, check=True, capture_output=True, timeout=120)
        seen = Image.open(shot).convert("RGB")
    left, top, right, bottom = ImageChops.difference(seen, Image.new("RGB", seen.size, "white")).getbbox()
    seen = seen.crop((left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN))
    seen.quantize(192, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(into, optimize=True)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, report in reports(Path.cwd()).items():
        take(report, SECTIONS[name], PICTURES / f"{name}.png")
