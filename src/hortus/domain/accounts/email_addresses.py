"""E-mail addresses: which are valid, and the forms in which one is written and compared. Pure.

A domain has two forms: `bücher.example` for people, and `xn--bcher-kva.example` for all servers (IDNA 2008,
RFC 5891). Both are the same address. Local parts are ASCII here, so no mail server needs SMTPUTF8.
"""

from __future__ import annotations

import ipaddress
import re

import idna

_LOCAL_PART = re.compile(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")


def is_email_address(text: str) -> bool:
    """Return whether the text is an e-mail address as HTML defines it.

    International domain names and address literals are allowed as well.
    """
    local_part, at, domain = text.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local_part):
        return False
    if domain.startswith("[") and domain.endswith("]"):
        return _is_address_literal(domain[1:-1])
    try:
        return _DOMAIN.fullmatch(_ascii(domain)) is not None
    except UnicodeError:
        return False


def with_ascii_domain(address: str) -> str:
    """Return a valid address as mail servers understand it."""
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}@{domain if domain.startswith('[') else _ascii(domain)}"


def canonical_address(address: str) -> str:
    """Return the form in which an address is stored and compared: in lower case, with the domain for people.

    What is no valid address is returned in lower case.
    """
    if not is_email_address(address):
        return address.lower()
    local_part, _, domain = with_ascii_domain(address).lower().rpartition("@")
    try:
        return f"{local_part}@{domain if domain.startswith('[') else idna.decode(domain)}"
    except UnicodeError:  # an `xn--` domain that IDNA 2008 does not know, such as one with emoji
        return f"{local_part}@{domain}"


def forms_of(address: str) -> set[str]:
    """Return all forms in which an address may have been stored, also by earlier versions."""
    canonical = canonical_address(address)
    forms = {canonical, address.lower()}
    return forms | {with_ascii_domain(canonical)} if is_email_address(canonical) else forms


def _ascii(domain: str) -> str:
    """Return the form for servers. Raises UnicodeError."""
    if domain.isascii():
        return domain.lower()
    return idna.encode(domain, uts46=True).decode("ascii")


def _is_address_literal(text: str) -> bool:
    try:
        ipaddress.ip_address(text.removeprefix("IPv6:"))
    except ValueError:
        return False
    return True
