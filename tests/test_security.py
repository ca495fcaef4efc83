"""What docs/threats.md says that the project does about each threat, tried."""

import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from conftest import Project, last_run, serve
from template import ROOT, TEMPLATE
from test_log import lines, python

PROBES = ("/livez", "/readyz", "/healthz")


# The service, fuzzed


class Exchange(NamedTuple):
    """A request and its answer."""

    method: str
    path: str
    status: int
    id: str | None  # in the answer's header

    @property
    def has_input(self) -> bool:
        """Whether it has to be on record."""
        return self.method not in ("GET", "HEAD", "OPTIONS")


def read(url: str, **headers: str) -> bytes:
    """The content of a page."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as response:
        return response.read()


def fuzz(url: str, document: Path, **headers: str) -> list[Exchange]:
    """All that schemathesis asks; fails with its report if an answer is not what the OpenAPI document says."""
    har = document.with_suffix(".har")
    # What is taken and what is refused is asked of the contract instead, below. It knows more than its JSON Schema
    # can say: that "0.5" is a number, as it is in a table, and that two truths must not be about one prediction.
    options = ["--exclude-checks", "positive_data_acceptance,negative_data_rejection", "--continue-on-failure"]
    options += ["--max-examples", "60", "--seed", "0", "--generation-database", "none", "--no-color"]
    options += ["--report", "har", "--report-har-path", str(har), "--output-sanitize", "false"]
    options += [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", url, *options]
    done = subprocess.run(command, cwd=document.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr
    return [
        Exchange(
            entry["request"]["method"],
            urlsplit(entry["request"]["url"]).path,
            entry["response"]["status"],
            {pair["name"].lower(): pair["value"] for pair in entry["response"]["headers"]}.get("x-request-id"),
        )
        for entry in json.loads(har.read_bytes())["log"]["entries"]
    ]


JUDGE = """
from typing import Annotated
from annotated_types import Len
from pydantic import AfterValidator, ValidationError, create_model
from bike_demand.data import Row
from bike_demand.ops.recorder import Actual, each_once

rows, actuals = Annotated[list[Row], Len(1, 10_000)], Annotated[list[Actual], Len(1, 10_000), AfterValidator(each_once)]
contracts = {"/predict": create_model("Rows", rows=rows), "/actuals": create_model("Truths", actuals=actuals)}

def is_kept(record):
    try:
        return bool(contracts[record["route"]].model_validate_json(json.dumps(record["in"])))
    except (KeyError, ValidationError):
        return False

print(json.dumps([[record["id"], record["route"], record["status"], is_kept(record)] for record in iolog.records(log)]))
"""


@pytest.mark.parametrize("key", ["", "s3cret"])
def test_fuzzed_from_its_own_document_it_holds_and_records(
    project: Project, trained: str, tmp_path: Path, key: str
) -> None:
    log, document = tmp_path / "iolog", tmp_path / "docs.json"
    shown = {"Authorization": f"Bearer {key}"} if key else {}
    with serve(project, folder=project.root, IOLOG_DIR=str(log), SERVICE_API_KEY=key) as service:
        document.write_bytes(read(f"{service.url}/docs.json", **shown))
        exchanges = fuzz(service.url, document, **shown)
        strangers = fuzz(service.url, document) if key else []
        metrics = read(f"{service.url}/metrics", **shown).decode()
    assert {exchange.path for exchange in exchanges} == {*PROBES, "/metrics", "/predict", "/actuals"}
    assert {exchange.status for exchange in exchanges} == {200, 400, 405, 415} | ({401} if key else set())
    assert {exchange.status for exchange in strangers if exchange.path not in PROBES} == ({401} if key else set())

    recorded = json.loads(python(project, JUDGE, str(log)).splitlines()[-1])
    sent = Counter(exchange.id for exchange in exchanges + strangers if exchange.has_input)
    assert Counter(number for number, *_ in recorded) == sent and max(sent.values()) == 1
    counters = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line.startswith("iolog_"))
    assert (float(counters["iolog_written_total"]), float(counters["iolog_failed_total"])) == (len(recorded), 0)
    for route in ("/predict", "/actuals"):
        judged = Counter((status, is_kept) for _, place, status, is_kept in recorded if place == route)
        assert judged[200, True] > 20 and judged[400, False] > 20, judged
        assert not judged[200, False] and not judged[400, True], "the service and the contract disagree"


# Files and bodies that would run code

TRAP = """
import pickle
from pathlib import Path

class Trap:
    def __reduce__(self):
        return Path.touch, (Path(log, "sprung"),)

trap, sprung = pickle.dumps(Trap()), Path(log, "sprung")
pickle.loads(trap)
sprung.unlink()  # raises if the trap does not work
"""
KINDS = ["application/vnd.bentoml+pickle", "application/json", "Application/Vnd.BentoML+Pickle; x=1", "text/plain", "x"]


def test_a_pickled_body_is_not_unpickled(project: Project, trained: str, tmp_path: Path) -> None:
    script = f"""{TRAP}
import asyncio, httpx
from bike_demand.service import Service

async def statuses():
    application = Service.to_asgi()
    async with application.router.lifespan_context(application):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://service") as client:
            for route in ("/predict", "/actuals"):
                for kind in {KINDS}:
                    yield (await client.post(route, content=trap, headers={{"Content-Type": kind}})).status_code

async def main():
    print(json.dumps([[status async for status in statuses()], sprung.exists()]))

asyncio.run(main())
"""
    said = python(project, script, str(tmp_path), IOLOG_DIR=str(tmp_path / "iolog"))
    assert json.loads(said.splitlines()[-1]) == [[415, 400, 415, 415, 415] * 2, False]
    assert len(lines(tmp_path / "iolog")) == 10


def test_a_model_file_runs_no_code(project: Project, tmp_path: Path) -> None:
    script = f"""{TRAP}
import os
import bentoml, skops.io
from bike_demand.model import load_model
from sklearn.preprocessing import FunctionTransformer

skops.io.dump(FunctionTransformer(os.system, kw_args={{"command": f"touch {{sprung}}"}}), Path(log, "call.skops"))
said = []
for content in (trap, Path(log, "call.skops").read_bytes()):
    with bentoml.models.create("stranger") as model:
        Path(model.path_of("model.skops")).write_bytes(content)
    try:
        load_model(str(model.tag)).transform([[0]])
    except Exception as error:
        said.append(type(error).__name__)
print(json.dumps([said, sprung.exists()]))
"""
    said = python(project, script, str(tmp_path), BENTOML_HOME=str(tmp_path / "bentoml"))
    assert json.loads(said.splitlines()[-1]) == [["BadZipFile", "UntrustedTypesFoundException"], False]


def test_a_swapped_model_does_not_get_into_the_store(project: Project, tmp_path: Path) -> None:
    script = """
import io, tarfile
from pathlib import Path
import bentoml, pandas as pd
from sklearn.linear_model import LinearRegression
from bike_demand.data import Row
from bike_demand.ops import registry

frame = pd.DataFrame({"x": [0.0, 1.0]})
tag = registry.save("line", LinearRegression().fit(frame, [0, 1]), Row, frame, {}, {})
archive, expected, folder = registry.store_model(tag).removeprefix("file://"), registry.sha256(tag), Path(log, "model")
bentoml.models.export_model(tag, f"{folder}/", output_format="folder")
bentoml.models.delete(tag)
imported, import_model = [], bentoml.models.import_model
bentoml.models.import_model = lambda *words, **more: imported.append(import_model(*words, **more))

def fetched(name, content):
    with tarfile.open(archive, "w:xz") as swapped:
        swapped.add(folder, ".")
        member = tarfile.TarInfo(name)
        member.size = len(content)
        swapped.addfile(member, io.BytesIO(content))
    try:
        registry.fetch_model(tag, expected)
    except Exception as error:
        return str(error)

said = [fetched("model.skops", b"another"), fetched("more.txt", b""), fetched("../../stray", b"")]
print(json.dumps([said, len(imported), len(bentoml.models.list()), [str(path) for path in Path(log).rglob("stray")]]))
fetched("model.yaml", (folder / "model.yaml").read_bytes())
assert len(imported) == 1 and registry.sha256(tag) == expected
"""
    home = {"BENTOML_HOME": str(tmp_path / "bentoml"), "MODEL_STORE": str(tmp_path / "store")}
    said = python(project, script, str(tmp_path), TMPDIR=str(tmp_path), **home)
    said, *found = json.loads(said.splitlines()[-1])
    assert [("its hash differs" in each, "outside its folder" in each) for each in said] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert found == [0, 0, []]


# What is shown and what is shipped


def test_html_from_outside_is_text_in_a_report(project: Project) -> None:
    mark = "<script>alert(1)</script>"
    project.run("job", "run", "train", "-p", f"source={mark}.csv", code=1)
    folder, run = last_run(project, "train")
    assert mark in run["parameters"]["source"] and mark in run["error"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("&lt;script&gt;alert(1)") >= 2 and mark not in page


def test_a_bento_holds_no_secret_and_no_record(project: Project, trained: str) -> None:
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
        said = project.run("bentoml", "build", "--output", "tag")
    finally:
        for path in private:
            path.unlink()
    name, version = said.strip().splitlines()[-1].removeprefix("__tag__:").split(":")
    bento = Path(project.settings["BENTOML_HOME"], "bentos", name, version)
    files = [path for path in bento.rglob("*") if path.is_file()]
    assert bento / "src" / "bike_demand" / "service.py" in files
    assert not [path for path in files if b"s3cret" in path.read_bytes() or {"iolog", "runs"} & {*path.parts}]


# The page itself


def test_the_threats_name_tests_that_there_are() -> None:
    """Each row names a test, an assertion of a notebook, or says that there is none."""
    text = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    rows = [line.strip(" |").split(" | ") for line in text.splitlines() if line.startswith("| **")]
    assert len(rows) >= 15 and {len(row) for row in rows} == {4}
    for threat, *_, shown in rows:
        named = re.findall(r"`([\w/.-]+)::([^`]+)`", shown)
        assert named or "no test" in shown, threat
        for file, name in named:
            path = ROOT / file if (ROOT / file).exists() else TEMPLATE / file
            source = path.read_text(encoding="utf-8")
            assert (name if path.suffix == ".ipynb" else f"def {name}(") in source, f"{file}::{name}"
