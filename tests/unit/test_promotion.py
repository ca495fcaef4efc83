"""Promotion: who may become champion, for what reason, and what champion.json says then."""

import math
import shutil
from pathlib import Path

import pytest
import small_models

from daybook import example, models
from daybook.backtest_report import judge
from daybook.champion import promote, read_champion
from daybook.decision import Decision
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.project import DaybookError
from daybook.promotion import Promotion, candidate_tag, prepare_promotion
from daybook.world import World

pytest_plugins = "worlds"
CONTRACT = example.contract


def prepare(tag: str, decision: Decision | None = None, reason: str | None = None, force: bool = False) -> Promotion:
    """What speaks for a model, beside the champion of now."""
    return prepare_promotion(CONTRACT, tag, read_champion(), decision, reason, force)


def test_first_champion_needs_nothing(world: World) -> None:
    empty = read_champion().model_copy(update={"model": None})
    first = prepare_promotion(CONTRACT, world.champion, empty, None)
    assert first.reason == "The first champion: there was none to compare it with." and "mae" in first.metrics
    assert prepare_promotion(CONTRACT, world.champion, empty, None, "we begin").reason == "we begin"


def test_first_champion_has_the_contract_of_the_project(world: World, save_variant) -> None:
    empty = read_champion().model_copy(update={"model": None})
    _, tag = save_variant("wind: float", wind=1.0)
    with pytest.raises(DaybookError, match=f"{tag} was trained with another contract: it predicts rentals from .*wind"):
        prepare_promotion(CONTRACT, tag, empty, None)
    assert prepare_promotion(CONTRACT, tag, empty, None, "as a test", force=True).reason == "as a test"


def test_candidate_needs_a_backtest(world: World) -> None:
    [candidate] = world.candidates
    with pytest.raises(DaybookError, match=f"no backtest has judged {candidate}: `daybook run backtest -p candidates="):
        prepare(candidate)


def test_backtest_speaks_for_a_candidate_and_there_is_a_way_back(world: World) -> None:
    [candidate] = world.candidates
    options = {"as_of": world.as_of, "labels": str(world.labels)}
    metrics = Metrics(example.loss, example.evaluate)
    decision = judge(Log(CONTRACT), metrics, [candidate], **options).decision.model_copy(update={"run": "a-run"})
    promotion = prepare(candidate, decision)
    assert promotion.metrics == decision.metrics[candidate] and promotion.decision == "a-run"
    assert promotion.reason.startswith("mae ") and " instead of " in promotion.reason
    assert f"on 672 rows of 28 days from {decision.window.start} on; difference -" in promotion.reason
    now = promotion.promote()
    assert (now.model, now.previous, now.decision) == (candidate, world.champion, "a-run")
    assert now == read_champion() and now.promoted_by and now.promoted_at

    previous = candidate_tag(CONTRACT, "previous", now)
    assert previous == world.champion
    with pytest.raises(DaybookError, match="was the champion before: say why it should be again"):
        prepare(previous)
    back = prepare(previous, reason="a try").promote()
    assert (back.model, back.previous, back.metrics) == (
        world.champion,
        candidate,
        models.metadata(world.champion)["metrics"],
    )
    assert back.reason == "Back to the champion before: a try"


def test_kept_champion_is_not_replaced(world: World) -> None:
    [candidate] = world.candidates
    options = {"as_of": world.as_of, "labels": str(world.labels), "min_gain": 0.9}
    decision = judge(Log(CONTRACT), Metrics(example.loss, example.evaluate), [candidate], **options).decision
    with pytest.raises(DaybookError, match="does not speak for .*: saves .* %, needs 90 %"):
        prepare(candidate, decision)


def test_force_needs_a_reason_and_nothing_else(world: World) -> None:
    [candidate] = world.candidates
    with pytest.raises(DaybookError, match=f"say why {candidate} should be champion without a backtest"):
        prepare(candidate, force=True)
    now = prepare(candidate, reason="the contract has a new field", force=True).promote()
    assert (now.model, now.decision) == (candidate, None) and "mae" in now.metrics
    assert now.reason == "Without a backtest: the contract has a new field"


def test_a_candidate_of_another_contract_can_be_forced(world: World, save_variant) -> None:
    contract, tag = save_variant("wind: float", wind=1.0)
    prepare_promotion(contract, tag, read_champion(), None, "it needs the wind", force=True).promote()
    assert read_champion().model == tag and read_champion().reason == "Without a backtest: it needs the wind"


def test_candidate_tag_refuses(world: World) -> None:
    champion = read_champion()
    with pytest.raises(DaybookError, match="there was no champion before this one"):
        candidate_tag(CONTRACT, "previous", champion)
    with pytest.raises(DaybookError, match="there is no model demand:gone"):
        candidate_tag(CONTRACT, "demand:gone", champion)
    with pytest.raises(DaybookError, match="is the champion already"):
        candidate_tag(CONTRACT, world.champion, champion)
    latest = example.save(example.sample(40))
    assert candidate_tag(CONTRACT, "latest", champion) == latest


def test_promotion_survives_metrics_that_are_no_number(world: World) -> None:
    """As the area under the curve of held-out rows of one class."""
    [candidate] = world.candidates
    metrics = {"mae": 3.0, "auc": math.nan, "mape": math.inf}
    assert Promotion(candidate, "as a test", metrics).promote().metrics == {"mae": 3.0}
    assert read_champion().metrics == {"mae": 3.0}


def test_previous_champion_comes_from_the_store_of_models(demand: Path) -> None:
    """On a machine that never had it, and only if it is the one that was champion."""
    first, second = small_models.save(small_models.HOUR), small_models.save(small_models.HOUR_AND_TEMP)
    promote(first, "the first", {})
    promote(second, "better", {})
    assert read_champion().previous_sha256 == models.sha256(first)
    shutil.rmtree(models.get(first).path)
    forged = read_champion().model_copy(update={"previous_sha256": "0" * 64})
    with pytest.raises(DaybookError, match="its hash differs"):
        candidate_tag(CONTRACT, "previous", forged)
    assert candidate_tag(CONTRACT, "previous", read_champion()) == first and models.exists(first)
