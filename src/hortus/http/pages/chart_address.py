"""The address of a series' chart, for links from other pages. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def chart_address(serial: str, peripheral_name: str, quantity_type_id: int) -> str:
    """Return the address of the chart of one series, which may have no number yet."""
    query = urlencode({"of": peripheral_name, "quantity": quantity_type_id}, quote_via=quote)
    return f"/kits/{serial}/charts?{query}"
