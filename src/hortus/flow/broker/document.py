"""Builds a complete dynamic-security.json, so that a new broker starts with every kit in the database."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hortus.base.errors import OperationalError, UsageError
from hortus.domain.kits.broker_verifier import SERVICE_ITERATIONS, broker_verifier, parse_verifier
from hortus.flow.broker.roles import (
    DEFAULT_ACCESS,
    SERVICE_ROLES,
    kit_permissions,
    kit_role_name,
    role_document,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KitAccount:
    """A kit's account at the broker. `verifier` is the column `kits.broker_password`."""

    serial: str
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """The account of a Hortus process. `role` is SERVER_ROLE or CONTROL_ROLE."""

    username: str
    password: str = field(repr=False)
    role: str


def dynamic_security_document(kits: Iterable[KitAccount], services: Iterable[ServiceAccount]) -> dict[str, Any]:
    """Return the complete configuration of the dynamic-security plugin.

    Raises BrokerVerifierError for a kit whose verifier is unreadable, UsageError for a service without a name
    or password or with an unknown role.
    """
    clients = [_service_client(service) for service in services]
    roles = [role_document(name, permissions) for name, permissions in SERVICE_ROLES.items()]
    for kit in kits:
        clients.append(_client(kit.serial, kit_role_name(kit.serial), kit.verifier))
        roles.append(role_document(kit_role_name(kit.serial), kit_permissions(kit.serial)))
    return {"defaultACLAccess": dict(DEFAULT_ACCESS), "clients": clients, "groups": [], "roles": roles}


def write_document(document: Mapping[str, Any], path: Path, *, overwrite: bool = False) -> None:
    """Write the document atomically, readable by its owner only.

    Raises UsageError if the file exists and `overwrite` is not set, OperationalError if it cannot be written.
    """
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path} already exists, and replacing it would undo all changes made at the broker since; "
            "move it away first if you want a new one."
        )
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # readable by its owner only
        with os.fdopen(handle, "w") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        raise OperationalError(f"{path} cannot be written: {error.strerror}.") from error


def _service_client(service: ServiceAccount) -> dict[str, Any]:
    if service.role not in SERVICE_ROLES:
        raise UsageError(f"There is no role {service.role!r}; use one of {', '.join(SERVICE_ROLES)}.")
    if not service.username or not service.password:
        raise UsageError("An account at the broker needs a user name and a password.")
    return _client(service.username, service.role, broker_verifier(service.password, SERVICE_ITERATIONS))


def _client(username: str, role_name: str, verifier: str) -> dict[str, Any]:
    return {
        "username": username,
        "roles": [{"rolename": role_name}],
        **parse_verifier(verifier).document_fields(),
    }
