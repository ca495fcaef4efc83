"""A target of several classes without a time: saved, served, logged, labelled, judged."""

from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from flowers import MODEL, project, sample, save
from test_serving import call, entries, service_of

from daybook import champion, models, serving
from daybook.log import Log
from daybook.predictions import ModelError
from daybook.project import DaybookError

pytest_plugins = "flowers"
ROW = {"number": "F1", "sepal length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
ROWS = [ROW | {"garden": "north"}, ROW | {"garden": "south", "petal_length": None, "petal_width": 1.8}]


def test_save_keeps_the_most_probable_class_and_all_probabilities(flowers: SimpleNamespace) -> None:
    tag = save(flowers, sample(flowers.contract))
    table = pq.read_table(models.reference(tag))
    first = table.slice(0, 1).to_pylist()[0]
    assert first["prediction"] == first["actual"] == "setosa"
    assert [name for name, _ in first["probabilities"]] == list(flowers.contract.classes)
    assert first["sepal length"] > 0 and {"first_day", "last_day"}.isdisjoint(models.metadata(tag))
    assert models.load(tag).predict(sample(flowers.contract, 9)).shape == (9, 3)


def test_save_takes_rows_that_lack_a_class(flowers: SimpleNamespace) -> None:
    frame = sample(flowers.contract)
    tag = save(flowers, frame[frame["species"] != "versicolor"])
    predictions = models.load(tag).predict(frame.head(5))
    assert (predictions[:, 1] == 0).all() and np.allclose(predictions.sum(axis=1), 1)


def test_save_refuses_a_model_that_leaves_out_a_class(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = "\n\ndef predict(estimator, columns):\n    return estimator.predict_proba(features(columns))\n"
    flowers = project(home / "short", model=MODEL + short)
    monkeypatch.chdir(flowers.root)
    frame = sample(flowers.contract)
    few = frame[frame["species"] != "versicolor"].reset_index(drop=True)
    with pytest.raises(ModelError, match=r"the shape \(\d+, 2\) for \d+ rows and 3 classes, not \(\d+, 3\)"):
        models.save(flowers.contract, flowers.fit(few), flowers.predict, few, np.full((len(few), 3), 1 / 3), metrics={})


def test_service_of_classes(flowers: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = save(flowers, sample(flowers.contract))
    champion.promote(tag, "The first one.", {})
    sent = [{"prediction_id": "r:0", "actual": "setosa"}]
    good, taken, unknown, number, document = call(
        service_of(serving.champion(flowers.contract)),
        ("POST", "/predict", {"rows": ROWS}),
        ("POST", "/actuals", {"actuals": sent}),
        ("POST", "/actuals", {"actuals": [sent[0] | {"actual": "tulip"}]}),
        ("POST", "/actuals", {"actuals": [sent[0] | {"actual": 1}]}),
        ("GET", "/docs.json", None),
    )
    predictions = good.json()["predictions"]
    assert [list(each) for each in predictions] == [list(flowers.contract.classes)] * 2
    expected = models.load(tag).predict([flowers.contract.Row(**row) for row in ROWS])
    assert [list(each.values()) for each in predictions] == expected.tolist()
    assert taken.json()["accepted"] == 1 and {unknown.status_code, number.status_code} == {400}
    assert "'setosa', 'versicolor' or 'virginica'" in unknown.json()["detail"][0]["msg"]
    assert "virginica" in document.text
    assert [entry["status"] for entry in entries(tmp_path / "iolog")] == [200, 200, 400, 400]
    log = Log(flowers.contract)
    for _ in range(2):  # as it was written, and as tables
        rows = log.predictions().order("prediction_id").to_arrow_table().to_pylist()
        assert [row["prediction"] for row in rows] == [max(each, key=each.get) for each in predictions]
        assert [dict(row["probabilities"]) for row in rows] == predictions
        assert log.actuals().project("prediction_id, actual").fetchall() == [("r:0", "setosa")]
        assert log.compact().quarantined == 0


def test_log_joins_actuals_of_classes(flowers: SimpleNamespace) -> None:
    frame, log = sample(flowers.contract, 300), Log(flowers.contract)
    tag = save(flowers, frame)
    predictions = models.load(tag).predict(frame)
    path = log.backfill(frame, predictions, tag, "2024-01-05")
    assert log.backfill(frame, predictions, tag, "2024-01-05") == path and len(log.predictions()) == 300
    rows = log.labelled(labels=frame[["number", "species"]])
    assert rows.filter("actual IS NULL").fetchall() == []
    is_right = rows.aggregate("avg(CAST(actual = prediction AS INT))").fetchall()[0][0]
    assert is_right == flowers.evaluate(flowers.contract.y_true(frame["species"]), predictions)["accuracy"]
    window = log.window()
    assert (str(window.start), str(window.end), len(window.rows)) == ("2023-12-09", "2024-01-06", 300)


def test_log_refuses_predictions_that_are_no_probabilities(flowers: SimpleNamespace) -> None:
    with pytest.raises(DaybookError, match="the shape"):
        Log(flowers.contract).backfill(sample(flowers.contract, 3), [0.0, 1.0, 2.0], "flowers:v1", "2024-01-05")


def test_tables_are_read_by_duckdb_alone(flowers: SimpleNamespace) -> None:
    frame, log = sample(flowers.contract, 30), Log(flowers.contract)
    log.backfill(frame, np.tile([0.5, 0.25, 0.25], (30, 1)), "flowers:v1", "2024-01-05")
    rows = duckdb.read_parquet(f"{log.folder}/predictions/**/*.parquet")
    assert rows.project("prediction, probabilities['virginica']").limit(1).fetchall() == [("setosa", 0.25)]
