"""Scripts and style sheets of several files to write, of which a page loads one.

Each module becomes a function that returns what it exports, in the order in which they need each other, so
their names stay apart. Only the few forms of `import` and `export` that our modules use are known. Any other is
an error when the server starts, and in every test.
"""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

_FOR_EVER = "public, max-age=31536000, immutable"

_IMPORT = re.compile(r'^import \{([^}]+)\} from "\./(\w+)\.js";$', re.MULTILINE)
_DECLARED = re.compile(r"^export ((?:async )?(?:function|const|class)) (\w+)", re.MULTILINE)
_LISTED = re.compile(r"^export \{([^}]+)\};$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b|\bimport\(", re.MULTILINE)


class JoinedFile:
    """A file that is made of others when the server starts."""

    def __init__(self, content: str, media_type: str) -> None:
        self.content = content
        self._media_type = media_type

    async def show(self, request: Request) -> Response:
        """Answer with all of it. Its address changes with the content, so that browsers may keep it."""
        headers = {"Cache-Control": _FOR_EVER} if "v" in request.query_params else {}
        return Response(self.content, media_type=self._media_type, headers=headers)


def joined_modules(folder: Traversable, main: str) -> str:
    """Return the module of this name with all that it needs as one. Raises ValueError for an unknown form."""
    made: dict[str, str] = {}
    _add(folder, main, made)
    # For tests, which look into them.
    return "\n".join(
        [*made.values(), f"export const modules = {{ {', '.join(f'{name}: ${name}' for name in made)} }};\n"]
    )


def _add(folder: Traversable, name: str, made: dict[str, str]) -> None:
    source = (folder / f"{name}.js").read_text("utf-8")
    for needed in _IMPORT.finditer(source):
        if needed[2] not in made:
            _add(folder, needed[2], made)
    source = _IMPORT.sub(lambda found: f"const {{{found[1].replace(' as ', ': ')}}} = ${found[2]};", source)
    exported = [found[2] for found in _DECLARED.finditer(source)]
    exported += [each.strip() for found in _LISTED.finditer(source) for each in found[1].split(",")]
    source = _COMMENT.sub("", _LISTED.sub("", _DECLARED.sub(r"\1 \2", source)))
    if found := _LEFT.search(source):
        raise ValueError(f"{name}.js has a form of import or export that is not known: {found[0]}")
    made[name] = f"const ${name} = (() => {{\n{source.strip()}\nreturn {{ {', '.join(exported)} }};\n}})();"
