"""Log entries for tests, as the service writes them."""

import json
from pathlib import Path
from typing import Any

from daybook.example import contract

ROW = {"day": "2024-01-02", "hour": 7, "temp": 4}


def line(number: int, status: int = 200, model: str = "demand:v1", **bodies: Any) -> bytes:
    """A log entry of the minute that its number says; `request` and `response` are its bodies."""
    time = f"2024-01-01T{number // 60 % 24:02}:{number % 60:02}:00.000000Z"
    head = {"v": 1, "id": f"r{number}", "ts": time, "route": "/predict", "status": status, "ms": 2.5}
    head |= {"model": model, "bento": None, "rate": 1.0, "in": bodies["request"], "out": bodies["response"]}
    return json.dumps(head).encode() + b"\n"


def answered(number: int, rows: list[Any] | str, predictions: list[Any], **more: Any) -> bytes:
    """A request that was answered with predictions."""
    request = {"rows": rows} if isinstance(rows, list) else rows
    return line(number, request=request, response={"predictions": predictions}, **more)


def received(number: int, actuals: dict[str, float]) -> bytes:
    """A request that brought actuals, by the ids of predictions."""
    sent = [{"prediction_id": key, "actual": value} for key, value in actuals.items()]
    return line(number, request={"actuals": sent}, response={"accepted": len(sent)})


def write_segment(folder: Path, *lines: bytes, name: str = "host-1-abcdef01-0.jsonl", day: str = "2024-01-01") -> Path:
    """A segment of a log."""
    path = folder / "raw" / f"dt={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def write_schema(folder: Path, schema: dict[str, Any] = contract.schema, tag: str = "demand:v1") -> None:
    """The contract of a model beside the segments."""
    path = folder / "contracts" / f"{tag.replace(':', '/')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**schema, "x-device": "cpu"}))
