"""However requests meet, each gets what it would have got alone."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybook.coalescing import Coalescer, outcomes


def inverse(rows: list[int]) -> list[float]:
    """Fails for a row that is 0."""
    return [1 / row for row in rows]


def alone(rows: list[int]) -> Any:
    """What a request gets that is alone; or the kind of error."""
    try:
        return inverse(rows)
    except ZeroDivisionError:
        return ZeroDivisionError


REQUESTS = st.lists(st.lists(st.integers(-2, 3), max_size=5), max_size=12)


@settings(max_examples=200, deadline=None)
@given(REQUESTS, st.integers(1, 8), st.booleans(), st.lists(st.integers(0, 3), max_size=12))
def test_coalescer_gives_each_request_its_own(
    requests: list[list[int]], max_rows: int, in_thread: bool, turns: list[int]
) -> None:
    coalescer = Coalescer(inverse, max_rows, in_thread)

    async def one(rows: list[int], wait: int) -> Any:
        for _ in range(wait):
            await asyncio.sleep(0)
        return await coalescer(rows)

    async def together() -> list[Any]:
        waits = [*turns, *[0] * len(requests)]
        calls = [one(rows, wait) for rows, wait in zip(requests, waits, strict=False)]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = asyncio.run(together())
    assert [type(each) if isinstance(each, Exception) else each for each in results] == [*map(alone, requests)]
    assert not coalescer.waiting and not coalescer.is_due


def test_coalescer_makes_one_call_of_what_comes_together() -> None:
    calls = []

    def counted(rows: list[int]) -> list[int]:
        calls.append(len(rows))
        return rows

    async def rounds() -> None:
        coalescer = Coalescer(counted, max_rows=10)
        for sizes in ([1], [1] * 8, [4] * 5, [50, 1, 1]):
            await asyncio.gather(*(coalescer(size * [0]) for size in sizes))

    asyncio.run(rounds())
    assert calls == [1, 8, 8, 8, 4, 50, 2]


def test_outcomes_call_no_more_than_needed_to_find_the_one_that_fails() -> None:
    calls = []

    def counted(rows: list[int]) -> list[float]:
        calls.append(len(rows))
        return inverse(rows)

    results = outcomes(counted, [[1]] * 500 + [[0]] + [[1]] * 499)
    assert [number for number, each in enumerate(results) if isinstance(each, Exception)] == [500]
    assert len(calls) < 25


@pytest.mark.parametrize("in_thread", [False, True])
def test_coalescer_goes_on_without_callers_that_are_gone(in_thread: bool) -> None:
    async def main() -> list[float]:
        coalescer = Coalescer(inverse, in_thread=in_thread)
        gone = [asyncio.ensure_future(coalescer([1])) for _ in range(5)]
        await asyncio.sleep(0)
        for call in gone:
            call.cancel()
        return await asyncio.wait_for(coalescer([4]), 5)

    assert asyncio.run(main()) == [0.25]


class Panic(BaseException):
    """As the libraries that are written in Rust raise it."""


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("error", [StopIteration, Panic, asyncio.CancelledError])
def test_coalescer_answers_on_after_any_failure(error: type[BaseException], in_thread: bool) -> None:
    def fails(rows: list[int]) -> list[int]:
        if 0 in rows:
            raise error("no match")
        return rows

    async def calls() -> list[Any]:
        coalescer = Coalescer(fails, in_thread=in_thread)
        first = asyncio.wait_for(coalescer([0]), 5)
        return await asyncio.gather(first, asyncio.wait_for(coalescer([2]), 5), return_exceptions=True)

    failed, good = asyncio.run(calls())
    assert (type(failed), good) == (RuntimeError, [2]) and error.__name__ in str(failed)
