"""The form of one device: its name, and the settings that its definition's schema describes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hortus.base.language.translation import gettext
from hortus.domain.kits.devices import MOST_NAME_CHARACTERS, Definition, setting_at_fault
from hortus.http.pages.kits.configuration.names import fault_of_device_name
from hortus.http.pages.kits.configuration.words import definition_name
from hortus.http.pages.schema_forms.fields import FormField
from hortus.http.pages.schema_forms.form import SchemaForm
from hortus.http.pages.schema_forms.texts import Texts

SETTINGS = "settings"


@dataclass(slots=True)
class DeviceForm:
    """What is in the form, and after `read` the settings or what is wrong."""

    definition: Definition
    name: str
    texts: Texts
    faults: dict[str, str] = field(default_factory=dict)
    settings: Any = None

    @classmethod
    def blank(cls, definition: Definition) -> DeviceForm:
        """Return the form of a new device with the defaults of its definition."""
        form = SchemaForm(definition.configuration_schema, SETTINGS)
        name = definition_name(definition.name)[:MOST_NAME_CHARACTERS].strip()
        return cls(definition=definition, name=name, texts=form.blank())

    @classmethod
    def filled(cls, definition: Definition, name: str, settings: Any) -> DeviceForm:
        """Return the form of a device as it is."""
        form = SchemaForm(definition.configuration_schema, SETTINGS)
        return cls(definition=definition, name=name, texts=form.filled(settings))

    @classmethod
    def posted(cls, definition: Definition, texts: Mapping[str, str]) -> DeviceForm:
        """Return the form as it was sent."""
        return cls(definition=definition, name=texts.get("name", "").strip(), texts=dict(texts))

    @property
    def fields(self) -> FormField:
        """The settings as the template draws them."""
        return self._schema_form.field(self.texts, self.faults, gettext("Settings"))

    @property
    def errors(self) -> list[dict[str, str]]:
        """The faults for `component.errors`."""
        return [{"field": name, "message": message} for name, message in self.faults.items()]

    def changed_rows(self) -> bool:
        """Add or remove a row if that was the button, and return whether it was."""
        texts = self._schema_form.with_rows_changed(self.texts, self.texts.get("action", ""))
        if texts is None:
            return False
        self.texts = texts
        return True

    def read(self, before: Any = None) -> None:
        """Read name and settings; `before` has parts that no field shows."""
        fault = fault_of_device_name(self.name)
        if fault:
            self.faults["name"] = fault
        entered = self._schema_form.read(
            self.texts, lambda value: setting_at_fault(self.definition, value), before=before
        )
        self.settings = entered.value
        self.faults |= entered.faults

    @property
    def _schema_form(self) -> SchemaForm:
        return SchemaForm(self.definition.configuration_schema, SETTINGS)
