"""MLflow: a pyfunc model made from this file. Run as a script, it saves that model into the folder it is given."""

import os
import sys

import mlflow
import numpy as np
import pandas as pd
from bike_demand.data import Row
from columns import predict_columns

from daybook.models import load


class Model(mlflow.pyfunc.PythonModel):
    """The pipeline, for MLflow."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:
        """Load the model."""
        self.model = load(os.environ["MODEL"]).estimator

    def predict(self, context: mlflow.pyfunc.PythonModelContext, model_input: pd.DataFrame) -> np.ndarray:
        """One prediction for each row."""
        return predict_columns(self.model, model_input)


mlflow.models.set_model(Model())

if __name__ == "__main__":
    example = {"dteday": "2012-01-01", "hr": 8, "holiday": False, "workingday": True, "weathersit": 1}
    frame = pd.DataFrame([{name: example.get(name, 0.5) for name in Row.model_fields}])
    signature = mlflow.models.infer_signature(frame, np.array([1.0]))
    mlflow.pyfunc.save_model(sys.argv[1], python_model=__file__, signature=signature, pip_requirements=[])
