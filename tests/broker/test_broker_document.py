from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from hortus.base.errors import OperationalError, UsageError
from hortus.domain.kits.broker_verifier import broker_verifier
from hortus.flow.broker.document import (
    KitAccount,
    ServiceAccount,
    dynamic_security_document,
    write_document,
)
from hortus.flow.broker.roles import SERVER_ROLE, kit_permissions


def test_a_kit_may_do_exactly_what_the_contract_recommends() -> None:
    assert {(p.kind, p.topic) for p in kit_permissions("k-a")} == {
        ("publishClientSend", "kit/k-a/measurement/raw"),
        ("publishClientSend", "kit/k-a/measurement/aggregate"),
        ("publishClientSend", "kit/k-a/media"),
        ("publishClientSend", "kit/k-a/server-rpc/request"),
        ("publishClientSend", "kit/k-a/kit-rpc/response"),
        ("publishClientReceive", "kit/k-a/server-rpc/response"),
        ("publishClientReceive", "kit/k-a/kit-rpc/request"),
        ("subscribeLiteral", "kit/k-a/server-rpc/response"),
        ("subscribeLiteral", "kit/k-a/kit-rpc/request"),
    }


def test_the_document_has_every_kit_and_service_and_forbids_the_rest() -> None:
    kits = [KitAccount(serial=serial, verifier=broker_verifier("pw")) for serial in ("k-a", "k-b")]
    document = dynamic_security_document(
        kits, [ServiceAccount(username="hortus", password="secret", role=SERVER_ROLE)]
    )
    assert [(c["username"], c["roles"]) for c in document["clients"]] == [
        ("hortus", [{"rolename": "hortus-server"}]),
        ("k-a", [{"rolename": "hortus-kit:k-a"}]),
        ("k-b", [{"rolename": "hortus-kit:k-b"}]),
    ]
    assert [role["rolename"] for role in document["roles"]] == [
        "hortus-server",
        "hortus-control",
        "hortus-kit:k-a",
        "hortus-kit:k-b",
    ]
    assert document["defaultACLAccess"]["publishClientSend"] is False
    assert document["defaultACLAccess"]["publishClientReceive"] is False
    assert document["defaultACLAccess"]["subscribe"] is False


@pytest.mark.parametrize(
    ("username", "password", "role"), [("", "x", SERVER_ROLE), ("x", "", SERVER_ROLE), ("x", "x", "admin")]
)
def test_a_service_without_name_password_or_known_role_is_refused(
    username: str, password: str, role: str
) -> None:
    with pytest.raises(UsageError):
        dynamic_security_document([], [ServiceAccount(username=username, password=password, role=role)])


def test_the_file_is_for_its_owner_only_and_is_not_replaced_by_accident(tmp_path: Path) -> None:
    file = tmp_path / "dynamic-security.json"
    write_document({"a": 1}, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="already exists"):
        write_document({"a": 2}, file)
    assert json.loads(file.read_text()) == {"a": 1}
    write_document({"a": 2}, file, overwrite=True)
    assert json.loads(file.read_text()) == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["dynamic-security.json"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="cannot be written"):
        write_document({}, tmp_path / "missing" / "file.json")
