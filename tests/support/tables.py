"""Small tables for the tests of `daybook adopt`."""

import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from daybook.profile import Column, Profile
from daybook.sources import open_source

CONFIGURATION = """[project]
name = "shop"
[tool.nbdev]
lib_path = "{package}"
allowed_cell_metadata_keys = ["tags"]
put_version_in_init = false
update_pyproject = false
[tool.ruff]
line-length = 120
[tool.ruff.lint]
select = ["B", "E", "F", "I", "SIM", "UP", "W"]
"""


def orders(rows: int = 400) -> pd.DataFrame:
    """Orders as the texts of a CSV file: an id, dates in two forms, codes, a sentinel, a misspelling, a target."""
    days = pd.Series(pd.date_range("2024-01-01", periods=rows // 4).repeat(4)).reset_index(drop=True)
    late = [number * 7 % 11 < 3 for number in range(rows)]
    return pd.DataFrame(
        {
            "Order ID": [f"A{number:05}" for number in range(rows)],
            "day": days.dt.strftime("%Y-%m-%d"),
            "shipped": (days + pd.Timedelta("2D")).dt.strftime("%d.%m.%Y"),
            "zip": ["01067", "99084", "80331", "04109"] * (rows // 4),
            "class": ["std", "std", "exp", "eco"] * (rows // 4 - 1) + ["std", "std", "exp", "ecco"],
            "is_gift": ["yes", "no", "no"] * (rows // 3) + ["no"] * (rows % 3),
            "n_items": [str(number % 4 + 1) if number % 5 else None for number in range(rows)],
            "weight kg": [f"{number % 37 / 4 + 0.1:.2f}" if number % 50 else "-999" for number in range(rows)],
            "note": [None if number % 3 else f"left at door {number}" for number in range(rows)],
            "late": ["1" if each else "0" for each in late],
        }
    )


def profile(frame: pd.DataFrame, name: str = "orders.csv", formats: dict[str, str] | None = None) -> Profile:
    """The profile of a frame; its texts are those of a file."""
    return Profile(replace(open_source(frame), name=name), formats)


def column(values: Sequence[object], name: str = "x") -> Column:
    """The profile of one column."""
    return profile(pd.DataFrame({name: list(values)})).columns[name]


def git(*args: str) -> None:
    """Call git, as somebody."""
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.de", *args], check=True, capture_output=True)


def project(folder: Path) -> str:
    """Make a project with a table and an empty chapter, and no repository; returns the name of its package."""
    package = f"shop_{uuid.uuid4().hex[:8]}"
    for each in ("nbs", package):
        (folder / each).mkdir()
    (folder / "champion.json").write_text("{}")
    (folder / "pyproject.toml").write_text(CONFIGURATION.format(package=package))
    (folder / "nbs" / "00_data.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (folder / package / "__init__.py").touch()
    orders().to_csv(folder / "orders.csv", index=False)
    return package
