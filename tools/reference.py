"""Write the prompts, commands, jobs and settings of a project, and what it leaves behind, into a page.

`make reference` runs it in a project of the default answers, with that project's Python: it writes docs/reference.md.
What the page says of run.json, of the log and of the like is in reference_records.py, and of routes and metrics in
reference_service.py.
"""

import ast
import importlib
import inspect
import io
import json
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from fastcore.docments import docments
from jinja2 import Environment
from pydantic import TypeAdapter

import daybook
from daybook import cli, execution
from daybook.notebooks import notebooks, parameters_cell
from daybook.parameters import describe, model_of
from daybook.project import isolate, package_folder, project_root
from daybook.settings import EnvironmentSettings

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Reference

Every prompt, command, job, setting, route, metric and record. `make reference` writes this page from the code, and from
what a project of the default answers leaves behind when it runs; a test compares it with them. The other pages say
what it is for.
"""
REFUSED = (  # an answer for each thing that the hook refuses
    {"project": "Bike Demand"},
    {"project": "numpy"},
    {"package": "lambda"},
    {"email": "me"},
    {"description": "two\nlines"},
    {"description": "{% raw %}"},
    {"author": " "},
)
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than"}
NUMBERS = {"integer": "int", "number": "float"}
# Set by itself.
OWN = {"DAYBOOK_PRELOAD", "DAYBOOK_RUN_FOLDER", "DAYBOOK_RUN_ID", "DAYBOOK_SUPERVISOR"}
OWN |= {"MPLBACKEND", "OPENBLAS_THREAD_TIMEOUT", "PYTHONPATH", "TMPDIR"}


def code(text: object) -> str:
    """A text as code, in a table too."""
    return f"`{text}`".replace("|", "\\|")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|\n" for line in lines)


def prompts() -> Iterator[str]:
    """The prompts of cookiecutter, and answers that the template refuses."""
    prompts = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    questions, taken = prompts["__prompts__"], prompts["_taken"]
    prompts = {name: value for name, value in prompts.items() if not name.startswith("_")}
    answers: list[dict[str, str]] = []  # the defaults of each task
    for task in prompts["task"]:
        answers.append({"task": task})
        for name, value in prompts.items():
            first = value[0] if isinstance(value, list) else value
            answers[-1].setdefault(name, Environment().from_string(first).render(cookiecutter=answers[-1]))
    rows = []
    for name, value in prompts.items():
        texts = questions[name] if isinstance(questions[name], dict) else {"__prompt__": questions[name]}
        choices = value if isinstance(value, list) else []
        labels = (f"{code(choice)}: {texts[choice]}" if choice in texts else code(choice) for choice in choices)
        default = choices[:1] or dict.fromkeys(each[name] for each in answers)
        rows.append([code(name), texts["__prompt__"], "<br>".join(labels), "<br>".join(map(code, default))])
    yield f"## Prompts\n\nOf two defaults, one is for each `task`: {', '.join(map(code, prompts['task']))}.\n"
    yield table(["prompt", "question", "choices", "default"], rows)
    yield "An answer that would break the project later is refused before a file is written. Examples:\n"
    hook = (ROOT / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")
    messages = []
    for wrong in REFUSED:
        program = hook.replace("{{ cookiecutter | tojson }}", json.dumps(answers[0] | {"_taken": taken} | wrong))
        message = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr.strip()
        if not message or "Traceback" in message:
            raise RuntimeError(f"{wrong} is not refused in a sentence: {message or 'nothing is said'}")
        messages.append(f"- {message}\n")
    yield "".join(messages)


def commands() -> Iterator[str]:
    """The command `daybook`."""
    yield "## Commands\n"
    for name, command in cli.daybook.commands.items():
        about, _, example = command.help.rstrip(".").partition(": daybook ")
        example, _, more = example.partition(". ")
        example = f": `daybook {example}`" if example else ""
        yield f"### daybook {name}\n\n{about}{example}.{f' {more}.' if more else ''}\n"
        yield table(["argument", "value", "default", "meaning"], map(argument, command.params))
    codes = docments(cli.main)["return"].removeprefix("exit code: ").split(", ")
    yield "### Exit codes\n"
    yield table(["code", "meaning"], (each.split(" ", 1) for each in codes))


def argument(parameter: click.Parameter) -> list[str]:
    """How it is written, its values, its default, and its meaning."""
    facts = parameter.to_info_dict()
    kind, default = facts["type"]["name"], facts["default"]
    default = code(default) if isinstance(default, int | float) and not isinstance(default, bool) else ""
    default = "required" if facts["required"] else default
    if isinstance(parameter, click.Argument):
        return [code(parameter.name.upper()), "", default or "optional", ""]
    *others, last = parameter.opts
    choices = " or ".join(map(code, facts["type"].get("choices", ())))
    if not parameter.is_flag and not choices:
        last += f" {parameter.metavar or kind.upper()}"
    return [", ".join(map(code, [*others, last])), choices or NUMBERS.get(kind, ""), default, facts["help"] or ""]


def parameters() -> Iterator[str]:
    """The parameters of each job."""
    yield "## Jobs\n\nWith the parameters that `daybook run NAME -p PARAMETER=VALUE` takes.\n"
    for name, path in notebooks().items():
        content = path.read_bytes()
        cells = (cell for cell in json.loads(content)["cells"] if cell["cell_type"] == "markdown")
        about = re.search(r"^> (.*)", "".join(next(cells)["source"]), re.MULTILINE)[1]
        yield f"### {name}\n\n{code(path.relative_to(project_root()))}. {about}\n"
        rows = (
            [code(each["name"]), code(each["type"]), code(repr(each["default"])), each["help"] or ""]
            for each in describe(model_of(parameters_cell(content)))
        )
        yield table(["parameter", "type", "default", "meaning"], rows)


def fields_of(kind: type) -> dict[str, tuple[str, str]]:
    """Annotation and comment of each field of a class, as its source has them."""
    source = textwrap.dedent(inspect.getsource(kind))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    fields = {}
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign):
            texts = (comments[line] for line in range(node.lineno, node.end_lineno + 1) if line in comments)
            fields[node.target.id] = ast.unparse(node.annotation), " ".join(texts)
    return fields


def environment_readers() -> dict[str, set[str]]:
    """Each name that a module looks up in the environment, with the modules that do."""
    readers = defaultdict(set)
    for path in [*Path(daybook.__file__).parent.glob("*.py"), *package_folder().glob("*.py")]:
        module = f"{path.parent.name}.{path.stem}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Subscript(value=place, slice=name)
                    | ast.Compare(left=name, comparators=[place])
                    | ast.Call(func=ast.Attribute(value=place), args=[name, *_])
                ) if ast.unparse(place) == "os.environ":
                    if isinstance(name, ast.Constant):
                        readers[name.value].add(module)
                    elif module == "daybook.execution":
                        for each in execution._thread_variables(1):
                            readers[each].add(module)
    return readers


def settings() -> Iterator[str]:
    """Variables of the environment: names, types and bounds are the code's, the words those of the project's README."""
    for module in pkgutil.iter_modules(daybook.__path__):
        importlib.import_module(f"daybook.{module.name}")
    readers, types, defaults = environment_readers(), {}, {}
    for kind in EnvironmentSettings.__subclasses__():
        for field, rules in kind.model_json_schema()["properties"].items():
            name = f"{kind.model_config['env_prefix']}{field}".upper()
            bounds = (f"{word} {rules[rule]}" for rule, word in BOUNDS.items() if rule in rules)
            types[name] = ", ".join([code(fields_of(kind)[field][0]), *bounds])
            defaults[name] = kind.model_fields[field]
            readers[name].add(kind.__module__)
    readme = (project_root() / "README.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## Settings\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    threads = execution._thread_variables(1)
    of_jobs = {name for name in threads if "daybook.serving" not in readers[name]}
    names = readers.keys() - OWN - of_jobs | {"BENTOML_HOME"}  # which BentoML reads
    if wrong := names ^ set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)):
        raise ValueError(f"the code and the project's README do not have the same settings: {', '.join(sorted(wrong))}")
    yield "## Settings\n\nSet in the environment.\n"
    for whose, lines in re.findall(r"(Of [^.]*:)\n\n((?:\|.*\n)+)", section):
        rows = []
        for line in lines.splitlines()[2:]:
            shown, meaning, default = (cell.strip() for cell in line.strip("|").split(" | "))
            name, field = shown.strip("`"), defaults.get(shown.strip("`"))
            if field and field.default is not None:
                documented = TypeAdapter(field.annotation).validate_strings(default.strip("`"))
                if documented != field.default:
                    raise ValueError(f"{name} is {field.default} unless set, and not {documented}, as the README says")
            modules = ", ".join(map(code, sorted(readers[name]))) or "BentoML"
            rows.append([shown, types.get(name, ""), default, meaning, modules])
        yield f"{whose}\n"
        yield table(["setting", "type", "default", "meaning", "read by"], rows)
    yield (
        "`daybook` itself sets, for the processes that it starts, `DAYBOOK_RUN_ID` and `DAYBOOK_RUN_FOLDER`, which a"
        " notebook reads with `run_id()` and `run_folder()` of `daybook.runs`; `DAYBOOK_SECRET_` with the"
        " name of each secret parameter; `DAYBOOK_PRELOAD`; and what is not set"
        " already of `MPLBACKEND`"
        f" and, in a sweep, {', '.join(map(code, ['OPENBLAS_THREAD_TIMEOUT', *threads]))}.\n"
    )


def main(page: Path) -> None:
    """Let the project run for a while, then write the page."""
    home = isolate()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(home)  # Prometheus' client looks when it is imported
    from reference_records import records, simulate
    from reference_service import service

    simulate(home)
    parts = [HEAD, *prompts(), *commands(), *parameters(), *settings(), *service(home), *records(home)]
    page.write_text("\n".join(parts), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.modules["reference"] = sys.modules["__main__"]  # for reference_records and reference_service
    main(Path(sys.argv[1]))
