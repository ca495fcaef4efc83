"""Measure drift and backtest over a long log, drift beside Evidently and NannyML, and write benchmarks/loop.md.

build/env/bin/python benchmarks/loop.py [--rounds N] [--rows N] [--project PATH]

It bakes and installs a project under build/bench, makes an environment for each peer, and runs itself with their
Pythons. With --project it takes a project that is installed already, and the peers' environments of the time before.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from daybook.contract import Contract

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "build" / "bench" / "loop"
PEERS = {  # Evidently does not work with pandas 3, and NannyML does not require statsmodels
    "evidently": ("evidently", "pandas<3", "pyarrow"),
    "nannyml": ("nannyml", "pyarrow", "statsmodels"),
}
REFERENCE = 50_000  # rows
FLOATS = [f"x{number}" for number in range(7)]
NUMBERS, CATEGORIES = [*FLOATS, "number"], ["flag", "category"]
SHIFTED = {"x1", "x4", "category"}
SHIFT = 0.8  # standard deviations
SHARES = (0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.04, 0.01)
START = date(1700, 1, 1)  # of the hours to backtest: one occurs once, so a million of them is more than a century
KNOWN = 364  # days before the window, which the baselines are made of
LOGGED = datetime(2012, 7, 1, tzinfo=UTC)


def sample(random: "np.random.Generator", n: int, is_shifted: bool) -> "pd.DataFrame":
    """Rows of ten features; in a window that is shifted, three of them are."""
    import numpy as np
    import pandas as pd

    by = SHIFT * is_shifted
    first = SHARES[0] * (1 + is_shifted)
    rest = [share * (1 - first) / (1 - SHARES[0]) for share in SHARES[1:]]
    return pd.DataFrame(
        {
            "x0": random.normal(size=n),
            "x1": random.normal(size=n) + by,
            "x2": random.lognormal(0, 0.5, n),
            "x3": random.random(n),
            "x4": random.gamma(4, 1, n) + 2 * by,
            "x5": random.beta(2, 5, n),
            "x6": random.laplace(size=n),
            "number": random.poisson(12, n),
            "flag": random.random(n) < 0.3,
            "category": np.array([f"group {number}" for number in range(8)])[random.choice(8, n, p=[first, *rest])],
        }
    )


def contract() -> "Contract":
    """The contract of those rows, each of which is about a day."""
    from pydantic import create_model

    from daybook.contract import Contract

    kinds = dict.fromkeys(FLOATS, float) | {"number": int, "flag": bool, "category": str, "day": date}
    row = create_model("Features", **{name: (kind, ...) for name, kind in kinds.items()})
    return Contract(create_model("Labelled", __base__=row, y=(float, ...)), target="y", time="day", name="features")


def fill_drift(folder: Path, rows: int) -> None:
    """A reference, and a log as the project writes it, a file a day."""
    import numpy as np

    from daybook.log import Log

    random, part = np.random.default_rng(0), min(50_000, rows // 20)
    folder.mkdir(parents=True)
    sample(random, REFERENCE, False).to_parquet(folder / "reference.parquet", index=False)
    log = Log(contract(), folder)
    for number, first in enumerate(range(0, rows, part)):
        day = LOGGED + timedelta(number)
        frame = sample(random, min(part, rows - first), True).assign(day=day.date())
        log.backfill(frame, random.random(len(frame)), "features:1", day)


def fill_wide(folder: Path, rows: int) -> None:
    """The ten features ten times side by side, as a reference and a window."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    random, writer = np.random.default_rng(0), None
    folder.mkdir(parents=True)

    def wide(n: int) -> "pa.Table":
        parts = [sample(random, n, False).add_suffix(f"_{number}") for number in range(10)]
        return pa.Table.from_pandas(pd.concat(parts, axis=1), preserve_index=False)

    pq.write_table(wide(REFERENCE), folder / "reference.parquet")
    for _ in range(0, rows, REFERENCE):
        table = wide(REFERENCE)
        writer = writer or pq.ParquetWriter(folder / "window.parquet", table.schema)
        writer.write_table(table)
    writer.close()


def hours(rows: int) -> Iterator["pd.DataFrame"]:
    """The project's sample again and again, two years later each time."""
    import pandas as pd
    from bike_demand.data import contract, load

    frame = load()
    day = frame[contract.time]
    step = (day.max() - day.min()).days + 1
    for turn, first in enumerate(range(0, rows, len(frame))):
        moved = frame.assign(dteday=day - day.min() + pd.Timestamp(START) + pd.Timedelta(days=turn * step))
        assert not moved.duplicated(list(contract.key)).any()
        yield moved.head(rows - first)


def save_models() -> list[str]:
    """Tags of a champion and a candidate."""
    from bike_demand.data import contract, load
    from bike_demand.model import evaluate, fit, predict

    from daybook import models

    frame, tags = load(), []
    for trees in (100, 60):
        estimator = fit(frame, max_iter=trees)
        predictions = predict(estimator, contract.arrays(frame))
        metrics, metadata = evaluate(contract.y_true(frame[contract.target]), predictions), {"last_day": "1699-12-31"}
        tags.append(models.save(contract, estimator, predict, frame, predictions, metrics=metrics, metadata=metadata))
    return tags


def fill_backtest(folder: Path, rows: int) -> None:
    """A log of the champion, actuals for four of five rows, and two models."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from bike_demand.data import contract

    from daybook import models
    from daybook.log import Log

    folder.mkdir(parents=True)
    tags = save_models()
    (folder / "models.json").write_text(json.dumps(tags), encoding="utf-8")
    log, champion, writer, seen = Log(contract, folder), models.load(tags[0]), None, 0
    for frame in hours(rows):
        log.backfill(frame, champion.predict(frame), tags[0], frame[contract.time].min())  # before any actual is there
        known = frame[[(seen + position) % 5 != 0 for position in range(len(frame))]]
        seen += len(frame)
        received = known[contract.time].dt.tz_localize("UTC") + pd.Timedelta(days=2)
        columns = [*contract.key, contract.target]
        labels = pa.Table.from_pandas(known[columns].assign(received=received), preserve_index=False)
        writer = writer or pq.ParquetWriter(folder / "labels.parquet", labels.schema)
        writer.write_table(labels)
    writer.close()


def memory(line: str) -> float:
    """Memory of this process in MB: VmRSS what it has, VmHWM what it had at most."""
    [text] = [text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith(line)]
    return int(text.split()[1]) / 1024


class Meter:
    """Seconds and peak memory of one step after another; what is held when it is made is the imports."""

    def __init__(self) -> None:
        self.imports, self.seconds, self.peaks = memory("VmRSS"), {}, {}

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        """Take a step; return what it returns."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        began = time.perf_counter()
        result = work()
        self.seconds[name], self.peaks[name] = time.perf_counter() - began, memory("VmHWM")
        return result

    def result(self, *packages: str, **other: Any) -> dict[str, Any]:
        """All of it."""
        return {
            "seconds": sum(self.seconds.values()),
            "steps": self.seconds,
            "imports": self.imports,
            "peaks": self.peaks,
            "peak": max(self.peaks.values()),
            "versions": {name: version(name) for name in packages},
            **other,
        }


def drift_with_daybook(folder: Path) -> dict[str, Any]:
    """Read and compare as the project does."""
    import duckdb

    from daybook.change import Change, comparable
    from daybook.drift import compare
    from daybook.log import Log

    log = Log(contract(), folder)
    kinds = comparable(log.contract)
    assert kinds == dict.fromkeys(NUMBERS, "number") | dict.fromkeys(CATEGORIES, "category"), kinds
    meter = Meter()

    def work() -> list[Change]:
        return compare(duckdb.read_parquet(str(folder / "reference.parquet")), log.predictions(model="features"), kinds)

    changes = meter("compare", work)
    flagged = {change.name: [] for change in changes if change.reasons}
    return meter.result("duckdb", "pandas", "pyarrow", rows=changes[0].rows, flagged=flagged)


def wide_with_daybook(folder: Path) -> dict[str, Any]:
    """Compare a hundred columns."""
    import duckdb

    from daybook.change import Change
    from daybook.drift import compare

    both = dict.fromkeys(NUMBERS, "number") | dict.fromkeys(CATEGORIES, "category")
    kinds = {f"{name}_{number}": kind for number in range(10) for name, kind in both.items()}
    meter = Meter()

    def work() -> list[Change]:
        sides = (duckdb.read_parquet(str(folder / f"{name}.parquet")) for name in ("reference", "window"))
        return compare(*sides, kinds)

    changes = meter("compare", work)
    assert len(changes) == 100
    return meter.result(rows=changes[0].rows, flagged={change.name: [] for change in changes if change.reasons})


def with_pandas(folder: Path) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Reference and window, of the log only the features."""
    import pandas as pd

    window = pd.read_parquet(folder / "predictions" / "model=features", columns=[*NUMBERS, *CATEGORIES])
    return pd.read_parquet(folder / "reference.parquet"), window


def drift_with_evidently(folder: Path) -> dict[str, Any]:
    """Read with pandas, and compare as Evidently's preset does."""
    import pyarrow.dataset  # noqa: F401
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
    meter = Meter()

    def work() -> tuple[int, dict[str, Any]]:
        reference, window = (Dataset.from_pandas(frame, data_definition=definition) for frame in with_pandas(folder))
        return len(window.as_dataframe()), Report([DataDriftPreset()]).run(window, reference).dict()

    rows, report = meter("compare", work)
    metrics = {one["config"]["column"]: one for one in report["metrics"] if "column" in one["config"]}
    assert metrics.keys() == {*NUMBERS, *CATEGORIES}
    flagged = {name: [] for name, one in metrics.items() if one["value"] >= one["config"]["threshold"]}
    return meter.result("evidently", "pandas", rows=rows, flagged=flagged)


def drift_with_nannyml(folder: Path) -> dict[str, Any]:
    """Read with pandas, and compare as NannyML does, which looks at ten chunks; most of them decide."""
    import pyarrow.dataset  # noqa: F401
    from nannyml import UnivariateDriftCalculator

    meter = Meter()

    def work() -> tuple[int, "pd.DataFrame"]:
        reference, window = with_pandas(folder)
        calculator = UnivariateDriftCalculator(
            column_names=[*NUMBERS, *CATEGORIES],
            treat_as_numerical=NUMBERS,
            treat_as_categorical=CATEGORIES,
            continuous_methods=["jensen_shannon", "wasserstein", "kolmogorov_smirnov"],
            categorical_methods=["jensen_shannon", "chi2"],
        )
        return len(window), calculator.fit(reference).calculate(window).filter(period="analysis").to_df()

    rows, frame = meter("compare", work)
    alerts: dict[str, dict[str, bool]] = {}
    for name, method, what in frame.columns:
        if what == "alert":
            alerts.setdefault(name, {})[method] = bool(frame[name, method, what].mean() > 0.5)
    flagged = {
        name: [] if all(methods.values()) else [method for method, is_alert in methods.items() if is_alert]
        for name, methods in alerts.items()
        if any(methods.values())
    }
    return meter.result("nannyml", "pandas", rows=rows, flagged=flagged)


def backtest(folder: Path) -> dict[str, Any]:
    """Join, replay and judge, as the project's backtest does, over all days."""
    import skops.io  # noqa: F401
    from bike_demand.data import contract
    from bike_demand.model import evaluate, loss

    from daybook import models, scores
    from daybook.backtest import compare_candidates
    from daybook.checks import check_baseline
    from daybook.evaluation import evaluation_window
    from daybook.log import Log
    from daybook.metrics import Metrics
    from daybook.months import all_metrics, by_day, daily_losses, months
    from daybook.naive import naive_baselines
    from daybook.outcomes import outcomes
    from daybook.reference import learned
    from daybook.slices import slices

    tags = json.loads((folder / "models.json").read_bytes())
    champion, candidate = tags
    loaded = {tag: models.load(tag) for tag in tags}
    contracts = {tag: model.contract for tag, model in loaded.items()}
    log, metrics, labels = Log(contract, folder), Metrics(loss, evaluate), str(folder / "labels.parquet")
    meter = Meter()
    rows = meter("`outcomes`", lambda: outcomes(log, contracts, labels=labels))
    window = meter("`evaluation_window`", lambda: evaluation_window(rows, START + timedelta(KNOWN), None, 0))
    naive = meter("`naive_baselines`", lambda: naive_baselines(rows, champion, window))
    replayed = meter("`replay` of two models", lambda: scores.replay(window.rows, contract, champion, loaded, naive))
    days = meter("`by_day`", lambda: by_day(replayed, metrics))
    meter("`compare_candidates`", lambda: compare_candidates(days, champion, [candidate], 1000, 0.02))
    meter("`check_baseline`", lambda: check_baseline(days, champion, naive.words, "mae", 1000))
    total = meter("`all_metrics`", lambda: all_metrics(replayed, metrics, list(naive.words)))
    meter("`months`", lambda: months(rows, metrics, "mae", daily_losses(learned(champion), contract, metrics)))
    meter("`slices`", lambda: slices(window, contract, metrics, "mae"))
    assert naive.has_last and total.loc[champion, "n"] == days["n"].sum() == window.n
    assert scores.check_reproducible(replayed, window.rows, loaded[champion]) == window.n
    return meter.result(rows=rows.facts["predictions"], actuals=rows.facts["with_actual"], days=len(days))


WORK = {
    work.__name__: work
    for work in (
        *(fill_drift, fill_wide, fill_backtest, drift_with_daybook, wide_with_daybook),
        *(drift_with_evidently, drift_with_nannyml, backtest),
    )
}


class Bench:
    """The Pythons of the project and of its peers, and what they work on."""

    def __init__(self, project: Path | None) -> None:
        sys.path.insert(0, str(HERE.parent / "tools"))
        from template import bake, environment, install

        self.data = BENCH / "data"
        shutil.rmtree(self.data if project else BENCH, ignore_errors=True)
        self.project = project.resolve() if project else bake(BENCH)
        own = self.project / ".venv" / "bin" if project else install(self.project)
        self.pythons = {"daybook": own / "python"}
        self.settings = environment(
            BENTOML_HOME=str(self.data / "bentoml"), DO_NOT_TRACK="1", NML_DISABLE_USAGE_LOGGING="1"
        )
        for name, packages in PEERS.items():
            self.pythons[name] = BENCH / name / own.name / "python"
            if not self.pythons[name].exists():
                self.install(BENCH / name, packages)
        self.data.mkdir(parents=True)

    def install(self, folder: Path, packages: tuple[str, ...]) -> None:
        """An environment of its own."""
        uv = [sys.executable, "-m", "uv"]
        for words in (
            ["venv", "--quiet", "--python", sys.executable, folder],
            ["pip", "install", "--quiet", "--python", folder, *packages],
        ):
            subprocess.run([*uv, *words], env=self.settings, check=True)

    def run(self, who: str, work: str, folder: str, rows: int = 0) -> dict[str, Any]:
        """Do some work in a process of its own; raises with what it said if it fails."""
        words = [self.pythons[who], Path(__file__).resolve(), "--work", work, "--folder", self.data / folder]
        done = subprocess.run(
            [*words, "--rows", str(rows)], cwd=self.project, env=self.settings, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{who}, {work}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])


Results = dict[str, list[dict[str, Any]]]


def measure(ways: dict[str, Callable[[], dict[str, Any]]], rounds: int) -> Results:
    """What each way measured, round by round, all ways in each round, forwards and backwards."""
    results: Results = {name: [] for name in ways}
    for turn in range(rounds):
        for name in sorted(ways, key=list(ways).index, reverse=bool(turn % 2)):
            results[name].append(one := ways[name]())
            print(f"{name}: {one['seconds']:.2f} s, {one['peak']:.0f} MB", flush=True)
    return results


def taken(one: dict[str, Any]) -> float:
    """Memory at the peak, beyond the imports, in MB."""
    return one["peak"] - one["imports"]


def ratios(own: list[dict[str, Any]], other: list[dict[str, Any]], what: Callable[[dict], float]) -> list[float]:
    """How many times as much the other took, round by round."""
    return [what(one) / what(mine) for mine, one in zip(own, other, strict=True)]


def seconds(one: dict[str, Any]) -> float:
    """Of reading and computing."""
    return one["seconds"]


def drift_table(results: Results) -> str:
    """Time and memory of each way, and how often they are the first one's."""
    lines = ["| way | rows | seconds | ratio | MB at the peak, beyond imports | ratio | MB with imports |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    own, *_ = results.values()
    for name, all_ in results.items():
        both = [ratios(own, all_, what) for what in (seconds, taken)]
        spread = [f"{median(times):.1f} ({min(times):.1f} to {max(times):.1f})" for times in both]
        middle = [f"{median(map(what, all_)):,.{digits}f}" for what, digits in ((seconds, 1), (taken, 0))]
        peak = median(one["peak"] for one in all_)
        cells = [name, f"{all_[0]['rows']:,}", middle[0], spread[0], middle[1], spread[1], f"{peak:,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def is_as_planted(one: dict[str, Any]) -> bool:
    """Whether just the columns that are shifted are flagged, by all methods."""
    return one["flagged"].keys() == SHIFTED and not any(one["flagged"].values())


def verdicts(results: Results) -> str:
    """What each way flags."""
    lines = ["| way | flags | |", "|---|---|---|"]
    for name, (one, *_) in results.items():
        flagged = [
            f"`{column}`" + (f" (only by {', '.join(methods)})" if methods else "")
            for column, methods in sorted(one["flagged"].items())
        ]
        verdict = "as planted" if is_as_planted(one) else "not as planted"
        lines.append(f"| {name} | {', '.join(flagged) or 'nothing'} | {verdict} |")
    return "\n".join(lines)


def backtest_table(results: Results) -> str:
    """Seconds and peak memory of each step of both sizes."""
    lines = ["| step |", "|---|"]
    for all_ in results.values():
        lines[0] += f" {all_[0]['rows']:,} predictions: seconds | MB at the peak, beyond imports |"
        lines[1] += "---:|---:|"
    both = list(results.values())
    for step in both[0][0]["steps"]:
        cells = [
            f"{median(one['steps'][step] for one in all_):.1f} | "
            f"{median(one['peaks'][step] - one['imports'] for one in all_):,.0f}"
            for all_ in both
        ]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    cells = [f"{median(map(seconds, all_)):.1f} | {median(map(taken, all_)):,.0f}" for all_ in both]
    return "\n".join([*lines, f"| all | {' | '.join(cells)} |"])


def aims(drifts: Results, wide: list[dict[str, Any]], backtests: Results) -> str:
    """What was aimed at, and what was reached."""
    own, many, *peers = drifts
    best = min(peers, key=lambda name: median(map(seconds, drifts[name])))
    faster, less = (median(ratios(drifts[own], drifts[best], what)) for what in (seconds, taken))
    more = median(ratios(drifts[own], drifts[many], taken))
    backtest_more = median(ratios(*backtests.values(), taken))
    same, columns = is_as_planted(drifts[own][0]), median(map(seconds, wide))
    size, large = (drifts[name][0]["rows"] for name in (own, many))
    rows = [
        ("drift is 4 times faster than the faster peer", f"{faster:.1f} times, of {best}", faster >= 4),
        ("it takes a third of that peer's memory", f"1 / {less:.1f}", less >= 3),
        (f"{large:,} rows take no more memory than {size:,}", f"{more:.2f} times", more <= 1.05),
        (f"100 columns of {size:,} rows in 60 seconds", f"{columns:.0f} seconds", columns <= 60),
        ("it flags what is shifted, and nothing else", "it does" if same else "it does not", same),
        ("a backtest of twice the rows takes no more memory", f"{backtest_more:.2f} times", backtest_more <= 1.05),
    ]
    lines = [f"| {aim} | {measured} | {'reached' if is_met else 'missed'} |" for aim, measured, is_met in rows]
    return "\n".join(["| aim | measured | |", "|---|---|---|", *lines])


def machine() -> str:
    """What this was measured on."""
    facts = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in facts.read_text().splitlines() if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"{os.cpu_count()} cores, {name}, {platform.system()} {platform.release()}"


def versions(results: Results) -> str:
    """What was compared."""
    listed = [
        f"{name} with {', '.join(f'{package} {number}' for package, number in one['versions'].items())}"
        for name, (one, *_) in results.items()
        if one["versions"]
    ]
    return "; ".join(dict.fromkeys(listed))


def page(drifts: Results, wide: list[dict[str, Any]], backtests: Results, rounds: int) -> str:
    """The page."""
    own, *_ = drifts
    compared = {name: all_ for name, all_ in drifts.items() if all_[0]["rows"] == drifts[own][0]["rows"]}
    (first, *_), (second, *_) = backtests.values()
    shifted = ", ".join(f"`{name}`" for name in sorted(SHIFTED))
    return f"""# What drift and backtest cost

Written by `benchmarks/loop.py` on {time.strftime("%-d %B %Y")}: {machine()}; Python {platform.python_version()}.
{versions(compared)}. Each has an environment of its own: Evidently cannot be imported beside pandas 3, and NannyML
needs statsmodels, which it does not require.

{aims(drifts, wide, backtests)}

"No more" allows 5 %. {rounds} rounds, each way once in a round and in a process of its own, forwards and backwards.
Numbers are medians; a ratio is the median of the ratios within a round, with the smallest and the largest. Seconds are
those of reading and computing, without imports. Memory is the largest resident set, with and without what the process
held after its imports.

## Drift

A log of ten features (seven floats, an integer, a bool, a category of eight) beside a reference of {REFERENCE:,} rows.
Daybook reads the log's Parquet files with DuckDB and compares with `drift.compare`; the others read the ten columns of
the same files with pandas. Evidently runs its `DataDriftPreset` as it comes: Wasserstein or Jensen-Shannon distances of
0.1 and more. NannyML computes Jensen-Shannon, Wasserstein and Kolmogorov-Smirnov of numbers, Jensen-Shannon and
chi-squared of categories, in ten chunks, its default. Daybook computes PSI, Jensen-Shannon and Wasserstein distances,
means, and shares of missing, unseen and lost values. All rows are one block here, so nothing is said of what is usual.

{drift_table({**drifts, "Daybook, 100 columns": wide})}

In the log the means of `x1` and `x4` are {SHIFT} standard deviations higher, and the largest category has
{2 * SHARES[0]:.0%} of the rows, not {SHARES[0]:.0%}; the other seven columns are as in the reference. So {shifted} are
to be flagged. With NannyML a column is flagged by a method if most chunks are.

{verdicts(compared)}

## Backtest

The sample's hours again and again over {first["days"]:,} and {second["days"]:,} days, as an hour can occur once;
actuals for {first["actuals"]:,} and {second["actuals"]:,} of them are in a Parquet file, with the time when they
arrived. The champion, whose answers are in the log, and a candidate are replayed on all rows with an actual.

{backtest_table(backtests)}
"""


def main() -> None:
    """Prepare, measure, write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--project", type=Path, help="an installed project, instead of a new one")
    parser.add_argument("--work", choices=WORK, help="in the Python of who does it")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.work:
        rows = {"rows": args.rows} if args.work.startswith("fill") else {}
        print(json.dumps(WORK[args.work](args.folder, **rows)))
        return
    bench, rows = Bench(args.project), args.rows
    for folder, times in (("drift", 1), ("drift-10", 10)):
        bench.run("daybook", "fill_drift", folder, times * rows)
    bench.run("daybook", "fill_wide", "wide", rows)
    for folder, times in (("backtest", 1), ("backtest-2", 2)):
        bench.run("daybook", "fill_backtest", folder, times * rows)
    results = measure(
        {
            "Daybook": lambda: bench.run("daybook", "drift_with_daybook", "drift"),
            "Daybook, ten times the rows": lambda: bench.run("daybook", "drift_with_daybook", "drift-10"),
            "wide": lambda: bench.run("daybook", "wide_with_daybook", "wide"),
            "Evidently": lambda: bench.run("evidently", "drift_with_evidently", "drift"),
            "NannyML": lambda: bench.run("nannyml", "drift_with_nannyml", "drift"),
            "backtest": lambda: bench.run("daybook", "backtest", "backtest"),
            "backtest, twice the rows": lambda: bench.run("daybook", "backtest", "backtest-2"),
        },
        args.rounds,
    )
    backtests = {name: results.pop(name) for name in list(results) if name.startswith("backtest")}
    text = page(results, results.pop("wide"), backtests, args.rounds)
    (HERE / "loop.md").write_text(text, encoding="utf-8")
    print(text)
    shutil.rmtree(bench.data)


if __name__ == "__main__":
    main()
