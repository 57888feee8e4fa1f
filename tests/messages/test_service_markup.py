"""What services show is what was typed: a plant's name becomes no link, no mention and no formatting."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from delivery_world import letter

from hortus.domain.messages import services
from hortus.domain.messages.services import ServiceDelivery, ServicePolicy
from http_service import service

NAME = "<a href=//x.example>Monty</a> [y](//x.example) @everyone *b*"


async def sent_to(monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, Any]:
    """Send a message to a service of this kind that is run here instead of by its operator."""
    kind = type(services._instantiate(url))
    async with service() as (here, taken):
        monkeypatch.setattr(kind, "notify_url", here.replace("json://", "http://"))
        message = letter(subject=f"{NAME}: dry", body=f"{NAME}: dry, 12 < 40.\n")
        await asyncio.to_thread(ServiceDelivery(ServicePolicy(), url, message).deliver)
    [request] = taken
    found: dict[str, Any] = json.loads(request)
    return found


async def test_telegram_gets_text_and_no_html(monkeypatch: pytest.MonkeyPatch) -> None:
    request = await sent_to(monkeypatch, "tgram://123456789:abcdefg_hijklmnop/12315544/")
    text = request["text"]
    assert request["parse_mode"] == "HTML"
    assert "&lt;a href=//x.example&gt;Monty&lt;/a&gt;" in text
    assert text.count("<") == 2  # the library's own bold title
    assert text.startswith("<b>&lt;a href")
    assert "12 &lt; 40." in text


async def test_discord_gets_no_links_and_no_mentions(monkeypatch: pytest.MonkeyPatch) -> None:
    request = await sent_to(monkeypatch, "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    content = request["content"]
    assert r"\<a href=//x.example\>Monty" in content
    assert r"\[y\](//x.example)" in content
    assert "@everyone" not in content
    assert r"\*b\*" in content
