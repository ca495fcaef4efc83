"""A project whose model is a neural network: trained in PyTorch, served by ONNX Runtime, otherwise like any other."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from helpers import Project, last_run, serve, settle
from strangers import stranger, write
from template import bake, environment

pytestmark = pytest.mark.long
FEATURE = json.dumps("""feels = columns["atemp"] - columns["temp"]
    return np.column_stack([encoder.transform(columns), feels])""")[1:-1]  # as the chapter shows it
SAMPLE = """
import json
from bike_net.data import contract, load
from daybook.replay import requests
frame = load("sample").tail(300)
print(json.dumps({"rows": requests(contract, frame), "actuals": frame[contract.target].tolist()}))
"""
ABSENT = """
import importlib.util
print([name for name in ("torch", "sklearn", "skops", "onnx", "pandas") if importlib.util.find_spec(name)])
"""


def pip(folder: Path, *packages: str) -> Path:
    """An environment with PyTorch as pip finds it, and everything else by uv; returns the folder of its commands."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    commands = folder / ("Scripts" if sys.platform == "win32" else "bin")
    torch = [name for name in packages if name.startswith("torch")]
    if torch:
        subprocess.run([commands / "python", "-m", "pip", "install", "--quiet", "--quiet", *torch], check=True)
    rest = [name for name in packages if name not in torch]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", commands / "python", *rest]
    subprocess.run(uv, env=environment(), check=True)
    return commands


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a network, installed and committed."""
    root = bake(tmp_path_factory.mktemp("net"), model="net", project="bike-net")
    commands = pip(root / ".venv", "torch==2.13.0", "--editable", f"{root}[dev]")
    return settle(root, tmp_path_factory.mktemp("settings"), commands=commands)


@pytest.fixture(scope="module")
def trained(net: Project) -> str:
    """The tag of its model."""
    net.run("daybook", "run", "train")
    return last_run(net, "train")[1]["model"]


def post(url: str, body: dict) -> dict:
    """What a service answers."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_network_beats_the_baseline_and_is_onnx(net: Project, trained: str) -> None:
    metrics = last_run(net, "train")[1]["metrics"]
    assert metrics["mae"] < metrics["baseline_mae"]
    path = Path(net.settings["BENTOML_HOME"], "models", *trained.split(":"))
    assert (path / "model.onnx").is_file() and not (path / "model.skops").exists()
    libraries = json.loads((path / "examples.json").read_bytes())["libraries"]
    assert "onnxruntime" in libraries and not {"torch", "scikit-learn"} & libraries.keys()


def test_network_is_served_logged_and_backtested(net: Project, trained: str, tmp_path: Path) -> None:
    net.run("daybook", "run", "promote", "-p", f"candidate={trained}", "-p", "force=true", "-p", "reason=the first one")
    net.run("bentoml", "build")
    sample = json.loads(net.python(SAMPLE).splitlines()[-1])
    service = Project(
        net.root, pip(tmp_path / "service", str(net.root)), net.settings
    )  # the service's own dependencies
    assert service.python(ABSENT).strip() == "[]"
    with serve(service, "bike-net:latest", folder=net.root) as running:
        response = post(f"{running.url}/predict", {"rows": sample["rows"]})
        with urllib.request.urlopen(f"{running.url}/model/") as page:
            assert json.load(page)["device"] == "cpu"
        with urllib.request.urlopen(f"{running.url}/metrics") as page:
            assert f'daybook_model{{device="cpu",model="{trained}"' in page.read().decode()
        [path] = running.log.glob("contracts/*/*.json")
        assert json.loads(path.read_bytes())["x-device"] == "cpu"
        ids = (f"{response['request_id']}:{number}" for number in range(len(sample["actuals"])))
        actuals = [{"prediction_id": id, "actual": y} for id, y in zip(ids, sample["actuals"], strict=True)]
        assert post(f"{running.url}/actuals", {"actuals": actuals})["accepted"] == len(actuals)
    candidate = "import sys; from daybook.cli import main; print('exit', main(sys.argv[1:]))"
    net.run("daybook", "run", "train", "-p", "max_iter=5", "-p", "end=2012-12-10")
    other = last_run(net, "train")[1]["model"]
    printed = net.python(candidate, "run", "backtest", "-p", "days=20", "-p", f"candidates={other}")
    assert printed.split()[-1] in ("0", "3"), printed
    decision = json.loads((last_run(net, "backtest")[0] / "decision.json").read_bytes())
    assert {trained, other} == set(decision["inputs"]["models"])
    net.git("checkout", "--quiet", "champion.json")


def test_network_takes_the_feature_of_its_chapter(net: Project, trained: str) -> None:
    path = next(net.root.glob("nbs/*01_train.ipynb"))
    text, plain = path.read_text(encoding="utf-8"), "return encoder.transform(columns)"
    assert all(line in text for line in FEATURE.split("\\n")), "the chapter shows another example"
    try:
        path.write_text(text.replace(f"    {plain}", f"    {FEATURE}"), encoding="utf-8")
        net.run("nbdev-export")
        net.run("daybook", "run", "train", "-p", "max_iter=2")
        tag = last_run(net, "train")[1]["model"]
        columns = "m.estimator.columns - len(m.estimator.encoder.names)"
        assert net.python(f"from daybook import models; m = models.load({tag!r}); print({columns})").strip() == "1"
    finally:
        net.git("checkout", "--quiet", ".")


def test_network_refuses_another_device(net: Project, trained: str) -> None:
    done = net.python(f"from daybook import models; models.load({trained!r})", code=1, SERVICE_DEVICE="cuda").strip()
    assert "SERVICE_DEVICE is cuda, and ONNX Runtime cannot use a GPU here" in done.splitlines()[-1]
    assert "SERVICE_DEVICE=tpu" in net.python(
        f"from daybook import models; models.load({trained!r})", code=1, SERVICE_DEVICE="tpu"
    )


def test_network_passes_the_tests_of_its_project(net: Project, trained: str) -> None:
    net.run("pytest", "-q")
    assert net.status() == ""


@pytest.mark.parametrize("name", ["weather", "penguins"])
def test_network_learns_a_stranger_s_table(net: Project, name: str) -> None:
    table = stranger(name)
    try:
        write(net, table)
        net.run("daybook", "adopt", "past.csv", *table.args)
        net.run("daybook", "run", "train")
        metrics = last_run(net, "train")[1]["metrics"]
        assert metrics["log_loss"] < metrics["baseline_log_loss"] * 1.2
    finally:
        net.git("checkout", "--quiet", ".")
        net.git("clean", "--quiet", "--force", "-d", "-x", "--exclude=.venv", "--exclude=*.egg-info")
