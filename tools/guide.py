"""Build the site of the template: its guide, its reference and the chapters of its library.

python tools/guide.py build/docs     where the library and its extra `docs` can be imported, as `make docs` calls it
"""

import sys
from pathlib import Path

from daybook.project import DaybookError
from daybook.site import build, list_page, read_pages

ROOT = Path(__file__).resolve().parents[1]
GUIDE = {
    "Start": ["README.md", "docs/start.md", "docs/your-data.md"],
    "Guide": ["docs/jobs.md", "docs/loop.md", "docs/deployment.md", "docs/troubleshooting.md", "docs/comparison.md"],
    "Reference": ["docs/reference.md", "CHANGELOG.md", "CONTRIBUTING.md"],
}
# The chapters of the library, by the first of their numbers.
LIBRARY = {
    0: "Project and files",
    3: "Contract and tables",
    6: "Models",
    9: "The service and its log",
    14: "The log as tables",
    18: "Drift",
    23: "Backtest and promotion",
    30: "Runs and reports",
    34: "Jobs and sweeps",
    44: "The command, the site and Jupyter",
    47: "Scoring a table",
    50: "Adopting a table",
    54: "Git and updates",
}


def library() -> dict[str, list[str]]:
    """The chapters of the library, by the title of their group."""
    groups: dict[str, list[str]] = {title: [] for title in LIBRARY.values()}
    for path in sorted((ROOT / "nbs").glob("[!._]*.ipynb")):
        first = max(number for number in LIBRARY if number <= int(path.name[:2]))
        groups[LIBRARY[first]].append(path.relative_to(ROOT).as_posix())
    return groups


def main(output: Path) -> None:
    """Build the site into a folder."""
    contents = {title: [path for path in paths if (ROOT / path).exists()] for title, paths in GUIDE.items()}
    listed = {path for paths in contents.values() for path in paths}
    others = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))
    contents["Guide"] += [path for path in others if path not in listed]
    contents["Measured"] = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("benchmarks/*.md"))
    groups = library()
    paths = [path for paths in [*contents.values(), *groups.values()] for path in paths]
    pages = read_pages(ROOT, paths)
    contents["More"] = sorted(pages.keys() - {*paths})
    contents["Library"] = []
    for title, chapters in groups.items():
        path = f"library/{title.lower().replace(' ', '-').replace(',', '')}.md"
        pages[path] = list_page(title, {chapter: pages[chapter] for chapter in chapters})
        contents["Library"].append(path)
    build("Daybook", ROOT, pages, contents, output, strict=True)
    print(f"{len(pages)} pages: {output / 'index.html'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]))
    except DaybookError as error:
        sys.exit(f"docs failed: {error}")
