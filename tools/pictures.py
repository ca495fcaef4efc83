"""Take the pictures of the documentation: the first screens of real reports, as Chromium shows them.

`make pictures` runs it in a project with a tour, jobs of its runs, and a sweep, with that project's Python.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageChops

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SECTIONS = {  # of each page those that are shown, by their headings; "" is what stands before the first heading
    "train": [""],
    "sweep": ["", "train: "],
    "drift": [""],
    "backtest": [""],
    "promote": [""],
    "score": [""],
    "compact": [""],
    "tour": ["", "With the loop, and without"],
    "overview": None,  # all of them
}
ONLY = """<script>
let section = ""
for (const part of document.querySelectorAll("main > header, article > *, main > :not(header, article, input)")) {
  if (part.querySelector(".celltag_method")) { part.remove(); continue }
  const heading = part.matches("h2, h3") ? part : part.querySelector("h2, h3")
  section = heading && part.tagName != "HEADER" ? heading.firstChild.textContent : section
  if (!SECTIONS.some(each => each ? section.startsWith(each) : section == "")) part.remove()
}
for (const part of document.querySelectorAll(".tools, header > hr")) part.remove()
</script>"""
MARGIN, TALLEST = 30, 1600  # pixels
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars --force-device-scale-factor=1.4 --window-size=1000,2000
--blink-settings=preferredColorScheme=1"""


def pages(project: Path) -> Iterator[tuple[str, Path]]:
    """The pages that the pictures are of: of drift the first with an alert, of backtests the first that promotes."""
    runs = project / "runs"
    tour = max(runs.glob("tour/*"))
    made = [json.loads(path.read_text()) | {"folder": path.parent} for path in sorted(tour.glob("runs/*/*/run.json"))]
    made += [json.loads(path.read_text()) | {"folder": path.parent} for path in sorted(runs.glob("*/*/run.json"))]
    tests = {"drift": lambda run: run["alert"], "backtest": lambda run: run["verdict"] == "PROMOTE"}
    for job in ("train", "drift", "backtest", "promote", "score", "compact"):
        test = tests.get(job, lambda run: run["status"] == "done")
        found = next((run for run in made if run["job"] == job and test(run)), None)
        if found:
            yield job, found["folder"] / "report.html"
    yield "tour", tour / "report.html"
    yield "sweep", max(runs.glob("sweeps/*")) / "report.html"
    yield "overview", tour / "runs" / "index.html"


def take(page: Path, sections: list[str] | None, into: Path) -> None:
    """Show sections of a page, and save what is seen, with an even margin."""
    with tempfile.TemporaryDirectory() as folder:
        copy, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        script = "" if sections is None else ONLY.replace("SECTIONS", json.dumps(sections))
        copy.write_text(page.read_text(encoding="utf-8") + script, encoding="utf-8")
        chromium = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("chromium is needed")
        words = [chromium, *FLAGS.split(), f"--user-data-dir={folder}/home", f"--screenshot={shot}", copy.as_uri()]
        subprocess.run(words, check=True, capture_output=True, timeout=120)
        seen = Image.open(shot).convert("RGB")
    left, top, right, bottom = ImageChops.difference(seen, Image.new("RGB", seen.size, "white")).getbbox()
    bottom = min(bottom, top + TALLEST)
    seen = seen.crop((left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN))
    seen.quantize(192, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(into, optimize=True)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, page in pages(Path.cwd()):
        take(page, SECTIONS[name], PICTURES / f"{name}.png")
