"""Sets and deletes the kits' accounts at a running Mosquitto and reconciles them with the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hortus.base.errors import UsageError
from hortus.flow.broker.control import BrokerCommandError, ControlClient
from hortus.flow.broker.roles import (
    DEFAULT_ACCESS,
    SERVICE_ROLES,
    BrokerPermission,
    kit_permissions,
    kit_role_name,
    role_document,
    rules_equal,
    serial_of_role,
)

# Messages of the Mosquitto 2.0 plugin that are not errors here.
_CLIENT_EXISTS = "Client already exists"
_ROLE_EXISTS = "Role already exists"
_CLIENT_NOT_FOUND = "Client not found"
_ROLE_NOT_FOUND = "Role not found"


class AccountConflictError(UsageError):
    """A kit's serial is already the name of an account at the broker that does not belong to a kit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The differences found between database and broker. All but the last two have been corrected.

    deleted: accounts of kits that the database does not have.
    corrected: kits whose permissions differed.
    service_roles: roles of services (or "default access") that were missing or differed.
    missing: kits without an account. Their plain-text password is no longer known, so either they need a new
        password or the broker a new seed.
    conflicts: kits whose serial is the name of an account that does not belong to a kit; it was not changed.
    """

    deleted: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()
    service_roles: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


class BrokerAccounts:
    """Manages the kits' accounts through the plugin. All methods are idempotent.

    Only accounts that have the role of the kit they are named after are managed; others are never changed.
    All methods raise what `ControlClient.execute` raises.
    """

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    async def set_kit(self, serial: str, password: str) -> None:
        """Create or update a kit's account, permissions and password, and close its open connections.

        Raises AccountConflictError if the name belongs to an account that is not a kit's.
        """
        await self._set_role(kit_role_name(serial), kit_permissions(serial))
        role = [{"rolename": kit_role_name(serial)}]
        try:
            await self._control.execute("createClient", username=serial, password=password, roles=role)
            return
        except BrokerCommandError as error:
            if error.error != _CLIENT_EXISTS:
                raise
        if not await self._is_managed(serial):
            await self._delete_role(serial)
            raise AccountConflictError(
                f"The broker has an account {serial} that is not a kit's; rename one of the two."
            )
        await self._control.execute("modifyClient", username=serial, roles=role, groups=[])
        # This command closes the account's connections; modifyClient with a password may not.
        await self._control.execute("setClientPassword", username=serial, password=password)

    async def delete_kit(self, serial: str) -> None:
        """Delete a kit's account and role and close its connections. An account that is not a kit's stays."""
        if await self._is_managed(serial):
            await self._control.execute("deleteClient", username=serial)
        await self._delete_role(serial)

    async def list_accounts(self) -> Mapping[str, tuple[str, ...]]:
        """Return every account of the broker with the names of its roles and groups."""
        clients = await self._control.list_all("listClients", "clients")
        return {client["username"]: _role_names(client) + _group_names(client) for client in clients}

    async def reconcile(
        self, accounts: Mapping[str, tuple[str, ...]], kits: Mapping[str, bool]
    ) -> Reconciliation:
        """Make the broker's accounts match the database; return the differences.

        `accounts` is what `list_accounts` returned *before* `kits` (serial, and whether a password is waiting
        to be applied) was read, so a kit created in between is never mistaken for a surplus account.
        """
        managed = {name for name, roles in accounts.items() if kit_role_name(name) in roles}
        surplus = sorted(managed - kits.keys())
        for serial in surplus:
            await self.delete_kit(serial)
        roles = {role["rolename"]: role for role in await self._control.list_all("listRoles", "roles")}
        for role_name in roles:
            owner = serial_of_role(role_name)
            if owner is not None and owner not in kits:
                await self._delete_role(owner)
        corrected = [
            serial
            for serial in sorted(managed & kits.keys())
            if await self._correct_kit(serial, accounts[serial], roles)
        ]
        return Reconciliation(
            deleted=tuple(surplus),
            corrected=tuple(corrected),
            service_roles=await self._correct_services(roles),
            missing=tuple(sorted(s for s, waits in kits.items() if s not in accounts and not waits)),
            conflicts=tuple(sorted(kits.keys() & (accounts.keys() - managed))),
        )

    async def _correct_kit(
        self, serial: str, account_roles: tuple[str, ...], roles: Mapping[str, dict[str, Any]]
    ) -> bool:
        """Correct a kit's role and the account's list of roles; return whether anything had to change."""
        role_name = kit_role_name(serial)
        rules_fit = rules_equal(roles.get(role_name, {}).get("acls", ()), kit_permissions(serial))
        if not rules_fit:
            await self._set_role(role_name, kit_permissions(serial))
        roles_fit = account_roles == (role_name,)
        if not roles_fit:
            await self._control.execute(
                "modifyClient", username=serial, roles=[{"rolename": role_name}], groups=[]
            )
        return not (rules_fit and roles_fit)

    async def _correct_services(self, roles: Mapping[str, dict[str, Any]]) -> tuple[str, ...]:
        corrected = []
        for role_name, permissions in SERVICE_ROLES.items():
            if role_name not in roles or not rules_equal(roles[role_name].get("acls", ()), permissions):
                await self._set_role(role_name, permissions)
                corrected.append(role_name)
        found = await self._control.execute("getDefaultACLAccess")
        if {acl["acltype"]: acl["allow"] for acl in found.get("acls", ())} != dict(DEFAULT_ACCESS):
            acls = [{"acltype": kind, "allow": allow} for kind, allow in DEFAULT_ACCESS.items()]
            await self._control.execute("setDefaultACLAccess", acls=acls)
            corrected.append("default access")
        return tuple(corrected)

    async def _set_role(self, role_name: str, permissions: frozenset[BrokerPermission]) -> None:
        role = role_document(role_name, permissions)
        try:
            await self._control.execute("createRole", **role)
        except BrokerCommandError as error:
            if error.error != _ROLE_EXISTS:
                raise
            await self._control.execute("modifyRole", **role)

    async def _delete_role(self, serial: str) -> None:
        try:
            await self._control.execute("deleteRole", rolename=kit_role_name(serial))
        except BrokerCommandError as error:
            if error.error != _ROLE_NOT_FOUND:
                raise

    async def _is_managed(self, serial: str) -> bool:
        try:
            data = await self._control.execute("getClient", username=serial)
        except BrokerCommandError as error:
            if error.error != _CLIENT_NOT_FOUND:
                raise
            return False
        return kit_role_name(serial) in _role_names(data.get("client", {}))


def _role_names(client: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(role["rolename"] for role in client.get("roles", ()))


def _group_names(client: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"group {group['groupname']}" for group in client.get("groups", ()))
