"""Write what there is of prompts, commands, jobs, settings and records, as the code itself has it, into a page.

`make reference` runs it in a project of the default answers, with that project's Python: docs/reference.md is its work.
"""

import argparse
import ast
import inspect
import io
import json
import re
import subprocess
import sys
import textwrap
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bike_demand.data import KEY, TARGET, TIME, Row, load
from bike_demand.drift import Change
from bike_demand.model import load_model, predict
from bike_demand.ops import iolog, jobs, recorder, registry, runs
from fastcore.docments import docments
from jinja2 import Environment
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Reference

Every prompt, command, job, setting and record. `make reference` writes this page from the code, and from what a
project of the default answers leaves behind when it runs; a test holds it against them. The other pages say what it
is for.
"""
REFUSED = (  # an answer for each thing that the hook refuses
    {"project": "Bike Demand"},
    {"project": "numpy"},
    {"package": "lambda"},
    {"email": "nobody"},
    {"description": "two\nlines"},
    {"description": "{% raw %}"},
    {"author": " "},
)
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than"}
OWN = {"JOB_PRELOAD", "JOB_RUN_FOLDER", "JOB_RUN_ID", "MPLBACKEND"}  # set by `job` for the processes that it starts
JSON = {dict: "object", list: "array", str: "string", int: "integer", float: "number", bool: "boolean"}


def code(text: object) -> str:
    """A text as code, in a table too."""
    return f"`{text}`".replace("|", "\\|")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|\n" for line in lines)


def prompts() -> Iterator[str]:
    """What cookiecutter asks, and answers that the template refuses."""
    prompts = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    questions = prompts["__prompts__"]
    prompts = {name: value for name, value in prompts.items() if not name.startswith("_")}
    answers: list[dict[str, str]] = []  # the defaults of each task
    for task in prompts["task"]:
        answers.append({"task": task})
        for name, value in prompts.items():
            first = value[0] if isinstance(value, list) else value
            answers[-1].setdefault(name, Environment().from_string(first).render(cookiecutter=answers[-1]))
    rows = []
    for name, value in prompts.items():
        said = questions[name] if isinstance(questions[name], dict) else {"__prompt__": questions[name]}
        choices = value if isinstance(value, list) else []
        labels = (f"{code(choice)}: {said[choice]}" if choice in said else code(choice) for choice in choices)
        default = choices[:1] or dict.fromkeys(each[name] for each in answers)
        rows.append([code(name), said["__prompt__"], "<br>".join(labels), "<br>".join(map(code, default))])
    yield f"## Prompts\n\nOf two defaults, one is for each `task`: {', '.join(map(code, prompts['task']))}.\n"
    yield table(["prompt", "question", "choices", "default"], rows)
    yield "An answer that would break the project later is refused before a file is written. Examples:\n"
    hook = (ROOT / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")
    programs = (hook.replace("{{ cookiecutter | tojson }}", json.dumps(answers[0] | wrong)) for wrong in REFUSED)
    refused = (subprocess.run([sys.executable, "-c", each], capture_output=True, text=True) for each in programs)
    yield "".join(f"- {each.stderr.strip()}\n" for each in refused)


def commands() -> Iterator[str]:
    """The command `job`, from its parser: each Python lays its help out in another way."""
    yield "## Commands\n"
    [subcommands] = (each for each in jobs._parser()._actions if isinstance(each, argparse._SubParsersAction))
    for name, command in subcommands.choices.items():
        about, _, example = command.description.partition(": job ")
        yield f"### job {name}\n\n{about[0].upper()}{about[1:]}{f': `job {example}`' if example else '.'}\n"
        actions = (action for action in command._actions if not isinstance(action, argparse._HelpAction))
        yield table(
            ["argument", "value", "default", "meaning"],
            (argument(action) for action in sorted(actions, key=lambda action: bool(action.option_strings))),
        )
    codes = docments(jobs.main)["return"].removeprefix("exit code: ").split(", ")
    yield "### Exit codes\n"
    yield table(["code", "meaning"], (each.split(" ", 1) for each in codes))


def argument(action: argparse.Action) -> list[str]:
    """What is typed, what it may be, what it is if nothing is said, and what it is for."""
    *others, last = action.option_strings or [action.dest]
    takes_value = action.option_strings and action.nargs != 0
    typed = ", ".join(map(code, [*others, f"{last} {action.metavar or action.dest.upper()}" if takes_value else last]))
    value = " or ".join(map(code, action.choices or ())) or getattr(action.type, "__name__", "")
    is_given = action.default not in (None, []) and action.nargs != 0
    default = "required" if action.required else code(action.default) if is_given else ""
    return [typed, value, default, action.help or ""]


def parameters() -> Iterator[str]:
    """What each job can be given."""
    yield "## Jobs\n\nWith the parameters that `job run NAME -p PARAMETER=VALUE` takes.\n"
    for name, path in jobs.notebooks().items():
        cells = (cell for cell in json.loads(path.read_bytes())["cells"] if cell["cell_type"] == "markdown")
        about = re.search(r"^> (.*)", "".join(next(cells)["source"]), re.MULTILINE)[1]
        yield f"### {name}\n\n{code(path.relative_to(registry.project_root()))}. {about}\n"
        known = jobs.Job.named(name).known.values()
        rows = ([code(each.name), code(each.annotation), code(repr(each.default)), each.help] for each in known)
        yield table(["parameter", "type", "default", "meaning"], rows)


def fields_of(kind: type) -> dict[str, tuple[str, str]]:
    """Annotation and comment of each field of a class, as its source has them."""
    source = textwrap.dedent(inspect.getsource(kind))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    found = {}
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign):
            said = (comments[line] for line in range(node.lineno, node.end_lineno + 1) if line in comments)
            found[node.target.id] = ast.unparse(node.annotation), " ".join(said)
    return found


def looked_up() -> dict[str, set[str]]:
    """Each name that a module looks up in the environment, with the modules that do."""
    readers = defaultdict(set)
    package = Path(runs.package_file).parent
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Subscript(value=place, slice=name)
                    | ast.Compare(left=name, comparators=[place])
                    | ast.Call(func=ast.Attribute(value=place), args=[name, *_])
                ) if ast.unparse(place) == "os.environ":
                    for each in [name.value] if isinstance(name, ast.Constant) else jobs._thread_limits(1):
                        readers[each].add(module)
    return readers


def settings() -> Iterator[str]:
    """What the environment decides: names, types and bounds are the code's, the words those of the project's README."""
    import bike_demand.service  # noqa: F401  only now: it asks for a model that it can serve

    readers, types, defaults = looked_up(), {}, {}
    for kind in recorder.EnvironmentSettings.__subclasses__():
        for field, rules in kind.model_json_schema()["properties"].items():
            name = f"{kind.model_config['env_prefix']}{field}".upper()
            bounds = (f"{word} {rules[rule]}" for rule, word in BOUNDS.items() if rule in rules)
            types[name] = ", ".join([code(fields_of(kind)[field][0]), *bounds])
            defaults[name] = kind.model_fields[field]
            readers[name].add(kind.__module__.partition(".")[2])
    readme = (registry.project_root() / "README.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## Settings\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    threads = jobs._thread_limits(1)
    of_jobs = {name for name in threads if "service" not in readers[name]}
    asked = readers.keys() - OWN - of_jobs | {"BENTOML_HOME"}  # which BentoML looks up
    if wrong := asked ^ set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)):
        raise ValueError(f"the code and the project's README do not have the same settings: {', '.join(sorted(wrong))}")
    yield "## Settings\n\nSet in the environment.\n"
    for whose, lines in re.findall(r"(Of [^.]*:)\n\n((?:\|.*\n)+)", section):
        rows = []
        for line in lines.splitlines()[2:]:
            shown, meaning, default = (cell.strip() for cell in line.strip("|").split(" | "))
            name, field = shown.strip("`"), defaults.get(shown.strip("`"))
            if field and field.default is not None:
                said = TypeAdapter(field.annotation).validate_strings(default.strip("`"))
                if said != field.default:
                    raise ValueError(f"{name} is {field.default} unless it is set, and not {said}, as the README says")
            modules = ", ".join(map(code, sorted(readers[name]))) or "BentoML"
            rows.append([shown, types.get(name, ""), default, meaning, modules])
        yield f"{whose}\n"
        yield table(["setting", "type", "default", "meaning", "read by"], rows)
    yield (
        "`job` itself sets, for the processes that it starts, `JOB_RUN_ID` and `JOB_RUN_FOLDER`, which a notebook reads"
        " with `run_id()` and `run_folder()` of `ops.runs`; `JOB_PRELOAD`; and what is not set already of `MPLBACKEND`"
        f" and, in a sweep, {', '.join(map(code, threads))}.\n"
    )


async def accept(request: Request) -> JSONResponse:
    """The service behind the recorder."""
    await request.body()
    return JSONResponse({"accepted": 1})


def live(home: Path) -> None:
    """Have all that is recorded: two models, answers, truths by request and by table, and what the jobs say of them."""

    def run(job: str, **given: Any) -> runs.Run:
        done = jobs.run(job, given, place=home / "runs")
        if done.status != "done":
            raise RuntimeError(f"{job}: {done.error}")
        return done

    champion, better = (run("train", end=end, max_iter=20).model for end in ("2011-06-01", "2012-01-01"))
    run("promote", candidate=champion)
    rows = load()
    rows = rows[rows[TIME].between("2012-01-01", "2012-01-31")].assign(hum=lambda rows: rows["hum"] / 2)
    iolog.backfill(rows, predict(load_model(champion), rows), champion, Row, "2012-02-01")
    [names] = iolog.predictions().project("prediction_id").fetchnumpy().values()
    truths = [{"prediction_id": name, "actual": int(n)} for name, n in zip(names, rows[TARGET], strict=True)]
    rows[[*KEY, TARGET]].to_parquet(labels := home / "truths.parquet")
    folder, store = iolog.places()
    service = Starlette(routes=[Route("/actuals", accept, methods=["POST"])])
    for bento, max_body in ((None, 10), ("bike-demand:1", 2**20)):  # the first cuts what it is sent
        log = recorder.Middleware(service, lambda: folder, lambda bento=bento: (champion, bento), max_body=max_body)
        with TestClient(log) as client:
            client.post("/actuals", json={"actuals": truths})
    run("drift")
    run("backtest", tolerated=100)
    run("backtest", tolerated=0.1, candidates=[better], labels=str(labels), folder=str(folder), store=store.root)
    run("backtest", min_rows=10**6, candidates=[better])
    run("iolog")


def kinds(values: Iterable[Any]) -> str:
    """The JSON types of values, null as the last."""
    found = {JSON.get(type(value), "null") for value in values}
    return " or ".join(sorted(found, key=lambda kind: (kind == "null", kind)))


def shape(values: Sequence[Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Path and types of what several JSON values hold; a key that is itself a value is shown as <what it names>."""
    if path and (kind := kinds(values)) != "object":
        lists = (value for value in values if isinstance(value, list))
        yield path, kind.replace("array", f"array of {kinds(item for value in lists for item in value)}")
    inside = defaultdict(list)
    for value in values:
        for key, item in value.items() if isinstance(value, dict) else ():
            if ":" in key:
                key = "<model>"
            elif key in {*Row.model_fields, "prediction"}:
                key = "<column>"
            elif " " in key and isinstance(item, bool):
                key = "<rule>"
            inside[f"{path}.{key}".removeprefix(".")].append(item)
    for each, found in inside.items():
        yield from shape(found, each)


def fields(kind: type) -> str:
    """The fields of a class as a table."""
    rows = ([code(name), code(annotation), said] for name, (annotation, said) in fields_of(kind).items())
    return table(["field", "type", "meaning"], rows)


def records(home: Path) -> Iterator[str]:
    """What is kept: from the classes that have it, or else from what there is after `live`."""

    def left(job: str) -> str:
        found = [json.loads(path.read_bytes()) for path in sorted(home.glob(f"runs/{job}/*/d*.json"))]
        return table(["field", "type"], ([code(path), kind] for path, kind in shape(found)))

    segments = iolog.places()[0].glob("archive/*/*")
    lines = [json.loads(line) for path in segments for line in path.read_bytes().splitlines()]
    lines.sort(key=lambda line: line["ts"])
    names = dict.fromkeys(name for line in lines for name in line)
    yield "## Records\n\n### A line of the log\n\n[The record](record.md#one-record) says what each field means.\n"
    types = ([code(name), kinds(line[name] for line in lines if name in line)] for name in names)
    yield table(["field", "type"], types)
    for read in (iolog.predictions, iolog.actuals, iolog.requests):
        columns = zip(read().columns, map(str, read().types), strict=True)
        own = "the fields of `Row`"
        shown = {own if name in Row.model_fields else code(name): kind for name, kind in columns}
        yield f"### The table {read.__name__}\n\n{read.__doc__} Types are those of DuckDB.\n"
        yield table(["column", "type"], (shown | ({own: ""} if own in shown else {})).items())
    yield f"### run.json\n\nIn the folder of each run.\n\n{fields(runs.Run)}"
    yield f"### champion.json\n\nIn the project.\n\n{fields(registry.Champion)}"
    yield f"### drift.json\n\nIn the folder of a run of `drift`.\n\n{left('drift')}"
    yield f"Each of `columns` has its `reasons` to count as moved, and\n\n{fields(Change)}"
    yield f"### decision.json\n\nIn the folder of a run of `backtest`, as three of them left it.\n\n{left('backtest')}"


def main(page: Path) -> None:
    """Live through something, then write the page."""
    home = registry.use_temporary_store()
    live(home)
    parts = [HEAD, *prompts(), *commands(), *parameters(), *settings(), *records(home)]
    page.write_text("\n".join(parts), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
