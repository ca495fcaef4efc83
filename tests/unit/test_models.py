"""A model is what it was when it was made."""

import json
import shutil
import sys
from pathlib import Path

import bentoml
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression
from small_models import FRAME, HOUR, HOUR_AND_TEMP, export, save

from daybook import artifact, champion, example, models
from daybook.example import contract

MATRIX = np.nan_to_num(FRAME[["hour", "temp"]].to_numpy(float))
EXPECTED = LinearRegression().fit(MATRIX[:, :1], FRAME["rentals"]).predict(MATRIX[:, :1])


def folder_of(tag: str) -> Path:
    """Where a model's files are."""
    return Path(models.get(tag).path)


def test_load_gives_what_was_saved(demand: Path) -> None:
    tag = save(HOUR, note="mine")
    files = {path.relative_to(folder_of(tag)).as_posix() for path in folder_of(tag).rglob("*.*")}
    code = {f"code/demand/{name}.py" for name in ("__init__", "data", "model")}
    assert files == code | {"examples.json", "model.skops", "model.yaml", "reference.parquet", "row.json"}
    assert np.allclose(models.load(tag).predict(FRAME), EXPECTED)
    assert models.metadata(tag)["note"] == "mine"
    assert json.loads((folder_of(tag) / "row.json").read_text()) == contract.schema


def test_models_with_other_features_predict_in_one_process(demand: Path) -> None:
    first = save(HOUR)
    champion.promote(first, "the first", {})
    second = save(HOUR_AND_TEMP)
    old, new = models.load(first), models.load(second)
    assert np.allclose(old.predict(FRAME), EXPECTED)
    assert np.allclose(new.predict(FRAME), LinearRegression().fit(MATRIX, FRAME["rentals"]).predict(MATRIX))
    assert np.allclose(models.load(first).predict(FRAME), EXPECTED)
    assert (old.estimator.n_features_in_, new.estimator.n_features_in_) == (1, 2)


def test_load_needs_nothing_of_the_project(demand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = save(HOUR)
    shutil.rmtree(demand / "demand")
    (demand / "pyproject.toml").unlink()
    assert np.allclose(models.load(tag).predict(FRAME), EXPECTED)


def test_contract_of_imports_no_model(demand: Path) -> None:
    tag = save(HOUR)
    shutil.copytree(folder_of(tag), demand / "elsewhere")
    for name in [name for name in sys.modules if name.startswith("_demand_")]:
        del sys.modules[name]
    assert models.contract_of(tag).schema == contract.schema
    loaded = {name.partition(".")[2] for name in sys.modules if name.startswith("_demand_")}
    assert loaded == {"", "data"}


def test_predict_takes_rows_in_any_form(demand: Path) -> None:
    model = models.load(save(HOUR_AND_TEMP))
    rows = [model.contract.Row(day="2024-01-01", hour=hour, temp=None) for hour in range(3)]
    frame = FRAME.head(3).assign(temp=np.nan, hour=[0, 1, 2])
    assert model.predict(rows).dtype == np.float64
    assert np.array_equal(model.predict(rows), model.predict(frame))
    assert np.array_equal(model.predict(rows), model.predict(model.contract.arrays(rows)))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("np.zeros((len(columns['hour']), 1))", r"shape \(3, 1\) for 3 rows"),
        ("np.zeros(1)", r"shape \(1,\) for 3 rows"),
        ("0.0", r"shape \(\) for 3 rows"),
        ("np.array([1.0, np.nan, 1.0])", "returned nan for row 1"),
        ("np.array([1.0, 1.0, -np.inf])", "returned -inf for row 2"),
        ("['a', 'b', 'c']", "holds no numbers"),
        ("None", "holds no numbers|shape"),
    ],
)
def test_predict_refuses_what_is_no_prediction(demand: Path, result: str, message: str) -> None:
    too_hot = f"    if columns['temp'].max() > 90:\n        return {result}\n    return estimator.predict("
    model = models.load(save(HOUR.replace("    return estimator.predict(", too_hot)))
    with pytest.raises(models.ModelError, match=message):
        model.predict(FRAME.head(3).assign(temp=99.0))


def test_save_describes_the_model(demand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = {
        "id": "1",
        "job": "train",
        "notebook": "nbs/01_train.ipynb",
        "status": "running",
        "start": "2026-01-01T00:00",
    }
    parameters = {"source": "sample", "max_iter": 5, "start": None}
    (demand / "run.json").write_text(json.dumps(run | {"parameters": parameters}))
    monkeypatch.setenv("DAYBOOK_RUN_ID", "1")
    monkeypatch.setattr("daybook.runs.run_folder", lambda: demand)
    facts = models.metadata(save(HOUR))
    assert facts["parameters"] == {"source": "sample", "max_iter": 5}
    assert (facts["source"], facts["run"], facts["rows"]) == ("sample", "1", 480)
    assert (facts["first_day"], facts["last_day"], facts["metrics"]) == ("2024-01-01", "2024-01-20", {"mae": 1.0})
    assert facts["libraries"].keys() >= {"python", "daybook", "numpy", "scikit-learn"}
    assert facts["tolerance"] == 1e-9


def test_save_writes_the_reference_like_the_log(demand: Path) -> None:
    table = pq.read_table(models.reference(save(HOUR)))
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "day": "date32[day]",
        "hour": "int64",
        "temp": "double",
        "weather": "string",
        "holiday": "bool",
        "prediction": "double",
        "actual": "double",
    }
    assert table["temp"].null_count == FRAME["temp"].isna().sum() > 0
    assert table["actual"].to_pylist() == FRAME["rentals"].tolist()


def test_save_keeps_examples_with_gaps(demand: Path) -> None:
    examples = artifact.read_examples(folder_of(save(HOUR)))
    assert len(examples["rows"]) == len(examples["predictions"]) == 20
    assert sum(None in row.values() for row in examples["rows"]) == 10
    assert examples["rows"][0].keys() == {"day", "hour", "temp", "weather", "holiday"}


def test_all_models_names_the_champion(demand: Path) -> None:
    assert models.all_models("demand") == []
    first, second = save(HOUR), save(HOUR_AND_TEMP)
    champion.promote(first, "the first", {})
    assert [(entry["tag"], entry["champion"]) for entry in models.all_models("demand")] == [
        (second, False),
        (first, True),
    ]


def test_get_says_what_to_do(demand: Path) -> None:
    with pytest.raises(models.ModelNotFound, match="no model demand:latest in the store: train one with `daybook run"):
        models.get("demand:latest")
    assert not models.exists("demand:1")


def test_two_saves_have_two_tags(demand: Path) -> None:
    first, second = save(HOUR), save(HOUR)
    assert first != second == str(bentoml.models.get("demand:latest").tag)


def test_types_of_the_notebook_are_carried(demand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(demand)
    scaler = """

class Scaled(LinearRegression):
    "A type of this project."

    factor = {factor}

    def predict(self, X):
        return self.factor * super().predict(X)


def fit(frame, columns):
    return Scaled().fit(features(columns), frame["rentals"])


TRUSTED = ("demand.model.Scaled",)
"""
    first, second = save(HOUR + scaler.format(factor=2)), save(HOUR + scaler.format(factor=3))
    export("raise SystemExit('the project of today')")
    assert np.allclose(models.load(first).predict(FRAME), 2 * EXPECTED)
    assert np.allclose(models.load(second).predict(FRAME), 3 * EXPECTED)
    assert "demand.model" not in sys.modules


def test_examples_of_the_example_project(demand: Path) -> None:
    tag = example.save(FRAME)
    model = models.load(tag)
    assert np.array_equal(model.predict(FRAME), example.predict(model.estimator, contract.arrays(FRAME)))
