"""YAML text to nodes that know their line and column. Pure.

Nothing is given a type: `no` and 16:00 stay text, as written. Anchors, aliases and tags are refused, since a
few lines of them can stand for gigabytes or for objects.
"""

from __future__ import annotations

import yaml
from yaml.error import Mark, MarkedYAMLError
from yaml.reader import ReaderError

from hortus.domain.recipes.faults import Fault, UnusableRecipe

MOST_BYTES = 64 * 1024
_MOST_DEPTH = 12
"""A recipe needs 7 levels; the parser's own limit would be the interpreter's stack."""


def compose(content: str | bytes) -> yaml.Node:
    """Return the root node of a YAML document (bytes: UTF-8). Raises UnusableRecipe with one fault."""
    text = _text(content)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except MarkedYAMLError as error:
        raise _refusal(_sentence(error), error.problem_mark or error.context_mark) from error
    except ReaderError as error:
        raise _unprintable(text, error) from error
    except (ValueError, OverflowError) as error:
        # The scanner passes on what `chr` and `int` say to "\UFFFFFFFF" and to a version of 5000 digits.
        raise _refusal("This is not YAML: a number in an escape or a directive is too large.") from error
    if node is None:
        raise _refusal("The file is empty. Write a recipe, beginning with `format: hortus-recipe/1`.")
    return node


class _NotAccepted(MarkedYAMLError):
    """YAML that is valid and not accepted; `problem` is a sentence."""


class _Loader(yaml.BaseLoader):
    """Composes nodes and knows no types, no anchors and no tags."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose the next node, unless it needs what is not accepted."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _NotAccepted(
                problem="Anchors (&) and aliases (*) are not accepted. Write the values out.",
                problem_mark=event.start_mark,
            )
        if getattr(event, "tag", None) is not None:
            raise _NotAccepted(
                problem="Tags (!) are not accepted. Remove this one.", problem_mark=event.start_mark
            )
        if self._depth == _MOST_DEPTH:
            raise _NotAccepted(
                problem="Values are nested too deeply. Remove brackets or indentation.",
                problem_mark=event.start_mark,
            )
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _text(content: str | bytes) -> str:
    size = len(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise _refusal(f"The file is larger than {MOST_BYTES // 1024} KiB. Shorten it, its notes for example.")
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal("The file is not text in UTF-8. Save it with that encoding.") from error


def _sentence(error: MarkedYAMLError) -> str:
    if isinstance(error, _NotAccepted):
        return str(error.problem)
    told = error.problem or error.context or "it cannot be read"
    return f"This is not YAML: {told}. Check indentation, colons, brackets and quotes up to here."


def _unprintable(text: str, error: ReaderError) -> UnusableRecipe:
    lines = text[: error.position].split("\n")
    message = f"The character U+{ord(text[error.position]):04X} is not accepted. Remove it."
    return UnusableRecipe([Fault(path="", line=len(lines), column=len(lines[-1]) + 1, message=message)])


def _refusal(message: str, mark: Mark | None = None) -> UnusableRecipe:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return UnusableRecipe([Fault(path="", line=line, column=column, message=message)])
