"""Collects the texts of the pages for translation; `make translations` runs it.

It writes the template `hortus.pot` and adds new texts to each language's catalogue, where they wait, empty, for
a translator. What is in a catalogue stays; a text that changed a little is kept as a suggestion, marked fuzzy.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from hortus.base.language.languages import TRANSLATED
from hortus.domain.definitions.display import QUANTITY_DISPLAYS
from hortus.domain.plausibility.rules import IN_A_SENTENCE, in_a_sentence, meaning_sentence
from hortus.http.pages.schema_forms.kinds import english_words_of
from hortus.protocol.reasons import Reason

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/hortus"
CATALOGUES = SOURCE / "base/language/catalogues"
TEMPLATE = CATALOGUES / "hortus.pot"

_METHODS = [("http/pages/templates/**.html", "jinja2"), ("**.py", "python")]
_OPTIONS = {"http/pages/templates/**.html": {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}}
_KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_noop": None,
    "plural_patterns": (1, 2),
    "pgettext_noop": ((1, "c"), 2),
}
_HEADER = "# Texts of Hortus for translation. Made by `make translations`; do not edit.\n#"


def collected() -> Catalog:
    """Return all texts, each with the files that contain it."""
    catalogue = _catalogue()
    found = extract_from_dir(
        SOURCE, _METHODS, _OPTIONS, keywords=_KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
    )
    for file, _, message, comments, context in sorted(found, key=lambda each: (each[0], each[1])):
        catalogue.add(
            message, locations=[(f"src/hortus/{file}", None)], auto_comments=comments, context=context
        )
    for reason in Reason:
        # The protocol wing imports nothing of ours, so its texts carry no mark.
        catalogue.add(reason.explanation, locations=[("src/hortus/protocol/reasons.py", None)])
    _add_plausibility(catalogue)
    _add_definitions(catalogue)
    return catalogue


def _add_plausibility(catalogue: Catalog) -> None:
    """Add the sentences that are made of the built-in definitions."""
    definitions = json.loads((SOURCE / "domain/definitions/definitions.json").read_text("utf-8"))
    locations = [("src/hortus/domain/plausibility/rules.py", None)]
    for entry in definitions["plausibleLimits"]:
        for each in (*entry["errorValues"], entry["loneErrorValue"]):
            for has_device in (True, False) if each else ():
                catalogue.add(meaning_sentence(each["meaning"], has_device=has_device), locations=locations)
    for quantity in QUANTITY_DISPLAYS:
        catalogue.add(in_a_sentence(quantity), context=IN_A_SENTENCE, locations=locations)


def _add_definitions(catalogue: Catalog) -> None:
    """Add names, descriptions and the words of the schemas of built-in definitions."""
    definitions = json.loads((SOURCE / "domain/definitions/definitions.json").read_text("utf-8"))
    locations = [("src/hortus/domain/definitions/definitions.json", None)]
    for entry in definitions["peripheralDefinitions"]:
        texts = [entry["name"], entry["description"]]
        for schema in (entry["configurationSchema"], entry["commandSchema"]):
            texts += _texts_of_schema(schema)
        for text in texts:
            catalogue.add(text, locations=locations)


def _texts_of_schema(schema: object) -> list[str]:
    if not isinstance(schema, dict):
        return []
    texts = [schema[key] for key in ("title", "description") if key in schema]
    texts += [choice for choice in schema.get("enum", ()) if isinstance(choice, str)]
    texts += _texts_of_schema(schema.get("items"))
    for key, part in schema.get("properties", {}).items():
        texts += [english_words_of(key), *_texts_of_schema(part)]
    return texts


def template_text(catalogue: Catalog) -> str:
    """Return the template as it is stored: without dates, so that it changes only when a text does."""
    written = io.BytesIO()
    write_po(written, catalogue, width=100, sort_output=True, omit_header=True)
    head = f'{_HEADER}\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    return head + written.getvalue().decode()


def update(tag: str, template: Catalog) -> tuple[str, int]:
    """Return a language's catalogue with the texts of the template, and how many lack a translation."""
    file = CATALOGUES / f"{tag}.po"
    with file.open("rb") as source:
        catalogue = read_po(source, locale=tag)
    catalogue.update(template, update_header_comment=False)
    catalogue.obsolete.clear()
    missing = sum(not _is_translated(message.string) or message.fuzzy for message in catalogue if message.id)
    written = io.BytesIO()
    write_po(written, catalogue, width=100, sort_output=True, omit_header=True)
    plural = f"nplurals={catalogue.num_plurals}; plural={catalogue.plural_expr};"
    head = (
        f'msgid ""\nmsgstr ""\n"Language: {tag}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {plural}\\n"\n\n'
    )
    return head + written.getvalue().decode(), missing


def _catalogue() -> Catalog:
    return Catalog(charset="utf-8")


def _is_translated(text: str | tuple[str, ...]) -> bool:
    return all(text) if isinstance(text, tuple) else bool(text)


def main() -> None:
    """Write template and catalogues, and print what is left to translate."""
    template = collected()
    TEMPLATE.write_text(template_text(template), "utf-8")
    left = 0
    for tag in TRANSLATED:
        text, missing = update(tag, template)
        (CATALOGUES / f"{tag}.po").write_text(text, "utf-8")
        print(f"{tag}: {missing} of {len(template)} texts lack a translation")
        left += missing
    sys.exit(0 if left == 0 else "Translate the empty and fuzzy texts in src/hortus/base/language/catalogues.")


if __name__ == "__main__":
    main()
