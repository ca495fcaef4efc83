"""A contract of three classes without a time, its model, and a project of both."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from daybook import example, models
from daybook.contract import Contract

DATA = """
from enum import Enum
from typing import Literal

from daybook.contract import Contract
from pydantic import BaseModel, Field


class Flower(BaseModel):
    "A flower, as it is measured."

    number: str = Field(max_length=8)
    sepal_length: float = Field(alias="sepal length", ge=0)
    sepal_width: float = Field(ge=0)
    petal_length: float | None = Field(ge=0)
    petal_width: float = Field(ge=0)
    garden: Literal["north", "south"] = Field(json_schema_extra={{"iolog": "{garden}"}})


class LabelledFlower(Flower):
    "A flower, and what it is."

    species: {target}


contract = Contract(LabelledFlower, target="species", key={key}, name="flowers")
"""
MODEL = """
import numpy as np
from sklearn.linear_model import LogisticRegression

from .data import contract

NUMBERS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def features(columns):
    return np.column_stack([np.nan_to_num(columns[name], nan=3.0) for name in NUMBERS])


def fit(frame, **options):
    y_true = contract.y_true(frame[contract.target])
    return LogisticRegression(**options).fit(features(contract.arrays(frame)), y_true)


def predict(estimator, columns):
    known = estimator.predict_proba(features(columns))
    result = np.zeros((len(known), len(contract.classes)))
    result[:, estimator.classes_.astype(int)] = known
    return result


def loss(y_true, y_pred):
    likelihood = np.asarray(y_pred)[np.arange(len(y_true)), np.asarray(y_true, dtype=int)]
    return -np.log(np.maximum(likelihood, 1e-15))


def evaluate(y_true, y_pred):
    is_right = np.asarray(y_pred).argmax(axis=1) == np.asarray(y_true)
    return {"log_loss": float(np.mean(loss(y_true, y_pred))), "accuracy": float(np.mean(is_right))}
"""
TARGET, KEY = 'Literal["setosa", "versicolor", "virginica"]', '("number",)'
CENTRES = np.array([[5.0, 3.4, 1.5, 0.3], [5.9, 2.8, 4.3, 1.3], [6.4, 2.9, 5.3, 1.9]])


def sample(contract: Contract, n: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Flowers of all classes, sorted by what they are, as such tables are."""
    random = np.random.default_rng(seed)
    position = np.sort(random.integers(0, len(contract.classes), n))
    numbers = np.clip(CENTRES[position % 3] + random.normal(0, 0.5, (n, 4)), 0.1, None).round(1)
    columns = ["sepal length", "sepal_width", "petal_length", "petal_width"]
    frame = pd.DataFrame(numbers, columns=columns).assign(number=[f"F{k}" for k in range(n)])
    frame.loc[random.random(n) < 0.02, "petal_length"] = np.nan
    frame["garden"] = random.choice(["north", "south"], n)
    return contract.validate(frame.assign(species=[contract.classes[each] for each in position]))


def project(
    folder: Path, target: str = TARGET, key: str = KEY, garden: str = "keep", model: str = MODEL
) -> SimpleNamespace:
    """Write a project of flowers; its contract and the functions of its model."""
    root = example.project(folder, "flowers")
    data = DATA.format(target=target, key=key, garden=garden)
    (root / "flowers" / "data.py").write_text(data)
    (root / "flowers" / "model.py").write_text(model)
    space = {"__name__": "__main__"}
    exec(data, space)
    exec(model.replace("from .data import contract", ""), space)
    names = ("contract", "fit", "predict", "loss", "evaluate")
    return SimpleNamespace(root=root, **{name: space[name] for name in names})


def save(flowers: SimpleNamespace, frame: pd.DataFrame, **metadata: object) -> str:
    """Fit a model on rows and save it, in the working directory's project."""
    estimator = flowers.fit(frame)
    predictions = flowers.predict(estimator, flowers.contract.arrays(frame))
    metrics = flowers.evaluate(flowers.contract.y_true(frame["species"]), predictions)
    args = flowers.contract, estimator, flowers.predict, frame, predictions
    return models.save(*args, metrics=metrics, metadata=metadata)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of models, a log and a champion of the test's own."""
    (tmp_path / "bentoml" / "models").mkdir(parents=True)
    for name in ("MODEL_STORE", "IOLOG_STORE", "DAYBOOK_RUN_ID", "DAYBOOK_RUN_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    monkeypatch.setenv("IOLOG_DIR", str(tmp_path / "iolog"))
    monkeypatch.setenv("CHAMPION_FILE", str(tmp_path / "champion.json"))
    (tmp_path / "champion.json").write_text('{"model": null, "metrics": {}, "reason": "None yet."}')
    before = BentoMLContainer.model_store.get()
    BentoMLContainer.model_store.set(ModelStore(tmp_path / "bentoml" / "models"))
    yield tmp_path
    BentoMLContainer.model_store.set(before)


@pytest.fixture
def flowers(home: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A project of flowers, in which the test runs."""
    made = project(home / "project")
    monkeypatch.chdir(made.root)
    return made
