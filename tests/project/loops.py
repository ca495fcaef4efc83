"""A project's world for the tests of the loop: a model of 2011 has predicted the first half of 2012.

`good` has seen the new year up to May, `peeking` all of it, `poor` two months of 2011.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import Project

WORLD = """
import json, sys
from pathlib import Path
from bike_demand.data import contract, load
from bike_demand.model import evaluate, fit, predict
from daybook import champion, models
from daybook.log import Log
from daybook.world import labels_of, save_model

home, frame, time = Path(sys.argv[1]), load(), contract.time
def between(start, end):
    return frame[(frame[time] >= start) & (frame[time] < end)].reset_index(drop=True)
def saved(start, end):
    return save_model(contract, between(start, end), fit, predict, evaluate)
old = saved("2011-01-01", "2012-01-01")
champion.promote(old, "The first one.", {"mae": 10.0})
later, served = between("2012-01-01", "2012-07-01"), models.load(old)
for month, rows in later.groupby(later[time].dt.month):
    Log(contract).backfill(rows, served.predict(rows), old, f"2012-{month:02}-01")
labels_of(contract, later).to_parquet(home / "labels.parquet")
tags = {"old": old, "good": saved("2011-10-01", "2012-06-01"), "peeking": saved("2011-10-01", "2012-07-01")}
print(json.dumps(tags | {"poor": saved("2011-01-01", "2011-03-01")}))
"""


@dataclass
class World:
    """A project with a log, labels and models, all in a folder of its own."""

    project: Project
    home: Path
    settings: dict[str, str]
    models: dict[str, str]  # tags, by what the models have seen

    @property
    def labels(self) -> Path:
        """The table of labels."""
        return self.home / "labels.parquet"

    def run(self, job: str, code: int = 0, **args: Any) -> str:
        """`daybook run`, with its runs in the world's folder; returns what it prints."""
        params = [word for name, value in args.items() for word in ("-p", f"{name}={value}")]
        runs = ["--runs", self.home / "runs"]
        return self.project.run("daybook", "run", job, *params, *runs, code=code, **self.settings)

    def folder(self, job: str) -> Path:
        """The folder of the newest run of a job."""
        return max((self.home / "runs" / job).glob("*"))

    def read(self, job: str, name: str) -> dict[str, Any]:
        """A JSON file that the newest run of a job left."""
        return json.loads((self.folder(job) / name).read_text())

    def python(self, script: str, *args: str | Path) -> str:
        """What a script prints in the project's Python."""
        return self.project.python(script, *args, **self.settings)


@pytest.fixture(scope="session")
def world(project: Project) -> World:
    """The world that tests look at; one that changes it puts it back."""
    home = Path(tempfile.mkdtemp(prefix="world-", dir=Path(project.settings["HOME"]).parent))
    names = {"BENTOML_HOME": "bentoml", "CHAMPION_FILE": "champion.json", "IOLOG_DIR": "iolog", "MODEL_STORE": "models"}
    (home / "champion.json").write_text('{"model": null, "metrics": {}, "reason": "None yet."}')
    made = World(project, home, {name: str(home / path) for name, path in names.items()}, {})
    made.models = json.loads(made.python(WORLD, home).splitlines()[-1])
    return made


@pytest.fixture
def champion(world: World) -> Iterator[Callable[[], dict[str, Any]]]:
    """Read champion.json, which is put back afterwards."""
    file = world.home / "champion.json"
    before = file.read_bytes()
    yield lambda: json.loads(file.read_text())
    file.write_bytes(before)
