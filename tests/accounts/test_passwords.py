from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from hortus.domain.accounts import passwords as module
from hortus.domain.accounts.passwords import (
    MOST_PASSWORD_BYTES,
    Passwords,
    TooManyLogins,
    Verdict,
    generate_password,
    hash_password,
    verify_password,
)

# The vector of http-api 2.4.
OLD_PASSWORD = "It all adds up to normality."
OLD_HASH = "1$AQIDBAUGBwgJEBESExQVFg==$CxZam+iAsfxNt9doaNmMtSjBy6NqyoOMxSppNpJFmx8="

NO = Verdict(fits=False)


def test_a_hash_of_the_old_form_fits_and_should_be_replaced():
    assert verify_password(OLD_PASSWORD, OLD_HASH) == Verdict(fits=True, needs_upgrade=True)
    assert verify_password("It all adds up to normality", OLD_HASH) == NO


def test_a_new_hash_is_argon2id_and_fits_only_its_password():
    encoded = hash_password("a rose")
    assert encoded.startswith("$argon2id$")
    assert verify_password("a rose", encoded) == Verdict(fits=True)
    assert verify_password("a Rose", encoded) == NO
    assert encoded != hash_password("a rose")


def test_a_hash_with_weaker_settings_should_be_replaced():
    weaker = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("a rose")
    assert verify_password("a rose", weaker) == Verdict(fits=True, needs_upgrade=True)
    assert verify_password("wrong", weaker) == NO


@pytest.mark.parametrize(
    "encoded",
    [
        None,
        "",
        "1",
        "1$$",
        "1$AQ==$AQ==",
        "1$!$!",
        "1$AQIDBAUGBwgJEBESExQVFg==$CxZam+iAsfxNt9doaNmMtSjBy6NqyoOMxSppNpJFmx8=$x",
        "2$AQIDBAUGBwgJEBESExQVFg==$CxZam+iAsfxNt9doaNmMtSjBy6NqyoOMxSppNpJFmx8=",
        "1$é$é",
        "$argon2id$",
        "$argon2id$v=19$m=8,t=1,p=1$x$y",
        "plain text",
    ],
)
def test_what_is_no_hash_fits_no_password(encoded):
    assert verify_password(OLD_PASSWORD, encoded) == NO
    assert verify_password("", encoded) == NO


@settings(max_examples=30, deadline=None)
@given(password=st.text(max_size=50), encoded=st.text(max_size=80))
def test_no_password_and_no_hash_is_an_error(password, encoded):
    assert verify_password(password, encoded) == NO


def test_an_endless_password_is_refused_unread(monkeypatch):
    monkeypatch.setattr(module, "_verify_argon2", None)
    assert verify_password("x" * (MOST_PASSWORD_BYTES + 1), OLD_HASH) == NO


@pytest.mark.parametrize("encoded", [None, OLD_HASH, hash_password("x")], ids=["none", "old", "present"])
def test_the_same_work_is_done_whether_or_not_there_is_an_account(encoded, monkeypatch):
    work = []
    derive, check = module.hashlib.pbkdf2_hmac, PasswordHasher.verify
    monkeypatch.setattr(module.hashlib, "pbkdf2_hmac", lambda *a: work.append(("pbkdf2", a[3])) or derive(*a))
    monkeypatch.setattr(
        PasswordHasher, "verify", lambda self, h, p: work.append(h.split("$")[1:4]) or check(self, h, p)
    )
    verify_password("wrong", encoded)
    assert work == [("pbkdf2", 15_000), ["argon2id", "v=19", "m=19456,t=2,p=1"]]


async def test_few_passwords_are_checked_at_once_and_the_loop_goes_on(monkeypatch):
    at_once, most = 0, 0
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_password, _encoded):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        at_once -= 1
        return NO

    monkeypatch.setattr(module, "verify_password", slow)
    passwords = Passwords()
    waiting = [asyncio.create_task(passwords.verify("x", None)) for _ in range(32)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyLogins):
        await passwords.verify("x", None)
    go_on.set()
    assert await asyncio.gather(*waiting) == [NO] * 32
    assert most <= 2
    assert await passwords.verify("x", None) == NO


def test_generated_passwords_are_long_and_never_the_same():
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    assert {len(password) for password in made} == {20}
