"""The log as tables: compacted by the job, read by other tools, joined with labels, on an object store."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import Project, last_run, object_store, serve
from traffic import ROW, call, write_segments

READ = """
import json, sys
from bike_demand.data import contract
from daybook.log import Log

log = Log(contract, sys.argv[1] if len(sys.argv) > 1 else None)
"""
COUNT = f"""{READ}
rows = log.predictions().aggregate("count(*) AS n, count(DISTINCT prediction_id) AS ids, sum(prediction)")
print(json.dumps(rows.fetchall()[0]))
"""


def printed(project: Project, script: str, *args: str | Path, **settings: str) -> list:
    """The JSON on the last line that a script prints."""
    return json.loads(project.python(script, *args, **settings).splitlines()[-1])


def test_job_compacts_quarantines_and_forgets_only_what_is_compacted(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    write_segments(log, segments=2, lines=10)
    broken = b'not a record\n{"v":2}\n{"v":1,"id":"torn'
    first, second = sorted(log.glob("raw/*/*"))
    with first.open("ab") as file:
        file.write(broken)
    other_columns = second.read_text().replace('"windspeed"', '"wind"')
    second.write_text(other_columns)
    orphan = log / "raw" / "dt=2012-07-05" / "host-1-abcdef02-0.jsonl.open"
    orphan.parent.mkdir()
    orphan.write_text(other_columns)
    said = project.run("daybook", "run", "compact", IOLOG_DIR=str(log), IOLOG_KEEP_DAYS="0")
    folder, run = last_run(project, "compact")
    counts = {"segments": 3, "requests": 30, "predictions": 60, "actuals": 0}
    counts |= {"quarantined": 3, "merged": 0, "deleted": 3}
    assert run["metrics"] == counts, said
    assert "3 lines are no log entries" in (folder / "report.html").read_text(encoding="utf-8")
    [quarantined] = log.glob("quarantine/*/*.jsonl")
    assert quarantined.read_bytes() == broken
    assert not list(log.glob("raw/*/*")) and not list(log.glob("archive/*/*"))
    count = "print(json.dumps(log.predictions().aggregate('count(windspeed), count(wind), count(hr)').fetchall()[0]))"
    assert printed(project, f"{READ}{count}", log) == [20, 40, 60]
    said = project.run("daybook", "run", "compact", code=1, IOLOG_KEEP_DAYS="soon")
    assert "IOLOG_KEEP_DAYS=soon: input should be a valid integer" in said


OTHERS = """
import sys
import dask.dataframe as dd
import duckdb
import pandas as pd

log = sys.argv[1]
rows = pd.read_parquet(f"{log}/predictions")
print(len(rows), rows["prediction"].sum(), str(rows["dteday"].iloc[0]), rows["hr"].dtype, rows["ts"].dtype)
dask = dd.read_parquet(f"{log}/predictions")
print(len(dask), dask["prediction"].sum().compute(), str(dask["dteday"].compute().iloc[0]), dask["hr"].dtype)
sql = f"FROM read_parquet('{log}/predictions/**/*.parquet', hive_partitioning = true)"
print(*duckdb.sql(f"SELECT count(*), sum(prediction), min(dteday), any_value(typeof(hr)) {sql}").fetchall()[0])
"""


@dataclass(frozen=True)
class Answered:
    """A log in which three hours were predicted, and the second of them has got two actuals."""

    log: Path
    predictions: list[float]

    def copied(self, folder: Path) -> Path:
        """A log that a test may compact."""
        return shutil.copytree(self.log, folder / "iolog")


@pytest.fixture(scope="module")
def answered(project: Project, trained: str, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """What a service has logged that has stopped."""
    log = tmp_path_factory.mktemp("answered") / "iolog"
    with serve(project, folder=project.root, IOLOG_DIR=str(log)) as service:
        _, response = call(service.url, {"rows": [ROW | {"hr": hour} for hour in range(3)]})
        for value in (5, 6):
            actual = {"prediction_id": f"{response['request_id']}:1", "actual": value}
            actual["event_time"] = "2011-05-01T02:00:00"
            assert call(service.url, {"actuals": [actual]}, "/actuals")[1]["accepted"] == 1
        assert call(service.url, {"actuals": [{"prediction_id": "?", "actual": 1}]}, "/actuals")[0] == 400
    return Answered(log, response["predictions"])


def test_pandas_dask_and_duckdb_read_the_folder(project: Project, answered: Answered, tmp_path: Path) -> None:
    log = answered.copied(tmp_path)
    project.python(f"{READ}log.compact()", log)
    uv = [sys.executable, "-m", "uv", "run", "--quiet", "--no-sync", "--with", "dask[dataframe]", "python", "-c"]
    command = [*uv, OTHERS, str(log)]
    done = subprocess.run(command, cwd=project.root, env=project.settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()[-3:]]
    total = pytest.approx(sum(answered.predictions))
    assert [(int(words[0]), float(words[1]), words[2]) for words in said] == [(3, total, "2011-05-01")] * 3
    assert said[0][3:] == ["int64", "datetime64[us,", "UTC]"] and said[2][3] == "BIGINT"


LABELLED = f"""{READ}
posted = log.labelled().order("hr").project("actual").fetchall()
table = log.labelled(labels=sys.argv[2]).order("hr").project("actual").fetchall()
print(json.dumps([posted, table, len(log.actuals())]))
"""


def test_labels_are_joined_by_id_and_by_key(project: Project, answered: Answered, tmp_path: Path) -> None:
    log, labels = answered.copied(tmp_path), tmp_path / "labels.csv"
    labels.write_text("dteday,HR,cnt\n2011-05-01,0,7\n2011-05-01,2,9\n2011-05-02,2,1\n")
    for _ in range(2):  # from the raw log, and from the tables
        assert printed(project, LABELLED, log, labels) == [[[None], [6.0], [None]], [[7], [None], [9]], 2]
        project.python(f"{READ}log.compact()", log)
    assert not list(log.glob("raw/*/*"))


def test_tables_on_an_object_store(project: Project, tmp_path: Path) -> None:
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "s3", "--python", sys.executable]
    subprocess.run(sync, cwd=project.root, env=project.settings, check=True)
    log = tmp_path / "iolog"
    with object_store(tmp_path) as settings:
        settings |= {"IOLOG_DIR": str(log), "IOLOG_STORE": "s3://records/bikes"}
        project.python("import s3fs; s3fs.S3FileSystem().mkdir('records')", **settings)
        write_segments(log, segments=3, lines=100)
        expected = printed(project, COUNT, **settings)
        assert expected[:2] == [600, 600]
        project.run("daybook", "run", "compact", **settings)
        assert last_run(project, "compact")[1]["metrics"]["segments"] == 3
        assert not list(log.rglob("*.jsonl")) and not list(log.rglob("*.parquet"))
        assert printed(project, COUNT, **settings) == expected
        find = "import json, s3fs; print(json.dumps(s3fs.S3FileSystem().find('records/bikes')))"
        kinds = Counter(path.split("/")[2] for path in printed(project, find, **settings))
        assert kinds == {"archive": 3, "predictions": 3, "requests": 3}
        write_segments(tmp_path / "more", segments=4, lines=100)
        name = "raw/dt=2012-07-04/host-1-abcdef01-3.jsonl"
        (tmp_path / "more" / name).rename(log / name)
        assert printed(project, COUNT, **settings)[:2] == [800, 800]
        later = f"{READ}print(len(log.predictions('2013-01-01')))"
        assert printed(project, later, **settings) == 0
    down = project.run("daybook", "run", "compact", code=1, **settings)
    assert "compact failed" in down
    assert len(list(log.glob("raw/*/*.jsonl"))) == 1, "what cannot be moved stays"
