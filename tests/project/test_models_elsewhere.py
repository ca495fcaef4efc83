"""The champion on other machines: fetched from a folder or an object store, and only if it is the one."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from helpers import Project, object_store, serve

PROMOTE = "import sys; from daybook.champion import promote; promote(sys.argv[1], 'a test', {})"
SERVED = "from daybook.champion import served; print(served('bike_demand'))"
PREDICT = """
import json, sys
from daybook import models
model = models.load(sys.argv[1])
rows = [model.contract.Row(**row) for row in json.loads(sys.argv[2])]
print(json.dumps(model.predict(rows).tolist()))
"""
ROW = {"dteday": "2012-07-04", "hr": 17, "holiday": True, "workingday": False, "weathersit": 1}
ROW |= {"temp": 0.8, "atemp": 0.75, "hum": 0.5, "windspeed": 0.1}


@pytest.fixture
def settings(project: Project, tmp_path: Path) -> dict[str, str]:
    """A champion.json, a store of models and a log of its own."""
    (tmp_path / "champion.json").write_text('{"model": null, "metrics": {}, "reason": "None yet."}')
    names = {"CHAMPION_FILE": "champion.json", "IOLOG_DIR": "iolog", "MODEL_STORE": "models"}
    return {name: str(tmp_path / path) for name, path in names.items()}


def test_another_machine_fetches_the_champion(
    project: Project, trained: str, settings: dict[str, str], tmp_path: Path
) -> None:
    project.python(PROMOTE, trained, **settings)
    expected = json.loads(project.python(PREDICT, trained, json.dumps([ROW]), **settings))
    with serve(project, folder=project.root, **settings, BENTOML_HOME=str(tmp_path / "bentoml")) as service:
        with urllib.request.urlopen(f"{service.url}/model/") as response:
            assert json.load(response) == {"model": trained, "bento": None, "device": "cpu"}
        body, headers = json.dumps({"rows": [ROW]}).encode(), {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{service.url}/predict", body, headers)) as response:
            assert json.load(response)["predictions"] == expected
    elsewhere = {"MODEL_STORE": str(tmp_path / "nothing"), "BENTOML_HOME": str(tmp_path / "other")}
    output = project.run("bentoml", "build", code=1, **settings | elsewhere)
    assert f"there is no model {trained}, neither in this machine's store nor as" in output


def test_models_on_an_object_store(project: Project, trained: str, settings: dict[str, str], tmp_path: Path) -> None:
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "s3", "--python", sys.executable]
    subprocess.run(sync, cwd=project.root, env=project.settings, check=True)
    with object_store(tmp_path) as access:
        project.python("import s3fs; s3fs.S3FileSystem().mkdir('models')", **access)
        settings |= access | {"MODEL_STORE": "s3://models/bikes"}
        project.python(PROMOTE, trained, **settings)
        fetched = project.python(SERVED, **settings | {"BENTOML_HOME": str(tmp_path / "bentoml")})
        assert fetched.strip() == trained
        file = tmp_path / "champion.json"
        champion = json.loads(file.read_text())
        file.write_text(json.dumps(champion | {"sha256": "0" * 64}))
        output = project.python(SERVED, code=1, **settings | {"BENTOML_HOME": str(tmp_path / "again")})
        assert "is not the model that champion.json names" in output


def test_build_refuses_a_model_that_is_not_what_it_was(
    project: Project, trained: str, settings: dict[str, str], tmp_path: Path
) -> None:
    project.python(PROMOTE, trained, **settings)
    home = {"BENTOML_HOME": str(tmp_path / "bentoml")}
    project.python(SERVED, **settings, **home)
    [code] = (tmp_path / "bentoml").glob("models/bike_demand/*/code/bike_demand/model.py")
    code.write_text(f"raise SystemExit('run')\n{code.read_text()}")
    for command in (["build"], ["serve"]):
        output = project.run("bentoml", *command, code=1, **settings, **home)
        assert "is not the model that champion.json names: its hash differs" in output
        assert "Traceback" not in output
