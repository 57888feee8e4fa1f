"""Serials and passwords of kits, as brokers and firmware expect them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.kits.identity import (
    hash_password,
    is_serial,
    make_password,
    make_serial,
    verify_password,
)

VECTORS = json.loads(
    (Path(__file__).parents[1] / "wire" / "vectors" / "kit-mqtt-vectors.json").read_text("utf-8")
)
HTTP_VECTOR = "PBKDF2$sha256$2000$Z416JHE8vSmaiamV5TRz$z3y6FvWAZtyQe6TV+O/oyhC3oqnF8KJdlB5Lphi+Lwg="


@pytest.mark.parametrize("vector", VECTORS["kitPasswordHashes"], ids=lambda vector: vector["password"])
def test_existing_hashes_verify(vector: dict[str, str]) -> None:
    assert verify_password(vector["password"].encode(), vector["encoded"])
    assert not verify_password(vector["password"].encode() + b"x", vector["encoded"])


def test_a_hash_with_other_iterations_verifies() -> None:
    assert verify_password(b"It all adds up to normality.", HTTP_VECTOR)


def test_a_new_hash_has_the_form_that_existing_brokers_read() -> None:
    kind, algorithm, iterations, salt, key = hash_password("secret").split("$")
    assert (kind, algorithm, iterations, len(salt), len(key)) == ("PBKDF2", "sha256", "15000", 20, 44)
    assert hash_password("secret") != hash_password("secret")


@pytest.mark.parametrize(
    "encoded",
    ["", "x", "PBKDF2$md5$1$a$YQ==", "PBKDF2$sha256$0$a$YQ==", "PBKDF2$sha256$9999999999$a$YQ==",
     "PBKDF2$sha256$²$a$YQ==", "PBKDF2$sha256$1$a$", "PBKDF2$sha256$1$a$%%%", "$$$$"],
)  # fmt: skip
def test_a_damaged_hash_fits_no_password_and_costs_no_time(encoded: str) -> None:
    assert not verify_password(b"a", encoded)


def test_serials_and_passwords_have_the_contracts_form() -> None:
    serial, password = make_serial(), make_password()
    assert len(serial) == 16
    assert serial.startswith("k-")
    assert set(serial[2:]) <= set("346789bcdfghjkmnpqrtvwxy-")
    assert len(password) == 24
    assert len({make_serial() for _ in range(100)}) == 100


@given(st.text(max_size=40))
def test_a_serial_never_contains_what_means_something_in_a_topic(text: str) -> None:
    if is_serial(text):
        assert 1 <= len(text) <= 20
        assert not set(text) & set("/+#\0")
