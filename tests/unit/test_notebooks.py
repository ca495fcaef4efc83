"""Which notebooks are jobs, and what is fixed before one of them runs."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from daybook.notebooks import Job, find_notebook, inputs_sha256, notebooks, parameters_cell
from daybook.parameters import SECRET
from daybook.preloading import imports_of
from daybook.project import DaybookError, version

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
    parameters, files = {"source": "data.csv", "n": 1}, ["data.csv", "folder"]
    seen = [inputs_sha256("a", "b", parameters, {}, files)]
    assert inputs_sha256("a", "b", parameters, {}, files) == seen[0]
    Path("data.csv").write_text("2")
    seen.append(inputs_sha256("a", "b", parameters, {}, files))
    Path("folder/part.csv").write_text("22")
    seen.append(inputs_sha256("a", "b", parameters, {}, files))
    seen += [inputs_sha256(*hashes, parameters, {}, files) for hashes in (("c", "b"), ("a", "c"))]
    seen.append(inputs_sha256("a", "b", parameters | {"n": 2}, {}, files))
    assert len(set(seen)) == len(seen)


def test_inputs_sha256_reads_a_file_once(probe: Probe) -> None:
    probe()
    Path("data.csv").write_text("1")
    contents: dict[str, str] = {}
    before = inputs_sha256("a", "b", {}, contents, ["data.csv"])
    Path("data.csv").write_text("2")
    assert inputs_sha256("a", "b", {}, contents, ["data.csv"]) == before and list(contents) == ["data.csv"]


def test_task_hashes_files_of_paths_and_of_nothing_else(probe: Probe) -> None:
    name = probe(parameters='paths: list[Path] = [Path("a.csv")]\none: Path | None = None\ntext: str = "a.csv"')

    def inputs(**args: str) -> str | None:
        return Job.find(name).task(args).run.inputs_sha256

    Path("a.csv").write_text("1")
    Path("b.csv").write_text("1")
    before = [inputs(), inputs(one="b.csv"), inputs(paths="b.csv", text="/"), inputs(paths="", text="x" * 500)]
    Path("a.csv").write_text("2")
    after = [inputs(), inputs(one="b.csv"), inputs(paths="b.csv", text="/"), inputs(paths="", text="x" * 500)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True, True]
    task = Job.find(name).task({"paths": "a.csv,b.csv", "one": "b.csv"})
    assert task.args["paths"] == [Path("a.csv"), Path("b.csv")] and task.run.parameters["one"] == "b.csv"


@pytest.mark.parametrize("args", [{}, {"source": "sales/*.csv"}, {"source": "sales"}])
def test_task_hashes_the_table_that_a_source_names(probe: Probe, args: dict[str, str]) -> None:
    job = Job.find(probe(parameters="source: str | None = None"))
    Path("sales").mkdir()
    Path("sales/1.csv").write_text("1")
    Path("probes/data.py").write_text('SOURCE = "sales/1.csv"  # in the project\n')
    before = job.task(args).run.inputs_sha256
    assert job.task(args).run.inputs_sha256 == before
    Path("sales/1.csv").write_text("12")
    assert job.task(args).run.inputs_sha256 != before
    assert job.task({"source": "SELECT * FROM 'sales/1.csv'"}).run.status == "running"


def test_notebooks_are_those_that_nbdev_exports(probe: Probe) -> None:
    content = Path(f"nbs/01_{probe('1 + 1')}.ipynb").read_bytes()
    for name in ("_old/01_probe", ".hidden/01_probe", "_01_probe", ".01_probe", "lab/02_other"):
        Path(f"nbs/{name}.ipynb").parent.mkdir(exist_ok=True)
        Path(f"nbs/{name}.ipynb").write_bytes(content)
    Path("nbs/.#01_probe.ipynb").symlink_to("somebody@host.1234")
    Path("nbs/03_gone.ipynb").symlink_to("there_is_none.ipynb")
    assert list(notebooks()) == ["probe", "other"] and find_notebook("probe") == Path("nbs/01_probe.ipynb").resolve()


def test_find_notebook_refuses_two_of_one_name(probe: Probe) -> None:
    content = Path(f"nbs/01_{probe('1 + 1')}.ipynb").read_bytes()
    Path("nbs/lab").mkdir()
    Path("nbs/lab/probe.ipynb").write_bytes(content)
    with pytest.raises(DaybookError, match="nbs/01_probe.ipynb and nbs/lab/probe.ipynb are both the job probe"):
        find_notebook("probe")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: b"\xef\xbb\xbf" + content, "begins with a byte order mark"),
        (lambda content: b"<<<<<<< HEAD\n" + content + b"=======\n>>>>>>> other\n", "has conflict markers of git"),
        (lambda content: content[:50], "is no notebook: JSONDecodeError"),
        (lambda content: b"[]", "is no notebook: TypeError"),
    ],
)
def test_find_notebook_says_why_one_cannot_be_read(probe: Probe, change: Callable[[bytes], bytes], reason: str) -> None:
    path = Path(f"nbs/01_{probe('1 + 1')}.ipynb")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DaybookError, match=f"nbs/01_probe.ipynb {reason}"):
        find_notebook("probe")


def test_parameters_of_may_be_enums_that_the_notebook_imports(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sizes_of_test.py").write_text("from enum import Enum\nSize = Enum('Size', {'small': 1, 'large': 2})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    probe("%magic", "from sizes_of_test import Size", parameters="size: Size = Size.small\nmany: list[Size] = []")
    for text in ("large", "2"):
        task = Job.find("probe").task({"size": text})
        assert task.args["size"].name == "large" and task.run.parameters == {"size": 2, "many": []}
    with pytest.raises(DaybookError, match="size=huge"):
        Job.find("probe").task({"size": "huge"})


def test_imports_are_read_from_code_cells() -> None:
    def cell(source: str, kind: str = "code") -> dict:
        return {"cell_type": kind, "source": source}

    cells = [cell("import os, re\nn = 1\nfrom math import pi"), cell("%magic\nimport a"), cell("import b", "markdown")]
    assert imports_of(json.dumps({"cells": cells}).encode()) == ["import os", "import re", "from math import pi"]
    cells.append(cell("from daybook import models"))
    assert imports_of(json.dumps({"cells": cells}).encode())[0] == "import skops.io"
