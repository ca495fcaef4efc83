"""BentoML as its documentation has it: a DataFrame comes in, `bentoml.monitor` logs what came in and what goes out."""

import os
from typing import Annotated

import bentoml
import numpy as np
import pandas as pd
from columns import predict_columns

from daybook.models import load


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Stock:
    """The same model behind a plain service."""

    def __init__(self) -> None:
        self.model = load(os.environ["MODEL"]).estimator

    @bentoml.api
    def predict(
        self, df: Annotated[pd.DataFrame, bentoml.validators.DataframeSchema(orient="records")], /
    ) -> np.ndarray:
        """One prediction for each row."""
        with bentoml.monitor("bike_demand") as mon:
            for name in df:
                kind = "categorical" if name == "dteday" else "numerical"
                mon.log_batch(df[name], name=name, role="feature", data_type=kind)
            predictions = predict_columns(self.model, df)
            mon.log_batch(predictions, name="cnt", role="prediction", data_type="numerical")
        return predictions
