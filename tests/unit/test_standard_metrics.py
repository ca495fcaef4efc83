"""Standard metrics: those of scikit-learn, for the three tasks, with a loss whose mean is the first of them."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from daybook.metrics import Metrics
from daybook.standard_metrics import Task, evaluate, loss

RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=50), RANDOM.normal(size=50)
BINARY = (RANDOM.random(50) < 0.3).astype(float), RANDOM.random(50)
CLASSES = RANDOM.integers(0, 4, 50).astype(float), RANDOM.dirichlet(np.ones(4), 50)
TASKS = {"regression": NUMBERS, "binary": BINARY, "multiclass": CLASSES}


@pytest.mark.parametrize("task", TASKS)
def test_first_metric_is_the_mean_of_the_loss(task: Task) -> None:
    metrics = Metrics(lambda *pair: loss(task, *pair), lambda *pair: evaluate(task, *pair))
    y_true, y_pred = TASKS[task]
    assert metrics.of(y_true, y_pred) == evaluate(task, y_true.tolist(), y_pred.tolist())
    assert loss(task, y_true, y_pred).shape == (50,)


def test_metrics_are_those_of_scikit_learn() -> None:
    numbers, binary, classes = (evaluate(task, *pair) for task, pair in TASKS.items())
    assert numbers["mae"] == pytest.approx(sklearn.mean_absolute_error(*NUMBERS))
    assert numbers["rmse"] == pytest.approx(sklearn.root_mean_squared_error(*NUMBERS))
    assert binary["log_loss"] == pytest.approx(sklearn.log_loss(*BINARY))
    assert binary["brier"] == pytest.approx(sklearn.brier_score_loss(*BINARY))
    assert classes["log_loss"] == pytest.approx(sklearn.log_loss(*CLASSES))
    assert classes["accuracy"] == pytest.approx(sklearn.accuracy_score(CLASSES[0], CLASSES[1].argmax(axis=1)))


def test_bias_is_positive_where_predictions_are_too_high() -> None:
    assert evaluate("regression", [1.0, 2.0], [2.0, 3.0])["bias"] == 1.0
    assert evaluate("binary", [0, 1], [0.5, 0.9])["bias"] == pytest.approx(0.2)


def test_metrics_of_one_class_are_finite_but_for_the_ranking() -> None:
    metrics = evaluate("binary", [1, 1], [0.5, 0.9])
    assert np.isnan(metrics.pop("roc_auc")) and np.isfinite(list(metrics.values())).all()
    assert np.isfinite(list(evaluate("multiclass", [2, 2], [[0, 0, 1], [0.2, 0.3, 0.5]]).values())).all()


def test_loss_of_no_chance_is_finite() -> None:
    assert 30 < loss("binary", [1], [0.0])[0] < 40
    assert 30 < loss("multiclass", [1], [[1.0, 0.0]])[0] < 40
