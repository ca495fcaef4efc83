"""Alerts go to a webhook: what is sent, and what is said when it cannot be."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daybook import notification
from daybook.cli import main
from daybook.notification import facts, lines, message, notify, post
from daybook.runs import Run, open_runs

RUN = Run("20240101T000000-01234567", "drift", "nbs/03_drift.ipynb", {}, "done", "2024-01-01T00:00:00", 4.2)
ALERT = replace(RUN, alert="hum has moved", summary="1 of 9 columns has moved", command="daybook run backtest")
CI = ("CI_JOB_URL", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


class Webhook(ThreadingHTTPServer):
    """Takes messages; the path of the address says what it answers, and after how long."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict, dict]] = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.append((self.path, dict(self.headers), body))
        _, status, *rest = self.path.partition("?")[0].split("/")
        if status == "slow":
            time.sleep(3)
            return
        self.send_response(int(status))
        if rest:
            self.send_header("Location", f"{self.server.url}/200")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A webhook on this machine."""
    for name in ("DAYBOOK_ALERT_URL", "DAYBOOK_RUN_ID", "http_proxy", "HTTP_PROXY", *CI):
        monkeypatch.delenv(name, raising=False)
    server = Webhook()
    yield server
    server.shutdown()
    server.server_close()


def test_notify_posts_json_that_people_and_programs_read(
    server: Webhook, probe: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("DAYBOOK_ALERT_URL", f"{server.url}/202?sig=secret")
    notify([replace(ALERT, metrics={"moved": 1, "psi": float("nan")}, host="vm")], open_runs())
    [(path, headers, body)] = server.taken
    assert path == "/202?sig=secret" and headers["Content-Type"] == "application/json"
    expected = {"project": "probes", "job": "drift", "run": RUN.id, "alert": "hum has moved", "host": "vm"}
    expected |= {"summary": "1 of 9 columns has moved", "command": "daybook run backtest"}
    expected |= {"metrics": {"moved": 1, "psi": None}, "type": "message"}
    assert expected.items() <= body.items() and body["report"].endswith(f"runs/drift/{RUN.id}/report.html")
    assert body["text"].splitlines()[:3] == ["ALERT: drift of probes", "hum has moved", "1 of 9 columns has moved"]
    [card] = body["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["type"] == "AdaptiveCard" and "hum has moved" in json.dumps(card["content"]["body"])
    assert capsys.readouterr() == ("", "")


def test_message_calls_nobody_in_slack() -> None:
    content = message("hooks.slack.com", ["<!channel> & more"], {"job": "drift"})
    assert content == {"text": "&lt;!channel&gt; &amp; more"}
    for host in ("slack.com.example.org", "prod.westus.logic.azure.com", "default.environment.api.powerplatform.com"):
        assert {"text", "attachments", "job"} < set(message(host, ["<b>"], {"job": "drift"}))


def test_lines_name_the_pipeline(probe: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CI:
        monkeypatch.delenv(name, raising=False)
    assert (
        lines(ALERT, open_runs("memory://b/runs"), 1, 1)[-1] == f"report: memory:///b/runs/drift/{RUN.id}/report.html"
    )
    for name, value in zip(CI[1:], ("https://github.com", "ada/rentals", "7"), strict=True):
        monkeypatch.setenv(name, value)
    assert lines(ALERT, open_runs(), 1, 1)[-1] == "report: https://github.com/ada/rentals/actions/runs/7"
    monkeypatch.setenv("CI_JOB_URL", "https://gitlab.com/jobs/7")
    assert facts(ALERT, open_runs())["pipeline"] == "https://gitlab.com/jobs/7"


def test_lines_are_short_and_single(probe: Callable) -> None:
    run = replace(ALERT, alert="a\nb " + "x" * 9999, summary=None, command="c" * 9999)
    texts = lines(run, open_runs(), 3, 12)
    assert texts[0] == "ALERT: drift of probes (3 of 12 runs have one)" and texts[1].startswith("a b x")
    assert len(json.dumps(message("example.com", texts, facts(run, open_runs())))) < 28_000


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("500/token", "it answered with 500"),
        ("404/token", "it answered with 404"),
        ("307/token", "it answered with 307"),
        ("302/token", "it answered with 302"),
        ("slow/token", "it did not answer within 0.5 s"),
    ],
)
def test_notify_says_in_one_line_that_it_failed(
    server: Webhook,
    probe: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    path: str,
    why: str,
) -> None:
    monkeypatch.setattr(notification, "SECONDS", 0.5)
    monkeypatch.setenv("DAYBOOK_ALERT_URL", f"{server.url}/{path}")
    began = time.monotonic()
    notify([ALERT], open_runs())
    assert time.monotonic() - began < 2.5 and len(server.taken) == 1, "it follows no redirect"
    assert capsys.readouterr() == ("", f"the alert was not delivered to the webhook at 127.0.0.1: {why}\n")


def test_post_gives_up_on_what_never_answers() -> None:
    with socket.socket() as silent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(notification, "SECONDS", 0.3)
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert post(f"http://127.0.0.1:{port}/secret", {}) == "it did not answer within 0.3 s"
    assert post(f"http://127.0.0.1:{port}/secret", {}) == "Connection refused"
    assert "secret" not in post("http://no-such-host.invalid/secret", {})


@pytest.mark.parametrize(
    "url", ["hooks.slack.com/secret", "file:///secret", "https://ann:secret@host/", "https://h:x/"]
)
def test_notify_refuses_other_addresses(
    probe: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, url: str
) -> None:
    monkeypatch.setenv("DAYBOOK_ALERT_URL", url)
    notify([ALERT], open_runs())
    said = capsys.readouterr().err
    assert "DAYBOOK_ALERT_URL is no address of a webhook" in said and "secret" not in said and said.count("\n") == 1


def test_notify_is_for_alerts_alone(server: Webhook, probe: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_ALERT_URL", f"{server.url}/200")
    notify([RUN, replace(ALERT, status="failed")], open_runs())
    monkeypatch.setenv("DAYBOOK_RUN_ID", RUN.id)
    notify([ALERT], open_runs())  # of a job that another job has started
    monkeypatch.setenv("DAYBOOK_ALERT_URL", "")
    monkeypatch.delenv("DAYBOOK_RUN_ID")
    notify([ALERT], open_runs())
    assert server.taken == []


@pytest.mark.long
def test_commands_send_one_message(
    server: Webhook, probe: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    probe("from daybook.runs import record\nrecord(twice=2 * number, alert='large' if number > 1 else None)")
    monkeypatch.setenv("DAYBOOK_ALERT_URL", f"{server.url}/500/secret")
    assert main(["run", "probe"]) == 0 and not server.taken
    assert main(["run", "probe", "-p", "number=2"]) == 3 and len(server.taken) == 1
    assert main(["sweep", "probe", "-p", "number=1,2,3,4"]) == 0 and len(server.taken) == 2
    assert "(2 of 2 runs have one)" in server.taken[1][2]["text"], "two of the four were reused"
    assert main(["sweep", "probe", "-p", "number=1,2,3,4"]) == 0 and len(server.taken) == 2
    said = capsys.readouterr().err
    assert said.count("the alert was not delivered to the webhook at 127.0.0.1: it answered with 500") == 2
    assert "secret" not in said
