"""What a real service refuses, leaves out or redacts, and what its log says of it."""

import http.client
import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Project, Service, serve, train
from traffic import ROW, call, metric, records, statuses, wait_for_record

KEY = {"Authorization": "Bearer s3cret"}
READ = """
import json, sys
from bike_demand.data import contract
from daybook.log import Log

log = Log(contract, sys.argv[1])
"""


class Client:
    """Sends requests under ids, checks their status, and remembers it."""

    def __init__(self, service: Service):
        self.url, self.expected = service.url, {}

    def send(self, number: str, status: int, body: bytes | dict, **headers: str) -> dict:
        """Send a body; the response, which must have this status."""
        received, response = call(self.url, body, **{"X-Request-ID": number} | KEY | headers)
        assert (received, response["request_id"]) == (status, number)
        self.expected[number] = status
        return response

    def begin(self, number: str, length: int, status: int) -> http.client.HTTPConnection:
        """Begin a request that declares a length, and send less."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.url.rpartition(":")[2]), timeout=30)
        connection.putrequest("POST", "/predict")
        for name, value in {"X-Request-ID": number, "Content-Length": str(length), **KEY}.items():
            connection.putheader(name, value)
        connection.endheaders(b'{"rows": [')
        self.expected[number] = status
        return connection

    def send_chunks(self, number: str, status: int, chunks: list[bytes]) -> None:
        """Send a body that declares no length."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.url.rpartition(":")[2]), timeout=30)
        connection.request("POST", "/predict", iter(chunks), {"X-Request-ID": number} | KEY, encode_chunked=True)
        assert connection.getresponse().status == status
        self.expected[number] = status


def page_status(url: str) -> int:
    """The status of a page, without a key."""
    try:
        with urllib.request.urlopen(url) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_rejections_are_logged(project: Project, trained: str, edited: Callable, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    settings = {"SERVICE_API_KEY": "s3cret", "SERVICE_MAX_BODY_MB": "0.01", "SERVICE_TIMEOUT": "2"}
    predict = "predictions = await self.predictor.respond("
    nap = f"import asyncio; await asyncio.sleep(60 if len(rows) == 7 else 0)\n        {predict}"
    edited("bike_demand/service.py", predict, nap)
    with serve(project, folder=project.root, IOLOG_DIR=str(log), **settings) as service:
        client = Client(service)
        client.send("good", 200, {"rows": [ROW]})
        client.send("no-key", 401, {"rows": [ROW]}, Authorization="")
        client.send("wrong-key", 401, {"rows": [ROW]}, Authorization="Bearer s3cre")
        client.send("other-header", 200, {"rows": [ROW]}, Authorization="", **{"X-API-Key": "s3cret"})
        pages = {page: page_status(f"{service.url}{page}") for page in ("/metrics", "/docs.json", "/livez", "/readyz")}
        assert pages == {"/metrics": 401, "/docs.json": 401, "/livez": 200, "/readyz": 200}
        assert "10,485 bytes" in client.send("large", 413, {"rows": [ROW] * 200})["error"]
        client.send("compressed", 415, b"{}", **{"Content-Encoding": "gzip"})
        client.send("bomb", 400, b"[" * 10_000)
        client.send("not-json", 400, b"\xff\xfe{")
        assert "no response within 2 seconds" in client.send("slow-model", 504, {"rows": [ROW] * 7})["error"]
        client.send_chunks("chunks", 413, [b"x" * 4000] * 4)

        response = client.begin("slow-client", 100, 408).getresponse()
        assert response.status == 408 and "did not arrive within 2 seconds" in json.load(response)["error"]
        client.begin("hung-up", 100, 499).close()
        impatient = client.begin("impatient", 12, 0)
        impatient.send(b"]}")
        impatient.close()
        wait_for_record(log, "hung-up")
        wait_for_record(log, "impatient")
        del client.expected["impatient"]  # it was refused for its empty list, or it hung up: either is logged
        logged = statuses(log)
        assert {number: logged.get(number) for number in client.expected} == client.expected
    cut = {record["id"]: record["cut"] for record in records(log) if "cut" in record}
    assert cut["chunks"]["in"] > 10_485 and cut["large"]["in"] > 10_485 and cut["no-key"]["in"] > 100
    assert cut["hung-up"] == {"in": 100}


def test_sample_is_the_same_everywhere_and_weighs_what_it_stands_for(
    project: Project, trained: str, tmp_path: Path
) -> None:
    log = tmp_path / "iolog"
    with serve(project, folder=project.root, IOLOG_DIR=str(log), IOLOG_SAMPLE_RATE="0.25") as service:
        for number in [*range(200), *range(200)]:
            assert call(service.url, {"rows": [ROW]}, **{"X-Request-ID": f"r{number}"})[0] == 200
        assert call(service.url, {"actuals": [{"prediction_id": "r1:0", "actual": 5}]}, "/actuals")[0] == 200
        assert metric(service, "iolog_sampled_out_total") + metric(service, "iolog_written_total") == 401
    logged = records(log)
    times = Counter(record["id"] for record in logged if record["route"] == "/predict")
    assert set(times.values()) == {2} and 25 < len(times) < 75
    assert [record["rate"] for record in logged if record["route"] == "/actuals"] == [1.0]
    weight = f"{READ}print(log.predictions().aggregate('sum(1 / rate)').fetchall()[0][0])"
    assert float(project.python(weight, log).splitlines()[-1]) == 4 * 2 * len(times)


COMPACTED = f"""{READ}
log.compact()
rows = log.predictions()
print(json.dumps([rows.columns, rows.project("windspeed, hr").fetchall()]))
"""


def test_personal_data_never_reaches_the_disk(project: Project, edited: Callable, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    for field, kind, rule in (("hum", "float", "drop"), ("windspeed", "float | None", "hash")):
        extra = f'json_schema_extra={{"iolog": "{rule}"}}, '
        edited("bike_demand/data.py", f"{field}: {kind} = Field(", f"{field}: {kind} = Field({extra}")
    model = train(project)  # it brings the contract that the service redacts by
    try:
        output = project.run("bentoml", "serve", code=1)
        assert "the log keeps a hash of windspeed: set IOLOG_HASH_KEY" in output and "Traceback" not in output
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
    finally:
        project.run("bentoml", "models", "delete", model, "--yes")
    everything = b"".join(path.read_bytes() for path in [*log.rglob("*.jsonl"), service.output])
    assert len(records(log)) == 6 and b"0.123454321" not in everything and b"0.543212345" not in everything
    columns, rows = json.loads(project.python(COMPACTED, log).splitlines()[-1])
    assert "hum" not in columns and len(rows) == 2
    assert rows[0] == rows[1] and len(rows[0][0]) == 32 and rows[0][1] == 8


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (
            {"IOLOG_SAMPLE_RATE": "2", "IOLOG_ON_ERROR": "ignore"},
            (
                "IOLOG_SAMPLE_RATE=2: input should be less than or equal to 1",
                "IOLOG_ON_ERROR=ignore: input should be 'warn' or 'fail'",
            ),
        ),
        (
            {"SERVICE_MAX_BODY_MB": "many", "SERVICE_WORKERS": "0"},
            (
                "SERVICE_MAX_BODY_MB=many: input should be a valid number",
                "SERVICE_WORKERS=0: input should be greater than or equal to 1",
            ),
        ),
    ],
    ids=["log", "service"],
)
def test_wrong_settings_are_a_sentence_each(
    project: Project, trained: str, settings: dict[str, str], sentences: tuple[str, ...]
) -> None:
    output = project.run("bentoml", "serve", code=1, **settings)
    assert all(sentence in output for sentence in sentences) and "Traceback" not in output
