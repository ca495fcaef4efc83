"""LitServe: one worker behind its HTTP server."""

import os
import sys

import litserve
import numpy as np
from columns import predict_columns

from daybook.models import load


class Api(litserve.LitAPI):
    """What LitServe calls for each request."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.model = load(os.environ["MODEL"]).estimator

    def decode_request(self, request: dict) -> dict:
        """Columns from the rows of a request."""
        return {name: [row[name] for row in request["rows"]] for name in request["rows"][0]}

    def predict(self, columns: dict) -> np.ndarray:
        """One prediction for each row."""
        return predict_columns(self.model, columns)

    def encode_response(self, predictions: np.ndarray) -> dict:
        """What goes out."""
        return {"predictions": predictions.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, access_log=False)
