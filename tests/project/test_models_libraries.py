"""LightGBM, XGBoost and CatBoost in place of scikit-learn: `fit`, its import and the dependency change."""

import json
from pathlib import Path

import nbformat
import pytest
from helpers import Project, last_run, settle
from template import bake

pytestmark = pytest.mark.long
SKLEARN = "from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor"
OPTIONS = '{"max_iter": max_iter, "learning_rate": learning_rate, "random_state": seed, "early_stopping": False}'
LIBRARIES = {
    "lightgbm": (
        "lightgbm>=4.5,<5",
        "from lightgbm import LGBMClassifier as Classifier, LGBMRegressor as Regressor",
        '{"n_estimators": max_iter, "learning_rate": learning_rate, "random_state": seed, "verbose": -1}',
    ),
    "xgboost": (
        "xgboost-cpu>=3,<4",
        "from xgboost import XGBClassifier as Classifier, XGBRegressor as Regressor",
        '{"n_estimators": max_iter, "learning_rate": learning_rate, "random_state": seed}',
    ),
    "catboost": (
        "catboost>=1.2,<2",
        "from catboost import CatBoostClassifier as Classifier, CatBoostRegressor as Regressor",
        '{"n_estimators": max_iter, "learning_rate": learning_rate, "random_state": seed, "verbose": False,'
        ' "allow_writing_files": False}',
    ),
}
CHECK = """
import json, sys
from daybook import models
from PACKAGE.data import contract, load

frame, model = load("sample").tail(500), models.load(sys.argv[1])
together = model.predict(frame)
alone = [float(model.predict(frame.iloc[[row]])[0]) for row in (0, 7, 499)]
print(json.dumps([type(model.estimator["trees"]).__module__, together[[0, 7, 499]].tolist(), alone]))
"""


def replace_library(root: Path, library: str) -> None:
    """Edit a project as its owner would."""
    dependency, statement, options = LIBRARIES[library]
    replacements = {
        SKLEARN: statement,
        OPTIONS: options,
        "HistGradientBoostingRegressor(loss=loss, max_depth=max_depth or 8, **options)": "Regressor(**options)",
        "HistGradientBoostingClassifier(max_depth=max_depth or 4, **options)": "Classifier(**options)",
    }
    notebook = nbformat.read(root / "nbs" / "01_train.ipynb", as_version=4)
    sources = "\n".join(cell.source for cell in notebook.cells)
    assert all(sources.count(old) == 1 for old in replacements), "the chapter has changed: change this test too"
    for cell in notebook.cells:
        for old, new in replacements.items():
            cell.source = cell.source.replace(old, new)
    nbformat.write(notebook, root / "nbs" / "01_train.ipynb")
    project = root / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace('  "scikit-learn', f'  "{dependency}",\n  "scikit-learn', 1), encoding="utf-8")


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_library_takes_the_place_of_scikit_learn(tmp_path: Path, library: str, task: str) -> None:
    root = bake(tmp_path / "projects", task=task)
    replace_library(root, library)
    project: Project = settle(root, tmp_path / "settings")
    project.run("nbdev-export")
    project.run("daybook", "run", "train")
    run = last_run(project, "train")[1]
    loss = "mae" if task == "regression" else "log_loss"
    assert run["metrics"][loss] < run["metrics"][f"baseline_{loss}"]
    script = CHECK.replace("PACKAGE", root.name.replace("-", "_"))
    module, together, alone = json.loads(project.python(script, run["model"]).splitlines()[-1])
    assert module.startswith(library)
    assert together == pytest.approx(alone, rel=1e-6)
