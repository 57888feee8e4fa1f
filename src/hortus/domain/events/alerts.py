"""Alerts as events: from when they opened until they were over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hortus.base.language.translation import gettext
from hortus.domain.definitions.display import QUANTITY_DISPLAYS
from hortus.domain.events.event import EventKind, Source

# Whoever may see the kit may see the plants that it measures now. Of others, only their owner hears.
_STATEMENT = """
    SELECT 'alert-' || a.id AS key, a.condition AS what, a.opened_at AS start_at, a.over_at AS end_at,
        json_build_object('plant', p.name, 'plant_id', p.id, 'quantity', q.physical_quantity) AS facts
    FROM alerts a
    LEFT JOIN plants p ON p.id = a.plant_id
    LEFT JOIN quantity_types q ON q.id = a.quantity_type_id
    WHERE a.kit_id = :kit_id AND a.opened_at < :end AND coalesce(a.over_at, 'infinity') >= :start
      AND (a.plant_id IS NULL OR p.owner_id = :user_id OR :is_admin
           OR EXISTS (SELECT FROM plant_links l
                      WHERE l.plant_id = a.plant_id AND l.kit_id = a.kit_id AND l.linked_until IS NULL))
"""


def _title(what: str, facts: Mapping[str, Any]) -> str:
    if what == "silent":
        return gettext("Alert: the kit is silent")
    quantity = facts["quantity"]
    names = {
        "plant": facts["plant"],
        "quantity": gettext(quantity) if quantity in QUANTITY_DISPLAYS else quantity,
    }
    if what == "low":
        return gettext("%(plant)s: %(quantity)s below its range", **names)
    return gettext("%(plant)s: %(quantity)s above its range", **names)


def _path(_what: str, facts: Mapping[str, Any], serial: str) -> str:
    return f"/kits/{serial}" if facts["plant_id"] is None else f"/plants/{facts['plant_id']}"


ALERTS = Source(kind=EventKind.ALERTS, statement=_STATEMENT, title=_title, path=_path)
