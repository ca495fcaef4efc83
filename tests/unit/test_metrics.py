"""Metrics: the project's loss and evaluate are all that is used, and have to agree."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from daybook import example
from daybook.metrics import Metrics, metrics_of_part
from daybook.project import DaybookError

Y_TRUE, Y_PRED = np.array([3.0, 5.0]), np.array([4.0, 2.0])


def euros(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Too few cost more than too many."""
    return np.where(y_pred < y_true, 3 * (y_true - y_pred), y_pred - y_true)


def test_metrics_are_the_projects() -> None:
    assert Metrics(example.loss, example.evaluate).of(Y_TRUE, Y_PRED) == {"mae": 2.0, "bias": -1.0}
    money = Metrics(euros, lambda y_true, y_pred: {"euros": euros(y_true, y_pred).mean(), "n": 2})
    assert money.of(Y_TRUE, Y_PRED) == {"euros": 5.0, "n": 2.0}


@pytest.mark.parametrize(
    "loss, evaluate, sentence",
    [
        (euros, example.evaluate, "evaluate says mae is 2, and the mean of loss is 5: the first metric must be"),
        (euros, lambda *_: {}, "evaluate returns no metric"),
        (lambda *_: 1.0, lambda *_: {"one": 1.0}, r"an array of shape \(\) for 2 rows"),
        (lambda y, p: (y - p) / 0.0, lambda *_: {"one": 1.0}, "loss returns -inf for y_true=3 and y_pred=4"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_metrics_that_cannot_decide_are_refused(loss: Callable, evaluate: Callable, sentence: str) -> None:
    with pytest.raises(DaybookError, match=sentence):
        Metrics(loss, evaluate).of(Y_TRUE, Y_PRED)


def test_part_of_one_class_has_the_deciding_metric() -> None:
    def nats(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return -np.log(np.where(y_true > 0.5, y_pred, 1 - y_pred))

    def evaluate(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
        return {"log_loss": log_loss(y_true, y_pred), "roc_auc": roc_auc_score(y_true, y_pred)}

    metrics, y_true, y_pred = Metrics(nats, evaluate), np.array([0.0, 1, 1]), np.array([0.2, 0.7, 0.6])
    assert metrics_of_part(metrics, "log_loss", y_true, y_pred)["roc_auc"] == 1
    assert metrics_of_part(metrics, "log_loss", y_true[1:], y_pred[1:]) == {
        "log_loss": pytest.approx(-np.log([0.7, 0.6]).mean())
    }
