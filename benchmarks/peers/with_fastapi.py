"""FastAPI with pydantic rows and a JSON logging handler that writes each request's input and output to a file."""

import logging
import os

from bike_demand.data import Row
from columns import predict_columns
from fastapi import FastAPI
from pydantic import BaseModel
from pythonjsonlogger.json import JsonFormatter

from daybook.models import load


class Rows(BaseModel):
    """What comes in."""

    rows: list[Row]


class Predictions(BaseModel):
    """What goes out."""

    predictions: list[float]


app = FastAPI()
model = load(os.environ["MODEL"]).estimator
logger = logging.getLogger("predictions")
handler = logging.FileHandler("predictions.jsonl")
handler.setFormatter(JsonFormatter("%(asctime)s %(message)s"))
logger.addHandler(handler)
logger.setLevel(logging.INFO)


@app.post("/predict")
async def predict(body: Rows) -> Predictions:
    """One prediction for each row."""
    columns = {name: [getattr(row, name) for row in body.rows] for name in Row.model_fields}
    answer = Predictions(predictions=predict_columns(model, columns).tolist())
    logger.info("predicted", extra={"input": body.model_dump(mode="json"), "output": answer.model_dump(mode="json")})
    return answer
