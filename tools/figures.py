"""Print the figures of all notebooks and modules as tables: `make figures`. CONTRIBUTING.md has the first of them.

A line counts if it is neither blank nor a directive (`#| ...`). Of a notebook's exported cells: the median and the
longest, in lines. Per exported line: words of prose (of all Markdown cells, by blanks), and lines of the other code
cells, which show or test something.
"""

import json
import re
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.project}}"
CONDITIONAL = re.compile(r"\{% if cookiecutter\.\w+ ([=!])= '(\w+)' %\}(.*)\{% endif %\}")


def lines(text: str) -> int:
    """Lines that count."""
    return sum(bool(line.strip()) and not line.startswith("#|") for line in text.splitlines())


def notebook_figures(*paths: Path) -> list[str]:
    """A row of the table of notebooks: of one, or of several together."""
    cells = [cell for path in paths for cell in json.loads(path.read_bytes())["cells"]]
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    words = sum(len(source.split()) for kind, source in cells if kind == "markdown")
    code = [source for kind, source in cells if kind == "code" and "#| default_exp" not in source]
    exported = [lines(source) for source in code if re.match(r"#\| *export", source)]
    others = sum(lines(source) for source in code if not re.match(r"#\| *export", source))
    if not exported:
        return ["", "", f"{words / max(others, 1):.1f} (per line of code)", "", f"0 ({others})"]
    total = sum(exported)
    median = f"{statistics.median(exported):g}"
    return [median, str(max(exported)), f"{words / total:.1f}", f"{others / total:.2f}", str(total)]


def title(path: Path) -> str:
    """A file's name as the project has it."""
    name = CONDITIONAL.sub(lambda match: f"{match[3]} ({'not ' * (match[1] == '!')}{match[2]})", path.name)
    return name.replace(".ipynb", "").replace("{{cookiecutter.package}}", "<package>")


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    head = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows]) + "\n"


def main() -> None:
    """Print the tables."""
    columns = ["median exported cell", "longest", "words per exported line", "shown or tested", "exported"]
    groups = {}
    for heading, folder in (("Library", ROOT / "nbs"), ("Project", TEMPLATE / "nbs")):
        groups[heading] = sorted((path for path in folder.glob("*.ipynb*") if path.is_file()), key=title)
    rows = [[heading, str(len(paths)), *notebook_figures(*paths)] for heading, paths in groups.items()]
    print(f"## All together\n\n{table(['', 'notebooks', *columns], rows)}")
    for heading, paths in groups.items():
        rows = [[title(path), *notebook_figures(path)] for path in paths]
        print(f"## {heading}\n\n{table(['notebook', *columns], rows)}")
    print("## Modules\n")
    rows = []
    for folder in (TEMPLATE / "daybook", TEMPLATE / "{{cookiecutter.package}}"):
        files = [path for path in folder.glob("*.py*") if not path.name.startswith("_")]
        modules = {title(path): path.read_text(encoding="utf-8").count("\n") for path in sorted(files, key=title)}
        rows += [[f"{title(folder)}/{name}", str(count)] for name, count in modules.items()]
        rows.append([f"**{title(folder)}**: {len(modules)} modules", f"**{sum(modules.values())}**"])
    print(table(["module", "lines"], rows))


if __name__ == "__main__":
    main()
