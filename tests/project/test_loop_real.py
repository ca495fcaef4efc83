"""Drift, backtest and promote over a log of the real file: the growth of 2012 that no column tells."""

import json
from pathlib import Path

import pytest
from helpers import REAL, Project
from loops import WORLD, World

pytestmark = pytest.mark.long
SETTINGS = {"BENTOML_HOME": "bentoml", "CHAMPION_FILE": "champion.json", "IOLOG_DIR": "iolog", "MODEL_STORE": "models"}


@pytest.fixture
def real(project: Project, tmp_path: Path) -> World:
    """The world of the real file, with an empty store at first."""
    if not REAL.exists():
        pytest.skip("the real data set is not here")
    (tmp_path / "champion.json").write_text('{"model": null, "metrics": {}, "reason": "None yet."}')
    world = World(project, tmp_path, {name: str(tmp_path / path) for name, path in SETTINGS.items()}, {})
    script = WORLD.replace("load()", f"load({str(REAL)!r})")
    world.models = json.loads(world.python(script, tmp_path).splitlines()[-1])
    return world


def test_loop_of_the_real_file(real: World) -> None:
    good, old, poor = (real.models[name] for name in ("good", "old", "poor"))
    real.run("drift", start="2012-01-01", end="2012-07-01", against="reference")
    assert real.read("drift", "drift.json")["verdict"] == "none", "the rows look like those of 2011"

    output = real.run("backtest", code=3, labels=real.labels, candidates=f"{poor},{good}")
    decision = real.read("backtest", "decision.json")
    assert decision["in_service"] > 1.5 * decision["when_made"] and f"ALERT: {decision['alert']}" in output
    assert (decision["verdict"], decision["comparison"]["candidate"]) == ("promote", good)
    assert decision["comparison"]["high"] < 0
    metrics = decision["metrics"]
    assert metrics[good]["mae"] < 0.75 * metrics[old]["mae"]
    assert metrics[old]["mae"] == pytest.approx(decision["in_service"])

    real.run("promote", candidate=good, decision=real.folder("backtest") / "decision.json")
    champion = json.loads((real.home / "champion.json").read_text())
    assert (champion["model"], champion["previous"], champion["decision"]) == (good, old, decision["run"])
    assert champion["metrics"] == metrics[good]
