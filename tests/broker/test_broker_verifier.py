from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.kits.broker_verifier import BrokerVerifierError, broker_verifier, parse_verifier


@given(st.text(max_size=64))
def test_a_verifier_can_be_read_again(password: str) -> None:
    text = broker_verifier(password)
    verifier = parse_verifier(text)
    assert str(verifier) == text
    assert (len(verifier.salt), len(verifier.key), verifier.iterations) == (12, 64, 101)


def test_two_verifiers_of_one_password_differ() -> None:
    assert broker_verifier("same") != broker_verifier("same")


def test_the_plugins_own_hash_is_reproduced() -> None:
    """Made by `mosquitto_ctrl dynsec init` of Mosquitto 2.0.11 for the password "adminpw"."""
    import base64
    import hashlib

    salt = base64.b64decode("NdRZYTgJbJ8smCes")
    key = hashlib.pbkdf2_hmac("sha512", b"adminpw", salt, 101, 64)
    stored = "93yytBDEgJ2VtWW4T0JIGnadaj3DIjbaJmx3uIi67EMArE9KtTxzgJtGjMQVKEIFu741WbNb4WwZvRDxp7vVvw=="
    assert base64.b64encode(key).decode() == stored
    text = f"pbkdf2-sha512$101$NdRZYTgJbJ8smCes${stored}"
    assert parse_verifier(text).document_fields() == {
        "password": stored,
        "salt": "NdRZYTgJbJ8smCes",
        "iterations": 101,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PBKDF2$sha256$15000$a1B2c3D4e5F6g7H8i9J0$prsmbJKuN8TOZoIcwxxGdeQTrCAb2HcjNbsKbMMcIcQ=",
        "pbkdf2-sha512$101$AAAA$AAAA",
        broker_verifier("x").replace("$101$", "$0$"),
        broker_verifier("x").replace("$101$", "$9999999$"),
        broker_verifier("x") + "!",
    ],
)
def test_anything_else_is_refused_with_advice(text: str) -> None:
    with pytest.raises(BrokerVerifierError, match="give the kit a new password"):
        parse_verifier(text)
