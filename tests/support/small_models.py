"""Small models of the example's project, with whatever code a test wants."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from daybook import example, models
from daybook.example import contract

FRAME = example.sample(days=20)

LINE = """
import numpy as np
from daybook.example import evaluate, loss
from sklearn.linear_model import LinearRegression

TRUSTED = ()


def features(columns):
    return np.column_stack([np.nan_to_num(columns[name]) for name in {names}])


def fit(frame, columns):
    return LinearRegression().fit(features(columns), frame["rentals"])


def predict(estimator, columns):
    return estimator.predict(features(columns))
"""
HOUR, HOUR_AND_TEMP = LINE.format(names="('hour',)"), LINE.format(names="('hour', 'temp')")


def notebook(source: str, name: str = "__main__") -> ModuleType:
    """What a notebook knows after it has run these cells."""
    module = ModuleType(name)
    exec(source, vars(module))
    return module


def export(source: str, name: str = "model") -> None:
    """Write a module of the project in the working directory."""
    Path("demand", f"{name}.py").write_text(source, encoding="utf-8")


def save(source: str, estimator: Any = None, predict: Callable | None = None, **metadata: Any) -> str:
    """Export a training notebook and save its model; return the model's tag."""
    export(source)
    cells = notebook(source)
    columns = contract.arrays(FRAME)
    estimator = estimator or cells.fit(FRAME, columns)
    predictions = np.asarray(cells.predict(estimator, columns), dtype=float)
    predict, metrics = predict or cells.predict, {"mae": 1}
    return models.save(contract, estimator, predict, FRAME, predictions, metrics=metrics, metadata=metadata)
