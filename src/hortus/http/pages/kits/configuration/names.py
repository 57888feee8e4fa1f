"""Names that people give to configurations and devices. Pure."""

from __future__ import annotations

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_lines, fault_of_name
from hortus.domain.kits.devices import MOST_NAME_CHARACTERS

MOST_DESCRIPTION_CHARACTERS = 1000


def fault_of_configuration_name(text: str) -> str:
    """Return what is wrong with the name of a configuration, or an empty text."""
    if not text:
        return gettext("Enter a name.")
    if len(text) > MOST_DESCRIPTION_CHARACTERS:
        return gettext("Enter at most %(most)s characters.", most=MOST_DESCRIPTION_CHARACTERS)
    fault = fault_of_lines(text)
    return f"{fault}." if fault else ""


def fault_of_device_name(text: str) -> str:
    """Return what is wrong with the name of a device, or an empty text."""
    if not text:
        return gettext("Enter a name.")
    if len(text) > MOST_NAME_CHARACTERS:
        return gettext("Enter at most %(most)s characters.", most=MOST_NAME_CHARACTERS)
    fault = fault_of_name(text)
    return f"{fault}." if fault else ""
