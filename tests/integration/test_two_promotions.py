"""Two promotions at once: one wins, and no verdict speaks about a champion that it has not seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_models import HOUR, HOUR_AND_TEMP, save

from daybook import champion
from daybook.champion import Champion
from daybook.example import contract
from daybook.project import DaybookError
from daybook.promotion import prepare_promotion

PROMOTE = """
import sys
from daybook import champion, models
from daybook.project import DaybookError

models.load = lambda tag: sys.stdin.readline()  # until the other one has looked at champion.json, too
print("ready", flush=True)
try:
    champion.promote(sys.argv[1], "better", {})
except DaybookError as error:
    print(error)
"""


def test_promote_refuses_what_was_compared_with_another_champion(demand: Path) -> None:
    first, second = save(HOUR), save(HOUR_AND_TEMP)
    champion.promote(first, "the first", {"mae": 3.5})
    seen = champion.read_champion()
    late = prepare_promotion(contract, second, seen, None, "it is better", force=True)
    third = save(HOUR)
    champion.promote(third, "faster", {})
    with pytest.raises(
        DaybookError, match=f"the champion is {third}, and this promotion was about {first}: run the back"
    ):
        late.promote()
    assert champion.read_champion().model == third


def test_promote_notices_any_change_of_the_champion(demand: Path) -> None:
    tag = save(HOUR)
    champion.promote(tag, "the first", {"mae": 3.5})
    seen = champion.read_champion().model_copy(update={"sha256": "0" * 64})
    with pytest.raises(DaybookError, match="champion.json has changed meanwhile"):
        champion.promote(tag, "again", {}, seen=seen)
    with pytest.raises(DaybookError, match="this promotion was about none"):
        champion.promote(tag, "the first", {}, seen=Champion(model=None, metrics={}, reason="None yet."))


@pytest.mark.skipif(os.name == "nt", reason="folders are not locked there")
def test_one_of_many_promotions_at_once_wins(demand: Path) -> None:
    tags = [save(HOUR), save(HOUR_AND_TEMP)] * 2
    processes = [
        subprocess.Popen([sys.executable, "-c", PROMOTE, tag], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for tag in tags
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    outputs = [""] * len(processes)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for number, process in enumerate(processes):
        outputs[number] = process.communicate()[0]
    assert sorted(bool(output) for output in outputs) == [False, True, True, True]
    assert all("champion.json has changed meanwhile" in output for output in outputs if output)
    winner = tags[outputs.index("")]
    assert json.loads((demand / "champion.json").read_text())["model"] == winner
    assert sorted(path.name for path in demand.iterdir() if "champion" in path.name) == ["champion.json"]
