"""The address of Home: which view, which page, and in what order. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

from hortus.base.language.translation import gettext
from hortus.http.pages.status_store import KITS_PER_PAGE

KITS_PER_TABLE = 100

_LAST_PAGE = 1_000_000
_MOST_KITS = KITS_PER_TABLE
_SORT = re.compile(r"name|state|condition|q[1-9]\d{0,8}")
_NUMBER = re.compile(r"[1-9]\d{0,8}")
_KITS = re.compile(r"[1-9]\d{0,8}(?:-[1-9]\d{0,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """What the address asks for. `is_table` is None if it leaves that open; `sort` is empty for our order."""

    page: int = 1
    is_table: bool | None = None
    sort: str = ""
    downwards: bool = False

    @property
    def page_size(self) -> int:
        return KITS_PER_TABLE if self.is_table else KITS_PER_PAGE

    def address(self, **changes: object) -> str:
        """Return the address of Home with these changes."""
        return f"/{self.query(**changes)}"

    def query(self, **changes: object) -> str:
        """Return the query of this view, with its question mark, or an empty text."""
        view = replace(self, **changes)  # type: ignore[arg-type]
        values: dict[str, object] = {}
        if view.is_table is not None:
            values["view"] = "table" if view.is_table else "cards"
        if view.page > 1:
            values["page"] = view.page
        if view.sort:
            values["sort"] = view.sort
        if view.downwards:
            values["order"] = "down"
        return f"?{urlencode(values)}" if values else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page that renews itself shows already: these kits, in this order, of so many."""

    kit_ids: Sequence[int]
    pages: int
    total: int


def view_of(query: Mapping[str, str]) -> HomeView:
    """Return the view that the query asks for. Raises HTTPException 404."""
    page, view, sort = query.get("page", "1"), query.get("view"), query.get("sort", "")
    if (
        not _NUMBER.fullmatch(page)
        or int(page) > _LAST_PAGE
        or view not in {None, "cards", "table"}
        or (sort and not _SORT.fullmatch(sort))
    ):
        raise HTTPException(404, gettext("This page does not exist."))
    return HomeView(
        page=int(page),
        is_table=None if view is None else view == "table",
        sort=sort,
        downwards=query.get("order") == "down",
    )


def shown_of(query: Mapping[str, str]) -> Shown | None:
    """Return what the page shows already, or None if the query does not say it properly."""
    kits, pages, total = query.get("kits", ""), query.get("pages", "1"), query.get("total", "")
    if not re.fullmatch(r"\d{1,9}", total) or not _NUMBER.fullmatch(pages):
        return None
    if kits and not _KITS.fullmatch(kits):
        return None
    kit_ids = tuple(map(int, kits.split("-"))) if kits else ()
    if len(kit_ids) > _MOST_KITS:
        return None
    return Shown(kit_ids=kit_ids, pages=int(pages), total=int(total))
