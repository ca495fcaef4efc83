"""How many trials find what a random search finds in 60: on the bicycles' sample, median of ten seeds.

uv run --project PROJECT --extra optuna python benchmarks/trials.py [--seeds 10] [--first-seed 0]

PROJECT is a baked and installed project of the default answers, and the working directory. The points come from
daybook.trials and daybook.space, as in `daybook sweep train --trials 20` and `--sample 60`; the models are made by the
project's `fit`, without notebooks. One after another, as with one worker; `--workers 2` asks for two at a time.
"""

import argparse
import itertools
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from bike_demand.data import contract, load
from bike_demand.model import evaluate, fit, predict

from daybook.holdout import is_held_out
from daybook.space import Range, points
from daybook.trials import Trials

AXES = {"learning_rate": Range(0.01, 0.3, True), "max_depth": Range(2, 12, False), "max_iter": Range(20, 200, False)}


class Errors:
    """The mean absolute error of a model, by its parameters."""

    def __init__(self) -> None:
        frame = load("sample")
        is_last = is_held_out(contract, frame, 28, 0)
        self.past, ahead = frame[~is_last], frame[is_last]
        self.y_true, self.columns = contract.y_true(ahead[contract.target]), contract.arrays(ahead)

    def __call__(self, point: Mapping[str, Any]) -> float:
        return evaluate(self.y_true, predict(fit(self.past, **point), self.columns))["mae"]


def chosen(error: Errors, seed: int, count: int, workers: int) -> Iterator[float]:
    """The errors of points that Optuna chooses, `workers` of them under way at a time."""
    trials = Trials(AXES, [False], count, seed)
    waiting = [trials.ask() for _ in range(workers)]
    for number in range(count):
        trial, point = waiting.pop(0)
        value = error(point)
        trials.tell(trial, [value])
        if number + workers < count:
            waiting.append(trials.ask())
        yield value


def main() -> None:
    """Print how good each is, and after how many points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    error, best = Errors(), {"random": [], "trials": []}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        random = (error(point) for point in points(AXES, 60, seed))
        best["random"].append(list(itertools.accumulate(random, min)))
        best["trials"].append(list(itertools.accumulate(chosen(error, seed, 20, args.workers), min)))
        print(f"seed {seed}:", *(f"{name} {each[-1][-1]:.3f}" for name, each in best.items()), flush=True)
    for name, counts in {"random": (10, 20, 40, 60), "trials": (5, 10, 15, 20)}.items():
        texts = (f"{statistics.median(each[count - 1] for each in best[name]):.3f} after {count}" for count in counts)
        print(f"{name}: median mae {', '.join(texts)}")


if __name__ == "__main__":
    main()
