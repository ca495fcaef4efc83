"""The notebooks are clean, the modules are what they export, the model is sound, and open questions are listed."""

import json
import shutil
import subprocess
import sysconfig
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from daybook.notebooks import all_notebooks, find_notebook, notebooks, why_unreadable

from {{cookiecutter.package}}.data import contract
from {{cookiecutter.package}}.model import evaluate, fit, loss, predict

PROJECT = Path(__file__).parents[1]
PACKAGE = "{{cookiecutter.package}}"


def sources(root: Path) -> dict[str, str]:
    """Path -> text, of all notebooks and modules."""
    files = [*(root / "nbs").rglob("*.ipynb"), *(root / PACKAGE).rglob("*.py")]
    names = {path.relative_to(root): path for path in files if path.name != "_modidx.py"}
    visible = {name: path for name, path in names.items() if not any(part.startswith(".") for part in name.parts)}
    return {name.as_posix(): path.read_text(encoding="utf-8") for name, path in visible.items()}


def test_notebooks_can_be_read() -> None:
    """No conflict markers of git, no byte order mark, no half a file; and no two jobs have the same name."""
    for path in all_notebooks():
        assert not why_unreadable(path), why_unreadable(path)
    for name in notebooks():
        find_notebook(name)


def test_notebooks_are_clean_and_exported(tmp_path: Path) -> None:
    for name in ("nbs", "pyproject.toml"):  # without the modules: one that no notebook exports is left over
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, tmp_path / name)
    (tmp_path / PACKAGE).mkdir()
    for command in ("nbdev-clean", "nbdev-export"):
        program = Path(sysconfig.get_path("scripts"), command)
        done = subprocess.run([program], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
    before, after = sources(PROJECT), sources(tmp_path)
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert not differ, f"{', '.join(differ)}: run nbdev-clean and nbdev-export, and delete modules without a notebook"


def open_questions(root: Path) -> list[str]:
    """The lines of all notebooks that hold a TODO."""
    questions = []
    for path in sorted((root / "nbs").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            lines = (line.strip(" -#\n") for line in "".join(cell["source"]).splitlines())
            questions += [f"{path.name}: {line}" for line in lines if line.startswith("TODO")]
    return questions


def test_open_questions_are_listed() -> None:
    """They stop nothing: pytest shows them as a warning until their lines are gone."""
    if questions := open_questions(PROJECT):
        warnings.warn("\n".join(["only you can answer these:", *questions]), stacklevel=1)


def test_fit_is_deterministic(frame: pd.DataFrame) -> None:
    columns = contract.arrays(frame)
    first, second = (predict(fit(frame, max_iter=10, seed=1), columns) for _ in range(2))
    assert (first == second).all()


def test_row_is_predicted_alone_as_among_others(frame: pd.DataFrame) -> None:
    estimator, columns = fit(frame, max_iter=10), contract.arrays(frame)
    together = predict(estimator, columns)
    for row in (0, len(frame) // 2, len(frame) - 1):
        alone = predict(estimator, {name: values[row : row + 1] for name, values in columns.items()})
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-6)


def test_first_metric_is_the_mean_of_the_loss(frame: pd.DataFrame) -> None:
    y_true, y_pred = contract.y_true(frame[contract.target]), predict(fit(frame, max_iter=10), contract.arrays(frame))
    losses = loss(y_true, y_pred)
    assert losses.shape == (len(frame),)
    np.testing.assert_allclose(next(iter(evaluate(y_true, y_pred).values())), losses.mean())
