"""Configurations as events: when one was activated, fetched by the kit, seen to run, or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.events.event import EventKind, Source

_STATEMENT = """
    SELECT step.what || '-' || a.id AS key, step.what, step.at AS start_at, step.at AS end_at,
        json_build_object('id', a.kit_configuration_id, 'name', coalesce(c.description, a.name)) AS facts
    FROM configuration_activations a
    LEFT JOIN kit_configurations c ON c.id = a.kit_configuration_id
    CROSS JOIN LATERAL (VALUES
        ('activated', a.since), ('fetched', a.fetched_at), ('running', a.running_at)) AS step (what, at)
    WHERE a.kit_id = :kit_id AND step.at >= :start AND step.at < :end
    UNION ALL
    SELECT 'deleted-' || c.id, 'deleted', c.deleted_at, c.deleted_at,
        json_build_object('id', c.id, 'name', c.description)
    FROM kit_configurations c
    WHERE c.kit_id = :kit_id AND c.deleted_at >= :start AND c.deleted_at < :end
"""

_NAMED = {
    "activated": gettext_noop("Configuration “%(name)s” activated"),
    "fetched": gettext_noop("The kit fetched the configuration “%(name)s”"),
    "running": gettext_noop("The kit runs the configuration “%(name)s”"),
    "deleted": gettext_noop("Configuration “%(name)s” deleted"),
}
_NAMELESS = {
    "activated": gettext_noop("Configuration without a name activated"),
    "fetched": gettext_noop("The kit fetched its configuration"),
    "running": gettext_noop("The kit runs its configuration"),
    "deleted": gettext_noop("Configuration without a name deleted"),
}


def _title(what: str, facts: Mapping[str, Any]) -> str:
    if not facts["name"]:
        return gettext(_NAMELESS[what])
    return gettext(_NAMED[what], name=facts["name"])


def _path(_what: str, _facts: Mapping[str, Any], _serial: str) -> str:
    return ""


CONFIGURATIONS = Source(kind=EventKind.CONFIGURATIONS, statement=_STATEMENT, title=_title, path=_path)
