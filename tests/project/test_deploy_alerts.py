"""Alerts fire when they should, and only then."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from deployment import rules, tool
from template import bake


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder deploy/ of a fresh project."""
    return bake(tmp_path_factory.mktemp("deploy")) / "deploy"


def requests(status: int, endpoint: str = "/predict") -> str:
    """A series of BentoML's counter."""
    return f'bentoml_service_request_total{{endpoint="{endpoint}",http_response_code="{status}"}}'


def took(seconds: str) -> str:
    """A series of BentoML's histogram."""
    return f'bentoml_service_request_duration_seconds_bucket{{endpoint="/predict",le="{seconds}"}}'


WRITTEN, FAILED, SAMPLED_OUT = (f"iolog_{what}_total{{}}" for what in ("written", "failed", "sampled_out"))
UNSHIPPED = "iolog_unshipped_seconds{}"
WELL = {
    "up{}": "1x60",
    requests(200): "0+600x60",
    requests(500): "0x60",
    WRITTEN: "0+600x60",
    FAILED: "0x60",
    SAMPLED_OUT: "0x60",
    UNSHIPPED: "0+20x30 0+20x29",
    took("1.0"): "0+600x60",
    took("2.5"): "0+600x60",
    took("+Inf"): "0+600x60",
}
YOUNG = {name: f"_x20 {values}" for name, values in WELL.items()}
TARGET, ALL = {"job": "bike-demand", "instance": "a:3000"}, {}
READY = TARGET | {"endpoint": "/readyz", "http_response_code": "503"}


@pytest.mark.parametrize(
    ("world", "minute", "fire"),
    [
        ({}, 30, {}),
        ({requests(400): "0+60x60", WRITTEN: "0+660x60"}, 30, {}),
        ({FAILED: "0x20 1x40"}, 20, {}),
        ({FAILED: "0x20 1x40"}, 22, {"LogWriteFailed": TARGET}),
        ({FAILED: "0x20 1x40"}, 40, {}),
        (YOUNG | {FAILED: "_x20 3x40"}, 22, {"LogWriteFailed": TARGET}),
        (YOUNG | {FAILED: "_x20 3x40"}, 40, {}),
        ({FAILED: "0+600x60", WRITTEN: "0x60"}, 30, {"LogWriteFailed": TARGET}),
        ({UNSHIPPED: "0+60x60"}, 24, {}),
        ({UNSHIPPED: "0+60x60"}, 27, {"LogNotShipped": TARGET}),
        ({UNSHIPPED: "0+60x30 0x30"}, 40, {}),
        ({UNSHIPPED: None}, 30, {}),
        ({WRITTEN: "0+599x60"}, 1, {}),
        ({WRITTEN: "0+599x60"}, 30, {"ResponseNotLogged": {"instance": "a:3000"}}),
        ({WRITTEN: None, FAILED: None, SAMPLED_OUT: None}, 30, {"ResponseNotLogged": {"instance": "a:3000"}}),
        ({WRITTEN: "0+150x60", SAMPLED_OUT: "0+450x60"}, 30, {}),
        ({requests(401): "0+60x60", requests(405): "0+60x60"}, 30, {}),
        ({requests(200, "/actuals"): "0+1x60"}, 30, {"ResponseNotLogged": {"instance": "a:3000"}}),
        ({"up{}": "1x20 0x40"}, 21, {}),
        ({"up{}": "1x20 0x40"}, 23, {"ServiceDown": TARGET}),
        (dict.fromkeys(WELL), 30, {"ServiceDown": {"job": "bike-demand"}}),
        ({requests(500): "0+3x60", WRITTEN: "0+603x60"}, 30, {}),
        ({requests(500): "0+12x60", WRITTEN: "0+612x60"}, 30, {"ErrorShareHigh": ALL}),
        ({requests(503): "0x20 0+60x5 300x40", WRITTEN: "0+660x60"}, 40, {}),
        ({requests(503, "/readyz"): "_x20 1+6x40"}, 22, {}),
        ({requests(503, "/readyz"): "_x20 1+6x40", requests(200): "0+600x20 12000x40"}, 50, {"NotReady": READY}),
        ({requests(503, "/readyz"): "_x20 1+6x5 31x30"}, 40, {}),
        *(({requests(503, "/readyz"): "0x20 1 2x40"}, minute, {}) for minute in (22, 24, 26)),
        ({took("1.0"): "0+597x60"}, 30, {}),
        ({took("1.0"): "0+588x60"}, 8, {}),
        ({took("1.0"): "0+588x60"}, 30, {"LatencyHigh": ALL}),
    ],
)
def test_alerts_fire_when_they_should(
    deploy: Path, world: dict, minute: int, fire: dict[str, dict], tmp_path: Path
) -> None:
    promtool = tool("promtool", "Debian's prometheus")
    target = 'job="bike-demand",instance="a:3000"'
    series = [
        {"series": re.sub(r",?}", f",{target}}}", name).replace("{,", "{"), "values": values}
        for name, values in (WELL | world).items()
        if values
    ]
    expected = [
        {
            "eval_time": f"{minute}m",
            "alertname": rule["alert"],
            "exp_alerts": [
                {"exp_labels": labels | rule["labels"], "exp_annotations": rule["annotations"]}
                for alert, labels in fire.items()
                if alert == rule["alert"]
            ],
        }
        for rule in rules(deploy)
    ]
    assert fire.keys() <= {rule["alert"] for rule in rules(deploy)}
    test = {"interval": "1m", "input_series": series, "alert_rule_test": expected}
    content = {"rule_files": [str(deploy / "alerts.yaml")], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    for args in (("check", "rules", deploy / "alerts.yaml"), ("test", "rules", tmp_path / "test.yaml")):
        done = subprocess.run([promtool, *args], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
