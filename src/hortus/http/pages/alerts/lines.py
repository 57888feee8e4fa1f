"""An alert as pages show it: what is, what to do, and its life so far. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.engine import RowMapping

from hortus.base.language.translation import gettext
from hortus.domain.alerts.inbox import Delivery
from hortus.domain.plants.state import Condition, Range, Reading
from hortus.http.pages.chart_address import chart_address
from hortus.http.pages.figures import bound, measured, with_unit
from hortus.http.pages.signs import condition_sign
from hortus.http.pages.wording import advice_on, need_of, quantity_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who was told by what way, with the latest message and how many there were."""

    latest: Delivery
    messages: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """One alert. `what` and `advice` are sentences; `plant_id` is None for a silent kit.

    `seen_by` and `snoozed_by` are names, None if the account is gone.
    """

    id: int
    sign: str
    plant_id: int | None
    plant_name: str
    kit_serial: str
    kit_name: str
    quantity: str
    what: str
    meaning: str
    advice: str
    chart: str
    began_at: datetime
    opened_at: datetime
    seen_at: datetime | None
    seen_by: str | None
    is_snoozed: bool
    snoozed_until: datetime | None
    snoozed_by: str | None
    over_at: datetime | None
    is_withdrawn: bool
    told: Sequence[Told] = ()

    @property
    def is_silence(self) -> bool:
        """Whether it is about a silent kit, and not about a plant."""
        return self.plant_id is None

    @property
    def is_open(self) -> bool:
        return self.over_at is None

    @property
    def subject(self) -> str:
        """The name of the plant or kit that it is about."""
        return self.kit_name if self.is_silence else self.plant_name


def alert_line(row: RowMapping, reading: Reading | None, deliveries: Sequence[Delivery] = ()) -> AlertLine:
    """Return an alert from a row of the inbox. `reading` is the present one, if there is a recent one."""
    is_silence = row["kind"] == "silence"
    condition = None if is_silence else Condition(row["condition"])
    return AlertLine(
        id=row["id"],
        sign="offline" if condition is None else condition_sign(condition),
        plant_id=row["plant_id"],
        plant_name=row["plant_name"] or "",
        kit_serial=row["kit_serial"],
        kit_name=row["kit_name"] or row["kit_serial"],
        quantity=row["quantity"] or "",
        what=gettext("Silent") if condition is None else _what(row, condition, reading),
        meaning="" if condition is None else need_of(row["quantity"], condition),
        advice=gettext("Check its power and its network.")
        if condition is None
        else advice_on(row["quantity"], condition),
        chart=chart_address(row["kit_serial"], row["peripheral"], row["quantity_type_id"])
        if row["peripheral"]
        else "",
        began_at=row["began_at"],
        opened_at=row["opened_at"],
        seen_at=row["seen_at"],
        seen_by=row["seen_by"],
        is_snoozed=row["is_snoozed"],
        snoozed_until=row["snoozed_until"],
        snoozed_by=row["snoozed_by"],
        over_at=row["over_at"],
        is_withdrawn=row["ending"] == "withdrawn",
        told=_told(deliveries),
    )


def alert_lines(
    rows: Sequence[RowMapping],
    readings: Mapping[int, Reading],
    deliveries: Mapping[int, Sequence[Delivery]] | None = None,
) -> list[AlertLine]:
    """Return alerts from rows of the inbox."""
    return [alert_line(row, readings.get(row["id"]), (deliveries or {}).get(row["id"], ())) for row in rows]


def _what(row: RowMapping, condition: Condition, reading: Reading | None) -> str:
    quantity, unit = row["quantity"], row["unit"]
    limit = row["minimum"] if condition is Condition.LOW else row["maximum"]
    values = {
        "quantity": quantity_name(quantity),
        "bound": "" if limit is None else with_unit(bound(limit), unit),
    }
    if reading is None or row["over_at"] is not None:
        values["value"] = with_unit(measured(row["value"], quantity), unit) if row["value"] is not None else "–"
        if condition is Condition.LOW:
            return gettext("%(quantity)s was %(value)s, below %(bound)s", **values)
        return gettext("%(quantity)s was %(value)s, above %(bound)s", **values)
    values["value"] = with_unit(measured(reading.value, quantity), unit)
    now = Range(minimum=row["minimum"], maximum=row["maximum"]).condition_of(reading.value)
    if now is Condition.LOW:
        return gettext("%(quantity)s %(value)s, below %(bound)s", **values)
    if now is Condition.HIGH:
        return gettext("%(quantity)s %(value)s, above %(bound)s", **values)
    return gettext("%(quantity)s %(value)s, back in range", **values)


def _told(deliveries: Sequence[Delivery]) -> list[Told]:
    told: dict[tuple[str, bool, str | None, bool], Told] = {}
    for each in deliveries:
        key = (each.person, each.by_mail, each.channel, each.is_all_clear)
        before = told.get(key)
        told[key] = (
            Told(latest=each) if before is None else replace(before, latest=each, messages=before.messages + 1)
        )
    return list(told.values())
