"""A model of any contract: saved with its encoder and without `TRUSTED`, and pictures for each task."""

from pathlib import Path

import numpy as np
import pytest
import skops.io
from kinds import ended, lasted, late, of, timeless, trips
from sklearn.base import BaseEstimator, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge, TweedieRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from small_models import FRAME, notebook, save

from daybook import models
from daybook.artifact import KNOWN
from daybook.contract import Contract
from daybook.example import contract
from daybook.prediction_pictures import calibration, calibration_picture, confusion, confusion_picture
from daybook.training_report import draw_importance, draw_predictions, importance

TRAIN = """
from daybook.encoder import Encoder
from daybook.example import contract, evaluate, loss
from sklearn.ensemble import HistGradientBoostingRegressor


def fit(frame, columns):
    encoder = Encoder(contract).fit(columns)
    trees = HistGradientBoostingRegressor(max_iter=5).fit(encoder.transform(columns), frame["rentals"])
    return {"encoder": encoder, "trees": trees}


def predict(estimator, columns):
    return estimator["trees"].predict(estimator["encoder"].transform(columns))
"""


def test_save_trusts_the_encoder_and_its_trees(demand: Path) -> None:
    tag = save(TRAIN)
    cells, columns = notebook(TRAIN), contract.arrays(FRAME)
    model = models.load(tag)
    np.testing.assert_array_equal(model.predict(FRAME), cells.predict(cells.fit(FRAME, columns), columns))
    assert model.estimator["encoder"].names == ["day_weekday", "day_month", "hour", "temp", "weather", "holiday"]


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestRegressor(n_estimators=3),
        GradientBoostingRegressor(n_estimators=3),
        KNeighborsRegressor(),
        KNeighborsRegressor(algorithm="ball_tree", metric="manhattan"),
        MLPRegressor(max_iter=3),
        MLPRegressor(max_iter=3, solver="sgd"),
        StackingRegressor([("ridge", Ridge())], RandomForestRegressor(n_estimators=3)),
        make_pipeline(SimpleImputer(), SplineTransformer(), SelectKBest(f_regression, k=2), Ridge()),
        TweedieRegressor(power=1.5),
        TweedieRegressor(power=0, link="identity"),
        CalibratedClassifierCV(ExtraTreesClassifier(3)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_estimators_of_scikit_learn_are_known(estimator: BaseEstimator) -> None:
    random = np.random.default_rng(0)
    x = random.random((60, 3))
    y = x[:, 0] > 0.5 if is_classifier(estimator) else x.sum(axis=1)
    data = skops.io.dumps(estimator.fit(x, y))
    np.testing.assert_array_equal(skops.io.loads(data, trusted=list(KNOWN)).predict(x), estimator.predict(x))


@pytest.mark.parametrize("contract", [lasted, late, ended, timeless], ids=["number", "yes or no", "classes", "no time"])
def test_predictions_are_drawn_for_each_task(contract: Contract) -> None:
    frame, random = of(contract, trips()), np.random.default_rng(0)
    k = len(contract.classes)
    y_pred = random.dirichlet(np.ones(k), len(frame)) if k else random.random(len(frame))
    picture = draw_predictions(contract, frame, y_pred)
    assert picture.html.count("<img alt=") == 2 and len(picture.alt.splitlines()) == 2


def test_predictions_of_a_single_row_are_drawn() -> None:
    for each, y_pred in ((lasted, np.ones(1)), (late, np.ones(1)), (ended, np.full((1, 3), 1 / 3))):
        assert draw_predictions(each, of(each, trips()).head(1), y_pred).alt


def test_confusion_counts_rows_by_actual_and_most_probable_class() -> None:
    counts = confusion(np.array([0.0, 1.0, 1.0]), np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]]))
    assert counts.tolist() == [[1, 0], [1, 1]]


def test_confusion_is_drawn_for_few_and_many_classes_of_any_name() -> None:
    for k in (2, 3, 15):
        names = [f"${n} a class with a long name_{n}^" for n in range(k)]
        figure, alt = confusion_picture(np.eye(k, dtype=int) * 1200, names)
        assert alt.startswith(f"Confusion matrix: 100% of {1200 * k:,} rows right; of the classes $0 a class")
        texts = [text.get_text() for text in figure.axes[0].texts]
        assert texts == ["100%\n1,200" if k < 13 else "100"] * k


def test_calibration_is_by_tenths_of_the_predictions() -> None:
    y_pred = np.random.default_rng(0).random(1005)
    found = calibration(y_pred * 2, y_pred)
    assert found["n"].sum() == 1005 and set(found["n"]) == {100, 101} and len(found) == 10
    assert found["predicted"].is_monotonic_increasing
    np.testing.assert_allclose(found["actual"], 2 * found["predicted"])
    assert len(calibration(y_pred[:3], y_pred[:3])) == 3


@pytest.mark.parametrize(
    ("y_true", "has_intervals"), [((np.arange(100) % 4 == 0) * 1.0, True), (np.arange(100.0), False)]
)
def test_calibration_of_shares_has_intervals(y_true: np.ndarray, has_intervals: bool) -> None:
    figure, alt = calibration_picture(y_true, np.linspace(0.1, 0.4, 100))
    [bars] = [each for each in figure.axes[0].collections if len(each.get_segments()) == 10]
    lengths = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    assert all((length > 0.2) == has_intervals for length in lengths) and alt.count(" and ") == 11


def test_importance_finds_the_field_that_decides() -> None:
    frame = of(lasted, trips())

    def predict(columns: dict[str, np.ndarray]) -> np.ndarray:
        return np.nan_to_num(columns["weight"]) * 3

    rises = importance(lasted, frame, predict, lambda y_true, y_pred: np.abs(y_pred - y_true))
    assert rises.index[0] == "weight" and rises.iloc[0] > 1
    assert (rises.drop("weight") == 0).all() and set(rises.index) == set(lasted.fields)
    few = importance(lasted, frame, predict, lambda y_true, y_pred: np.abs(y_pred - y_true), most_rows=50)
    assert few.index[0] == "weight"
    assert draw_importance(rises, "mae").alt.startswith("Rise of mae if a field is shuffled: weight ")
