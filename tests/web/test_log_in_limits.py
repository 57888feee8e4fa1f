"""Guessing passwords is slow for whoever guesses, and for nobody else."""

from __future__ import annotations

import asyncio

import pytest

from hortus.http.access.log_in_limits import Guesser, LogInLimits
from hortus.http.access.rate_limits import Allowance
from hortus.http.conventions.problems import Problem

HARD = Allowance(at_once=2, refill_seconds=3600.0)
MANY = Allowance(at_once=1000, refill_seconds=0.0)


async def guess(limits: LogInLimits, guesser: Guesser, *, was_wrong: bool = True) -> bool:
    """Return whether the attempt was let through."""
    try:
        async with limits.attempt(guesser) as attempt:
            await asyncio.sleep(0)  # the password is checked
            attempt.was_wrong = was_wrong
    except Problem as refused:
        if refused.status != 429:
            raise
        return False
    return True


def stranger(network: str, username: str = "ada") -> Guesser:
    return Guesser(network=network, username=username)


async def test_guesses_from_one_network_are_bounded_by_name_and_in_all() -> None:
    limits = LogInLimits(per_network=Allowance(at_once=3, refill_seconds=3600.0), per_user=HARD)
    assert [await guess(limits, stranger("192.0.2.1")) for _ in range(2)] == [True, True]
    assert not await guess(limits, stranger("192.0.2.1", "ADA"))
    assert await guess(limits, stranger("192.0.2.1", "flora"))
    assert not await guess(limits, stranger("192.0.2.1", "rosa"))
    assert await guess(limits, stranger("192.0.2.2"))


async def test_right_passwords_and_checks_that_fail_cost_nothing() -> None:
    limits = LogInLimits(per_network=HARD, per_user=HARD)
    answers = await asyncio.gather(*(guess(limits, stranger("192.0.2.1"), was_wrong=False) for _ in range(50)))
    assert all(answers)
    for _ in range(5):
        with pytest.raises(ConnectionError):
            async with limits.attempt(stranger("192.0.2.1")):
                raise ConnectionError
    assert [await guess(limits, stranger("192.0.2.1")) for _ in range(2)] == [True, True]


async def test_a_known_device_has_an_allowance_of_its_own() -> None:
    limits = LogInLimits(per_network=HARD, per_user=HARD)
    while await guess(limits, stranger("192.0.2.1")):
        pass
    known = Guesser(network="192.0.2.1", username="ada", known_device="phone")
    assert [await guess(limits, known) for _ in range(3)] == [True, True, False]
    other = Guesser(network="192.0.2.1", username="ada", known_device="notebook")
    assert await guess(limits, other)


async def test_guesses_from_everywhere_keep_nobody_out() -> None:
    limits = LogInLimits(per_network=MANY, per_user=MANY)
    for number in range(30):
        await guess(limits, stranger(f"192.0.2.{number}"))
    answers = await asyncio.gather(*(guess(limits, stranger(f"198.51.100.{number}")) for number in range(100)))
    assert all(answers)
    assert await guess(limits, stranger("203.0.113.7"), was_wrong=False)


async def test_an_attempt_waits_for_its_turn_before_it_is_refused() -> None:
    limits = LogInLimits(per_network=MANY, per_user=Allowance(at_once=1, refill_seconds=0.2))
    assert [await guess(limits, stranger("192.0.2.1")) for _ in range(4)] == [True] * 4
