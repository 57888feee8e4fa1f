from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hortus.domain.ledger.store import LedgerCounts
from hortus.http.pages import wording
from hortus.http.pages.sparkline import HEIGHT, WIDTH, polylines
from hortus.http.pages.status import explanation_of
from hortus.http.server.answers import SharedAnswers
from hortus.protocol.reasons import Reason


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (LedgerCounts(), "No messages in 24 h"),
        (
            LedgerCounts(received=1, stored=1),
            "1 message in 24 h, accounted for",
        ),
        (
            LedgerCounts(received=1500, stored=1499, duplicate=1),
            "1,500 messages in 24 h, all accounted for",
        ),
        (
            LedgerCounts(received=2, stored=1),
            (
                "The counts of the last 24 hours do not add up. "
                "This is a fault in Hortus. Report it with the output of `hortus ledger`."
            ),
        ),
    ],
)
def test_one_sentence_says_whether_every_message_is_accounted_for(counts, sentence):
    assert wording.accounted(counts, 24) == sentence


def test_every_reason_has_its_explanation_and_an_unknown_one_is_no_error():
    assert all(explanation_of(str(reason)) == reason.explanation for reason in Reason)
    assert "does not know this reason" in explanation_of("from-the-future")


def test_a_gap_in_the_course_is_a_gap_in_the_curve():
    assert polylines([None, None]) == []
    assert len(polylines([1.0, 2.0, None, None, 3.0, None])) == 2


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60))
@example([0.0, 5e-324])
def test_a_curve_stays_within_its_frame(course):
    for line in polylines(course):
        for point in line.split(" "):
            x, y = map(float, point.split(","))
            assert -WIDTH <= x <= 2 * WIDTH
            assert 0 <= y <= HEIGHT


async def test_many_who_ask_the_same_at_once_cost_one_question():
    asked = []
    answers = SharedAnswers[int](keep_seconds=1000, capacity=2)

    async def ask():
        asked.append(1)
        await asyncio.sleep(0)
        return len(asked)

    assert set(await asyncio.gather(*(answers.get("one", ask) for _ in range(50)))) == {1}
    assert await answers.get("two", ask) == 2
    assert await answers.get("one", ask) == 1
    assert await answers.get("three", ask) == 3
    assert len(answers._answers) == 2


async def test_an_answer_that_is_too_old_is_asked_for_again():
    answers = SharedAnswers[int](keep_seconds=0, capacity=2)
    numbers = iter(range(9))

    async def ask():
        return next(numbers)

    assert [await answers.get("key", ask) for _ in range(3)] == [0, 1, 2]


async def test_a_failure_is_told_to_all_who_wait_and_not_kept():
    answers = SharedAnswers[int](keep_seconds=1000, capacity=2)

    async def fail():
        await asyncio.sleep(0)
        raise OSError("down")

    async def succeed():
        return 1

    failures = await asyncio.gather(*(answers.get("key", fail) for _ in range(3)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [OSError] * 3
    assert await answers.get("key", succeed) == 1


async def test_one_who_goes_away_does_not_take_the_answer_from_the_others():
    answers = SharedAnswers[int](keep_seconds=1000, capacity=2)
    go_on = asyncio.Event()

    async def ask():
        await go_on.wait()
        return 7

    first = asyncio.create_task(answers.get("key", ask))
    second = asyncio.create_task(answers.get("key", ask))
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    assert await second == 7
