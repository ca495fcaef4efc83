"""The example world, built once for all tests of the loop; each test gets a copy of its log and of champion.json."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from daybook import example, models
from daybook.contract import Contract
from daybook.world import World, example_world

SETTINGS = ("BENTOML_HOME", "CHAMPION_FILE", "IOLOG_DIR", "MODEL_STORE")


@functools.cache
def build() -> tuple[World, Path, dict[str, str]]:
    """A world, the project that it is in, and the settings that lead to it."""
    before, folder = dict(os.environ), Path.cwd()
    store = BentoMLContainer.model_store.get()
    os.environ.pop("IOLOG_STORE", None)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("daybook.world.isolate", _isolate)
            made = example_world()
        return made, Path.cwd(), {name: os.environ[name] for name in SETTINGS}
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(folder)
        BentoMLContainer.model_store.set(store)


def _isolate() -> Path:
    """A store of its own also where BentoML has looked at another one already."""
    from daybook.project import isolate

    home = isolate()
    (home / "models").mkdir(exist_ok=True)
    BentoMLContainer.model_store.set(ModelStore(home / "models"))
    return home


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The example world, in whose project the test runs; the log and champion.json are the test's own."""
    made, root, settings = build()
    shutil.copytree(settings["IOLOG_DIR"], tmp_path / "iolog")
    shutil.copy(settings["CHAMPION_FILE"], tmp_path / "champion.json")
    own = {"IOLOG_DIR": str(tmp_path / "iolog"), "CHAMPION_FILE": str(tmp_path / "champion.json")}
    for name, value in (settings | own).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("IOLOG_STORE", raising=False)
    monkeypatch.chdir(root)
    before = BentoMLContainer.model_store.get()
    BentoMLContainer.model_store.set(ModelStore(Path(settings["BENTOML_HOME"], "models")))
    yield made
    BentoMLContainer.model_store.set(before)


DATA = """
from daybook import example
from daybook.contract import Contract
from pydantic import Field, field_validator


class Row(example.Row):
    {fields}


class LabelledRow(Row):
    rentals: int


contract = Contract(LabelledRow, target="rentals", key=("day", "hour"), time="day", name="demand")
"""
MODEL = """
import numpy as np
from daybook import example
from daybook.example import TRUSTED, evaluate, fit, loss


def predict(estimator, columns):
    return example.predict(estimator, columns) + {shift}
"""


@pytest.fixture
def save_variant(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Contract, str]]:
    """Save a model whose contract has other fields, or which predicts by another formula; its contract and its tag."""

    def save(fields: str = "pass", shift: str = "0", **values: object) -> tuple[Contract, str]:
        root = example.project(tmp_path / f"variant-{len(list(tmp_path.iterdir()))}")
        sources = {"data": DATA.format(fields=fields), "model": MODEL.format(shift=shift)}
        spaces = {}
        for name, source in sources.items():
            (root / "demand" / f"{name}.py").write_text(source)
            spaces[name] = {"__name__": name}
            exec(source, spaces[name])
        contract, predict = spaces["data"]["contract"], spaces["model"]["predict"]
        days = (world.end - date(2024, 1, 1)).days
        rows = example.sample(200).assign(**values)
        rows = contract.validate(rows[rows["day"] < pd.Timestamp("2024-01-01") + pd.Timedelta(days=days - 40)])
        estimator = example.fit(rows)
        predictions = predict(estimator, contract.arrays(rows))
        metrics = example.evaluate(rows["rentals"], predictions)
        with monkeypatch.context() as patch:
            patch.chdir(root)
            return contract, models.save(contract, estimator, predict, rows, predictions, metrics=metrics)

    return save
