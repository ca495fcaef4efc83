"""MLServer: a custom runtime, since its scikit-learn runtime knows neither skops nor features."""

import os
from collections.abc import Mapping

from columns import predict_columns
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse
from numpy.typing import ArrayLike

from daybook.models import load


class Runtime(MLModel):
    """What MLServer calls for each request."""

    async def load(self) -> bool:
        """Load the model."""
        self.model = load(os.environ["MODEL"]).estimator
        return True

    def columns(self, payload: InferenceRequest) -> Mapping[str, ArrayLike]:
        """What came in, as a DataFrame."""
        return self.decode_request(payload, default_codec=PandasCodec)

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One prediction for each row."""
        predictions = predict_columns(self.model, self.columns(payload))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("predict", predictions)])


class Lean(Runtime):
    """The same without a DataFrame."""

    def columns(self, payload: InferenceRequest) -> Mapping[str, ArrayLike]:
        """What came in, as one array a column."""
        return {column.name: self.decode(column) for column in payload.inputs}
