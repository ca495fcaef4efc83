"""No answer without a record: a real service, killed, starved, attacked; and its log, read by others."""

import contextlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from conftest import Project, Service, last_run, object_store, serve

ROW = {"dteday": "2011-05-01", "hr": 8, "holiday": 0, "workingday": 1, "weathersit": 1, "temp": 0.5, "atemp": 0.5}
ROW |= {"hum": 0.5, "windspeed": 0.1}


def call(url: str, body: bytes | dict, route: str = "/predict", **headers: str) -> tuple[int, dict]:
    """POST a body; the status and the answer's JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{route}", content, {"Content-Type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def lines(log: Path) -> list[dict]:
    """All records in a log's folder, wherever they are; every line must be whole."""
    paths = [*log.glob("raw/*/*.jsonl*"), *log.glob("archive/*/*.jsonl")]
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def python(project: Project, script: str, *words: str, code: int = 0, **settings: str) -> str:
    """Run a script with the project's Python."""
    script = f"import sys, json\nfrom bike_demand.ops import iolog\nlog = sys.argv[1]\n{script}"
    return project.run("python", "-c", script, *words, code=code, **settings)


class Load:
    """Clients that ask, all the time, and remember what they were answered."""

    def __init__(self, url: str, clients: int = 4):
        self.port, self.stop, self.answered = int(url.rpartition(":")[2]), Event(), {}
        self.threads = [Thread(target=self.ask) for _ in range(clients)]

    def ask(self) -> None:
        """One client: a kept connection, and a new one when it breaks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.is_set():
            number = uuid.uuid4().hex
            headers = {"Content-Type": "application/json", "X-Request-ID": number}
            try:
                connection.request("POST", "/predict", json.dumps({"rows": [ROW] * random.randint(1, 3)}), headers)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
                self.answered[number] = json.loads(body)["predictions"]
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.02)

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def workers(service: Service) -> list[psutil.Process]:
    """The processes that answer."""
    found = []
    for child in psutil.Process(service.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just died
            if "_bentoml_impl.worker.service" in " ".join(child.cmdline()):
                found.append(child)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether it can still be killed."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_more(load: Load, answers: int = 20) -> None:
    """Return when the service has answered again; fail after a minute."""
    enough, give_up = len(load.answered) + answers, time.monotonic() + 60
    while len(load.answered) < enough:
        assert time.monotonic() < give_up, "the service answers no more"
        time.sleep(0.05)


def test_kills_lose_no_answered_request(project: Project, trained: str, tmp_path: Path) -> None:
    log, kills, answered = tmp_path / "iolog", 0, {}
    dice = random.Random(time.time_ns())
    while kills < 21:
        with (
            serve(project, folder=project.root, IOLOG_DIR=str(log), SERVICE_WORKERS="2") as service,
            Load(service.url) as load,
        ):
            family = []
            try:
                for whom in ("worker", "worker", "worker", "parent", "all"):
                    wait_for_more(load)
                    time.sleep(dice.uniform(0, 1))
                    if whom != "all":
                        family = [psutil.Process(service.process.pid), *workers(service), *family]
                    alive = [process for process in dict.fromkeys(family) if is_alive(process)]
                    doomed = {"worker": alive[1:2], "parent": alive[:1], "all": alive}[whom]
                    for process in doomed:
                        with contextlib.suppress(psutil.NoSuchProcess):
                            process.kill()
                    kills += 1
            finally:
                for process in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
        answered |= load.answered
    assert len(answered) > 500, "it was hardly asked"
    script = "print(json.dumps([r for r in iolog.records(log) if r['status'] == 200]))"
    on_record = json.loads(python(project, script, str(log)).splitlines()[-1])
    times = Counter(record["id"] for record in on_record)
    assert {number: times[number] for number in answered} == dict.fromkeys(answered, 1)
    outputs = {record["id"]: record["out"]["predictions"] for record in on_record}
    assert {number: outputs[number] for number in answered} == answered

    script = "print(json.dumps(iolog.predictions(folder=log).project('request_id, prediction').fetchall()))"
    rows = sorted(map(tuple, json.loads(python(project, script, str(log)).splitlines()[-1])))
    python(project, "iolog.compact(log)", str(log))
    assert not list(log.glob("raw/*/*")), "the segments of the dead are adopted and compacted"
    assert sorted(map(tuple, json.loads(python(project, script, str(log)).splitlines()[-1]))) == rows
    expected = sorted((number, value) for number, values in outputs.items() for value in values)
    assert rows == expected


def test_stopping_loses_nothing_and_closes_the_files(project: Project, trained: str, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    with (
        serve(project, folder=project.root, IOLOG_DIR=str(log), SERVICE_WORKERS="2") as service,
        Load(service.url) as load,
    ):
        wait_for_more(load, 200)
        service.process.terminate()
        service.process.wait(60)
    times = Counter(record["id"] for record in lines(log))
    assert {number: times[number] for number in load.answered} == dict.fromkeys(load.answered, 1)
    assert {path.suffix for path in log.glob("raw/*/*")} == {".jsonl"}


def statuses(log: Path) -> dict[str, int]:
    """Request id -> status, of what is on record."""
    return {record["id"]: record["status"] for record in lines(log)}


def until_recorded(log: Path, number: str) -> dict:
    """The record of a request, which may take a moment; fail after half a minute."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        found = [record for record in lines(log) if record["id"] == number]
        if found:
            return found[0]
        time.sleep(0.1)
    pytest.fail(f"{number} is not on record")


def test_what_does_not_get_in_is_on_record(project: Project, trained: str, edited: Callable, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    settings = {"SERVICE_API_KEY": "s3cret", "SERVICE_MAX_BODY_MB": "0.01", "SERVICE_TIMEOUT": "2"}
    predict = "predictions = self.predict_columns("
    nap = f"import asyncio; await asyncio.sleep(60 if len(rows) == 7 else 0)\n        {predict}"
    edited("bike_demand/service.py", predict, nap)
    key = {"Authorization": "Bearer s3cret"}
    with serve(project, folder=project.root, IOLOG_DIR=str(log), **settings) as service:
        port = int(service.url.rpartition(":")[2])
        expected = {}

        def ask(number: str, status: int, body: bytes | dict, **more: str) -> dict:
            found, answer = call(service.url, body, **{"X-Request-ID": number} | key | more)
            assert (found, answer["request_id"]) == (status, number)
            expected[number] = status
            return answer

        def begin(number: str, length: int) -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.putrequest("POST", "/predict")
            for name, value in {"X-Request-ID": number, "Content-Length": str(length), **key}.items():
                connection.putheader(name, value)
            connection.endheaders(b'{"rows": [')
            expected[number] = 0
            return connection

        ask("good", 200, {"rows": [ROW]})
        ask("no-key", 401, {"rows": [ROW]}, Authorization="")
        ask("wrong-key", 401, {"rows": [ROW]}, Authorization="Bearer s3cre")
        ask("other-header", 200, {"rows": [ROW]}, Authorization="", **{"X-API-Key": "s3cret"})
        for page, status in (("/metrics", 401), ("/docs.json", 401), ("/livez", 200), ("/readyz", 200)):
            try:
                with urllib.request.urlopen(f"{service.url}{page}") as response:
                    assert response.status == status
            except urllib.error.HTTPError as error:
                assert error.code == status
        assert "10,485 bytes" in ask("large", 413, {"rows": [ROW] * 200})["error"]
        ask("compressed", 415, b"{}", **{"Content-Encoding": "gzip"})
        ask("bomb", 400, b"[" * 10_000)
        ask("not-json", 400, b"\xff\xfe{")
        assert "no answer within 2 seconds" in ask("slow-model", 504, {"rows": [ROW] * 7})["error"]

        chunks = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"X-Request-ID": "chunks", **key}
        chunks.request("POST", "/predict", iter([b"x" * 4000] * 4), headers, encode_chunked=True)
        assert chunks.getresponse().status == 413
        expected["chunks"] = 413

        slow = begin("slow-client", 100)
        response = slow.getresponse()
        assert response.status == 408 and "did not arrive within 2 seconds" in json.load(response)["error"]
        expected["slow-client"] = 408
        begin("hung-up", 100).close()
        expected["hung-up"] = 499
        impatient = begin("impatient", 12)
        impatient.send(b"]}")
        impatient.close()
        until_recorded(log, "hung-up")
        until_recorded(log, "impatient")
        del expected["impatient"]  # refused for its empty list, and that or its hanging up is on record
        found = statuses(log)
        assert {number: found.get(number) for number in expected} == expected
        cut = {record["id"]: record["cut"] for record in lines(log) if "cut" in record}
        assert cut["chunks"]["in"] > 10_485 and cut["large"]["in"] > 10_485 and cut["no-key"]["in"] > 100
        assert cut["hung-up"] == {"in": 100}


def metric(service: Service, name: str) -> float:
    """A Prometheus counter of the service."""
    with urllib.request.urlopen(f"{service.url}/metrics") as response:
        lines = [line.split() for line in response.read().decode().splitlines()]
    return sum(float(line[1]) for line in lines if line[0] == name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    as_root = [] if os.name == "posix" and os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nobody here may mount a small file system")
    yield disk
    subprocess.run([*as_root, "umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("on_error", ["warn", "fail"])
def test_a_full_disk(project: Project, trained: str, small_disk: Path, tmp_path: Path, on_error: str) -> None:
    log, ballast = small_disk / "iolog", small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    settings = {"IOLOG_DIR": str(log), "IOLOG_ON_ERROR": on_error}
    with serve(project, folder=project.root, **settings) as service:
        before = {
            str(number): call(service.url, {"rows": [ROW] * 20}, **{"X-Request-ID": str(number)})[0]
            for number in range(250)
        }
        failed, found = metric(service, "iolog_failed_total"), statuses(log)
        assert 0 < failed < 250, "the disk is not full"
        assert metric(service, "iolog_written_total") == len(found) == 250 - failed
        if on_error == "warn":
            assert set(before.values()) == {200}
        else:
            assert {number for number, status in before.items() if status == 200} == set(found)
            assert set(before.values()) == {200, 503}
            status, answer = call(service.url, {"rows": [ROW] * 20})
            assert status == 503 and "could not be recorded" in answer["error"]
        truths = {"actuals": [{"prediction_id": f"{number}:0", "actual": 1} for number in range(50)]}
        assert call(service.url, truths, "/actuals")[0] == 503, "a truth that is not on record is lost"

        ballast.unlink()
        after = {
            f"after-{number}": call(service.url, {"rows": [ROW] * 20}, **{"X-Request-ID": f"after-{number}"})[0]
            for number in range(20)
        }
        assert set(after.values()) == {200}
        assert after.items() <= statuses(log).items()
        assert call(service.url, truths, "/actuals")[0] == 200

        shutil.rmtree(log)
        assert call(service.url, {"rows": [ROW]}, **{"X-Request-ID": "new-folder"})[0] == 200
        assert statuses(log) == {"new-folder": 200}
    output = service.output.read_text()
    assert output.count("the I/O log fails") == 1 and output.count("the I/O log works again") == 1, output


def test_a_sample_is_the_same_everywhere_and_weighs_what_it_stands_for(
    project: Project, trained: str, tmp_path: Path
) -> None:
    log = tmp_path / "iolog"
    with serve(project, folder=project.root, IOLOG_DIR=str(log), IOLOG_SAMPLE_RATE="0.25") as service:
        for number in [*range(400), *range(400)]:
            assert call(service.url, {"rows": [ROW]}, **{"X-Request-ID": f"r{number}"})[0] == 200
        assert call(service.url, {"actuals": [{"prediction_id": "r1:0", "actual": 5}]}, "/actuals")[0] == 200
        truths = [record for record in lines(log) if record["route"] == "/actuals"]
        kept = Counter(record["id"] for record in lines(log) if record["route"] == "/predict")
        assert metric(service, "iolog_sampled_out_total") + metric(service, "iolog_written_total") == 801
    assert set(kept.values()) == {2} and 50 < len(kept) < 150
    assert [truth["rate"] for truth in truths] == [1.0]
    script = "print(iolog.predictions(folder=log).aggregate('sum(1 / rate)').fetchall()[0][0])"
    assert float(python(project, script, str(log)).splitlines()[-1]) == 4 * 2 * len(kept)


def test_personal_data_does_not_touch_the_disk(
    project: Project, trained: str, edited: Callable, tmp_path: Path
) -> None:
    log = tmp_path / "iolog"
    for field, rule in (("hum", "drop"), ("windspeed", "hash")):
        edited(
            "bike_demand/data.py",
            f"{field}: float = Field(",
            f'{field}: float = Field(json_schema_extra={{"iolog": "{rule}"}}, ',
        )
    said = project.run("bentoml", "serve", code=1)
    assert "the log keeps a hash of windspeed: set IOLOG_HASH_KEY" in said and "Traceback" not in said
    secrets = ROW | {"hum": 0.123454321, "windspeed": 0.543212345}
    with serve(project, folder=project.root, IOLOG_DIR=str(log), IOLOG_HASH_KEY="k") as service:
        for body in (
            {"rows": [secrets, secrets]},
            {"rows": [secrets | {"hr": 99}]},
            {"rows": [secrets | {"hun": "0.123454321", "0.543212345": 1}]},
            {"rows": [secrets | {"windspeed": "x0.543212345"}]},
            {"rows": ["0.123454321"]},
            json.dumps(secrets).encode()[:-1],
        ):
            call(service.url, body)
    everything = b"".join(path.read_bytes() for path in [*log.rglob("*.jsonl"), service.output])
    assert len(lines(log)) == 6 and b"0.123454321" not in everything and b"0.543212345" not in everything
    script = """
iolog.compact(log)
rows = iolog.predictions(folder=log)
print(json.dumps([rows.columns, rows.project("windspeed, hr").fetchall()]))
"""
    columns, rows = json.loads(python(project, script, str(log)).splitlines()[-1])
    assert "hum" not in columns and len(rows) == 2
    assert rows[0] == rows[1] and len(rows[0][0]) == 32 and rows[0][1] == 8


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("IOLOG_SAMPLE_RATE", "2", "IOLOG_SAMPLE_RATE=2: input should be less than or equal to 1"),
        ("IOLOG_ON_ERROR", "ignore", "IOLOG_ON_ERROR=ignore: input should be 'warn' or 'fail'"),
        ("SERVICE_MAX_BODY_MB", "many", "SERVICE_MAX_BODY_MB=many: input should be a valid number"),
        ("SERVICE_WORKERS", "0", "SERVICE_WORKERS=0: input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    project: Project, trained: str, setting: str, value: str, sentence: str
) -> None:
    said = project.run("bentoml", "serve", code=1, **{setting: value})
    assert sentence in said and "Traceback" not in said


def write_segments(log: Path, segments: int, records: int) -> None:
    """Closed segments as the service writes them, with ids that count."""
    folder = log / "raw" / "dt=2012-07-04"
    folder.mkdir(parents=True)
    head = {
        "v": 1,
        "id": "",
        "ts": "",
        "route": "/predict",
        "status": 200,
        "ms": 1.5,
        "model": "bikes:v1",
        "bento": None,
    }
    for segment in range(segments):
        with (folder / f"host-1-abcdef01-{segment}.jsonl").open("w") as file:
            for number in range(segment * records, (segment + 1) * records):
                about = {"id": f"r{number}", "ts": f"2012-07-04T{number % 24:02}:00:00.000001Z", "rate": 1.0}
                body = {"in": {"rows": [ROW, ROW]}, "out": {"predictions": [1.5, number]}}
                file.write(json.dumps(head | about | body) + "\n")


COUNT = """
found = iolog.predictions(folder=log).aggregate("count(*) AS n, count(DISTINCT prediction_id) AS ids, sum(prediction)")
print(json.dumps(found.fetchall()[0]))
"""


def test_a_compaction_that_is_killed_again_and_again_or_runs_twice_at_once(project: Project, tmp_path: Path) -> None:
    log, dice = tmp_path / "iolog", random.Random(7)
    write_segments(log, segments=12, records=500)
    expected = json.loads(python(project, COUNT, str(log)).splitlines()[-1])
    assert expected[:2] == [12_000, 12_000]
    command = [
        project.commands / "python",
        "-c",
        "import sys; from bike_demand.ops import iolog; iolog.compact(sys.argv[1])",
    ]
    for _ in range(6):
        both = [subprocess.Popen([*command, str(log)], env=project.settings, cwd=project.root) for _ in range(2)]
        give_up = time.monotonic() + 60
        left = len(list(log.glob("raw/*/*")))
        while len(list(log.glob("raw/*/*"))) == left > 0 and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.2))
        for process in both:
            process.kill()
            process.wait()
        assert json.loads(python(project, COUNT, str(log)).splitlines()[-1]) == expected
    python(project, "iolog.compact(log)", str(log))
    assert not list(log.glob("raw/*/*"))
    assert len(list(log.glob("archive/*/*.jsonl"))) == 12
    assert json.loads(python(project, COUNT, str(log)).splitlines()[-1]) == expected


def test_the_job_compacts_quarantines_and_forgets_only_what_is_compacted(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    write_segments(log, segments=2, records=10)
    segments = sorted(log.glob("raw/*/*"))
    with segments[0].open("ab") as file:
        file.write(b'not a record\n{"v":2}\n{"v":1,"id":"torn')
    old_columns = segments[1].read_text().replace('"windspeed"', '"wind"')
    segments[1].write_text(old_columns)
    open_segment = log / "raw" / "dt=2012-07-05" / "host-1-abcdef02-0.jsonl.open"
    open_segment.parent.mkdir()
    open_segment.write_text(old_columns)
    said = project.run("job", "run", "iolog", IOLOG_DIR=str(log), IOLOG_KEEP_DAYS="0")
    folder, run = last_run(project, "iolog")
    assert run["figures"] == {
        "segments": 3,
        "requests": 30,
        "predictions": 60,
        "actuals": 0,
        "quarantined": 3,
        "deleted": 3,
    }, said
    assert "3 lines are no records" in (folder / "report.html").read_text(encoding="utf-8")
    [quarantined] = log.glob("quarantine/*/*.jsonl")
    assert quarantined.read_bytes() == b'not a record\n{"v":2}\n{"v":1,"id":"torn'
    assert not list(log.glob("raw/*/*")) and not list(log.glob("archive/*/*"))
    script = "print(iolog.predictions(folder=log).aggregate('count(windspeed), count(wind), count(hr)').fetchall()[0])"
    assert python(project, script, str(log)).splitlines()[-1] == "(20, 40, 60)"
    assert "IOLOG_KEEP_DAYS=soon: say a number" in project.run("job", "run", "iolog", code=1, IOLOG_KEEP_DAYS="soon")


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


def test_pandas_dask_and_duckdb_read_the_folder(project: Project, trained: str, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    with serve(project, folder=project.root, IOLOG_DIR=str(log)) as service:
        answers = [call(service.url, {"rows": [ROW] * 3})[1]["predictions"] for _ in range(5)]
    python(project, "iolog.compact(log)", str(log))
    with_dask = [
        sys.executable,
        "-m",
        "uv",
        "run",
        "--quiet",
        "--no-sync",
        "--with",
        "dask[dataframe]",
        "python",
        "-c",
        OTHERS,
    ]
    done = subprocess.run(
        [*with_dask, str(log)], cwd=project.root, env=project.settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()[-3:]]
    total = pytest.approx(sum(sum(answer) for answer in answers))
    assert [(int(words[0]), float(words[1]), words[2]) for words in said] == [(15, total, "2011-05-01")] * 3
    assert said[0][3:] == ["int64", "datetime64[us,", "UTC]"] and said[2][3] == "BIGINT"


def test_labels_by_what_the_row_is_about(project: Project, trained: str, tmp_path: Path) -> None:
    log, labels = tmp_path / "iolog", tmp_path / "labels.csv"
    with serve(project, folder=project.root, IOLOG_DIR=str(log)) as service:
        _, answer = call(service.url, {"rows": [ROW | {"hr": hour} for hour in range(3)]})
        number = answer["request_id"]
        for actual in (5, 6):
            truth = {"prediction_id": f"{number}:1", "actual": actual, "event_time": "2011-05-01T02:00:00"}
            assert call(service.url, {"actuals": [truth]}, "/actuals")[1]["accepted"] == 1
        assert call(service.url, {"actuals": [{"prediction_id": "?", "actual": 1}]}, "/actuals")[0] == 400
    labels.write_text("dteday,hr,rented\n2011-05-01,0,7\n2011-05-01,2,9\n2011-05-02,2,1\n")
    script = """
posted = iolog.labelled(folder=log).order("hr").project("actual").fetchall()
table = iolog.labelled(folder=log, labels=sys.argv[2], key=["dteday", "hr"], actual="rented").order("hr")
print(json.dumps([posted, table.project("actual").fetchall(), len(iolog.actuals(folder=log))]))
"""
    for _ in range(2):  # from the records, and from the tables
        found = json.loads(python(project, script, str(log), str(labels)).splitlines()[-1])
        assert found == [[[None], [6.0], [None]], [[7], [None], [9]], 2]
        python(project, "iolog.compact(log)", str(log))


ON_S3 = COUNT.replace("folder=log", "")


def test_the_tables_on_s3(project: Project, trained: str, tmp_path: Path) -> None:
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "s3", "--python", sys.executable]
    subprocess.run(sync, cwd=project.root, env=project.settings, check=True)
    log = tmp_path / "iolog"
    with object_store(tmp_path) as store:
        store |= {"IOLOG_DIR": str(log), "IOLOG_STORE": "s3://records/bikes"}
        python(project, "import s3fs; s3fs.S3FileSystem().mkdir('records')", str(log), **store)
        write_segments(log, segments=3, records=100)
        expected = json.loads(python(project, ON_S3, str(log), **store).splitlines()[-1])
        assert expected[0] == 600
        said = project.run("job", "run", "iolog", **store)
        assert "segments         3" in said
        assert not list(log.rglob("*.jsonl")) and not list(log.rglob("*.parquet"))
        script = "import s3fs; print(json.dumps(s3fs.S3FileSystem().find('records/bikes')))"
        files = json.loads(python(project, script, str(log), **store).splitlines()[-1])
        kinds = Counter(path.split("/")[2] for path in files)
        assert kinds == {"archive": 3, "predictions": 3, "requests": 3}
        write_segments(tmp_path / "more", segments=4, records=100)
        (tmp_path / "more" / "raw" / "dt=2012-07-04" / "host-1-abcdef01-3.jsonl").rename(
            log / "raw" / "dt=2012-07-04" / "host-1-abcdef01-3.jsonl"
        )
        assert json.loads(python(project, ON_S3, str(log), **store).splitlines()[-1])[:2] == [800, 800]
        pruned = "print(iolog.predictions('2013-01-01').aggregate('count(*)').fetchall()[0][0])"
        assert python(project, pruned, str(log), **store).splitlines()[-1] == "0"
    down = project.run("job", "run", "iolog", code=1, **store)
    assert "iolog failed" in down
    assert len(list(log.glob("raw/*/*.jsonl"))) == 1, "what cannot be moved stays"
