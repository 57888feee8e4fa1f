"""Commands in sentences for administrators."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_COMMAND = re.compile(r"`([^`]+)`")


def with_commands(text: str) -> Markup:
    """Return a sentence as HTML, with what stands between backticks as code."""
    return Markup(_COMMAND.sub(r'<code dir="ltr">\1</code>', str(escape(text))))  # noqa: S704  (escaped)
