"""Which of several topics of one name is the present one, when brokers may lag behind."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hortus.flow.kafka.identity import TopicIdentity


def after(answers: str) -> TopicIdentity:
    """Return what is known after these answers, each a letter."""
    identity = TopicIdentity()
    for answer in answers:
        identity.hear(answer)
    return identity


def believed(answers: str) -> str:
    """Return what was believed after each of these answers."""
    identity, known = TopicIdentity(), ""
    for answer in answers:
        identity.hear(answer)
        known += identity.known or "?"
    return known


def test_the_first_answer_is_believed_at_once() -> None:
    assert believed("a") == "a"


def test_another_id_is_believed_when_it_was_answered_three_times_in_a_row() -> None:
    assert believed("aabbb") == "aaaab"
    assert not after("aabbb").is_disputed


def test_a_broker_that_lags_is_not_believed_again() -> None:
    answers = "aa" + "bbb" + "abaabaaab" * 10
    assert believed(answers) == "aaaab" + "b" * 90
    assert after(answers).is_disputed


def test_the_first_answer_may_be_that_of_a_broker_that_lags() -> None:
    assert believed("abbb") == "aaab"


def test_a_broker_that_lags_and_was_believed_is_put_right_when_all_agree() -> None:
    assert believed("baaa" + "b" * 15) == "bbba" + "a" * 14 + "b"


def test_brokers_that_take_turns_are_a_dispute_until_they_agree() -> None:
    assert not after("ab").is_disputed
    assert after("aba").is_disputed
    assert after("ababb").is_disputed
    assert not after("ababbb").is_disputed
    assert not after("abaaa").is_disputed


def test_an_answer_that_is_not_believed_leaves_doubt() -> None:
    assert after("ab").is_in_doubt
    assert not after("aba").is_in_doubt
    assert not after("abbb").is_in_doubt


@given(st.text("abc", min_size=1))
def test_an_id_is_only_given_up_for_one_that_was_answered_three_times_in_a_row(answers: str) -> None:
    known = believed(answers)
    for number, (before, now) in enumerate(pairwise(known), 1):
        if before != now:
            assert answers[number - 2 : number + 1] == now * 3


@given(st.text("ab", min_size=1), st.sampled_from("ab"))
def test_whatever_was_answered_before_brokers_that_agree_are_believed_in_the_end(
    answers: str, last: str
) -> None:
    identity = after(answers + last * 15)
    assert identity.known == last
    assert not identity.is_disputed
