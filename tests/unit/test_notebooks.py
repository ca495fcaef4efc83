"""Which notebooks are jobs, and what is fixed before one of them runs."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from daybook.notebooks import Job, find_notebook, inputs_sha256, notebooks, parameters_cell
from daybook.parameters import SECRET
from daybook.project import DaybookError, version
from daybook.supervisor import _imports

Probe = Callable[..., str]


def test_notebooks_are_those_with_parameters(probe: Probe) -> None:
    probe("1 + 1")
    probe("1 + 1", name="train")
    content = Path("nbs/01_train.ipynb").read_text()
    Path("nbs/02_service.ipynb").write_text(content.replace("parameters", "something"))
    Path("nbs/03_broken.ipynb").write_text("{")
    Path("nbs/.ipynb_checkpoints").mkdir()
    Path("nbs/.ipynb_checkpoints/04_copy.ipynb").write_text(content)
    assert list(notebooks()) == ["probe", "train"]
    assert find_notebook("train").name == "01_train.ipynb"
    with pytest.raises(DaybookError, match="no job trian: did you mean train\\? there are: probe, train"):
        find_notebook("trian")
    with pytest.raises(DaybookError, match="service is no job: its notebook has no cell tagged `parameters`"):
        find_notebook("service")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"cells": [{}]}', b'{"cells": null}', b"\xff"])
def test_parameters_cell_of_no_notebook_is_none(content: bytes) -> None:
    assert parameters_cell(content) is None


def test_task_is_the_notebook_as_it_was(probe: Probe) -> None:
    job = Job.find(probe("1 + 1", parameters="number: int = 1\nday: date = date(2024, 1, 1)"))
    probe("2 + 2")
    task = job.task({"number": "300"}, "kernel", sweep="a sweep")
    assert task.args == {"number": 300} and task.run.parameters == {"number": 300, "day": "2024-01-01"}
    assert b"1 + 1" in task.notebook and task.run.notebook == "nbs/01_probe.ipynb"
    assert (task.run.engine, task.run.sweep, task.run.daybook) == ("kernel", "a sweep", version())
    assert task.run.notebook_sha256 != Job.find("probe").hashes["notebook_sha256"]


def test_task_takes_checked_arguments_as_they_are(probe: Probe) -> None:
    job = Job.find(probe(parameters="day: date = date(2024, 1, 1)\nnumber: int = 1"))
    task = job.task(job.parameters.model_construct(day=date(2024, 2, 29)))
    assert task.args == {"day": date(2024, 2, 29)} and task.run.parameters == {"day": "2024-02-29", "number": 1}


def test_task_separates_secrets(probe: Probe) -> None:
    job = Job.find(probe(parameters="token: SecretStr = SecretStr('')\nn: int = 1"))
    task = job.task({"token": "swordfish"})
    assert (task.args, task.secrets) == ({"token": SECRET}, {"token": "swordfish"})
    assert "swordfish" not in task.run.to_json().decode() and task.run.parameters["token"] == SECRET
    with pytest.raises(DaybookError) as error:
        job.task({"token": "short"})
    assert "6 characters at least" in str(error.value) and "short" not in str(error.value).replace("6 char", "")


def test_inputs_sha256_changes_with_all_that_counts(probe: Probe) -> None:
    probe()
    Path("data.csv").write_text("1")
    Path("folder").mkdir()
    Path("folder/part.csv").write_text("1")
    parameters = {"source": "data.csv", "folder": "folder", "text": "x" * 2000, "n": 1}
    seen = [inputs_sha256("a", "b", parameters, {})]
    assert inputs_sha256("a", "b", parameters, {}) == seen[0]
    Path("data.csv").write_text("2")
    seen.append(inputs_sha256("a", "b", parameters, {}))
    Path("folder/part.csv").write_text("22")
    seen.append(inputs_sha256("a", "b", parameters, {}))
    seen += [inputs_sha256(*hashes, parameters, {}) for hashes in (("c", "b"), ("a", "c"))]
    seen.append(inputs_sha256("a", "b", parameters | {"n": 2}, {}))
    assert len(set(seen)) == len(seen)


def test_inputs_sha256_reads_a_file_once(probe: Probe) -> None:
    probe()
    Path("data.csv").write_text("1")
    contents: dict[str, str] = {}
    before = inputs_sha256("a", "b", {"source": "data.csv"}, contents)
    Path("data.csv").write_text("2")
    assert inputs_sha256("a", "b", {"source": "data.csv"}, contents) == before and list(contents) == ["data.csv"]


def test_imports_are_read_from_code_cells() -> None:
    def cell(source: str, kind: str = "code") -> dict:
        return {"cell_type": kind, "source": source}

    cells = [cell("import os, re\nn = 1\nfrom math import pi"), cell("%magic\nimport a"), cell("import b", "markdown")]
    assert _imports(json.dumps({"cells": cells}).encode()) == ["import os, re", "from math import pi"]
    cells.append(cell("from daybook import models"))
    assert _imports(json.dumps({"cells": cells}).encode())[0] == "import skops.io"
