"""The parts of uvicorn that we override or use still exist: an upgrade that renames one fails here.

None of them is a public interface of uvicorn. A method that is no longer called would silently disable its
limits.
"""

from __future__ import annotations

import ast
import inspect
import textwrap

import httptools
import pytest
import uvicorn

from hortus.http.server import server
from hortus.http.server.connections import BoundedHttpProtocol
from hortus.http.server.websockets import LiveWebSocketProtocol

SUBCLASSES = [BoundedHttpProtocol, LiveWebSocketProtocol, server._Server]

# Called by asyncio (`asyncio.Protocol`) and by httptools (the parser's callbacks), not by uvicorn.
CALLED_BY_ASYNCIO = {"connection_made", "connection_lost", "data_received"}
CALLED_BY_HTTPTOOLS = {"on_message_begin", "on_headers_complete", "on_body", "on_message_complete"}


def tree_of(cls: type) -> ast.ClassDef:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    return tree


def methods_of(cls: type) -> dict[str, list[str]]:
    """The methods that a class defines itself, with the names of their arguments."""
    return {
        node.name: [argument.arg for argument in node.args.args]
        for node in tree_of(cls).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def names_on_self(cls: type, context: type[ast.expr_context]) -> set[str]:
    """The attributes that a class reads from `self` (ast.Load), or writes to it (ast.Store)."""
    return {
        node.attr
        for node in ast.walk(tree_of(cls))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, context)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def calls_of(cls: type) -> set[str]:
    """The functions that a class calls, or passes on as callbacks."""
    return names_on_self(cls, ast.Load)


def overridden_in(cls: type) -> set[str]:
    """The public methods of a subclass, except those that are intentionally its own."""
    own = {BoundedHttpProtocol: {"end"}}.get(cls, set())
    return {name for name in methods_of(cls) if not name.startswith("_")} - own


@pytest.mark.parametrize("cls", SUBCLASSES)
def test_every_method_that_we_override_is_one_of_uvicorn_with_the_same_arguments(cls: type) -> None:
    theirs, ours = methods_of(cls.__base__), methods_of(cls)
    for name in overridden_in(cls):
        assert name in theirs, f"uvicorn {uvicorn.__version__} has no {cls.__base__.__name__}.{name} any more"
        assert ours[name] == theirs[name], f"{cls.__base__.__name__}.{name} takes other arguments now"


@pytest.mark.parametrize("cls", SUBCLASSES)
def test_every_method_that_we_override_is_still_called(cls: type) -> None:
    called_by_others = CALLED_BY_ASYNCIO | CALLED_BY_HTTPTOOLS
    for name in overridden_in(cls) - called_by_others:
        if name == "on_response_complete":
            assert "on_response_complete" in calls_of(cls.__base__)  # passed to the cycle, which calls it
        else:
            assert name in calls_of(cls.__base__), (
                f"uvicorn {uvicorn.__version__} does not call {name} any more"
            )


@pytest.mark.parametrize("cls", SUBCLASSES)
def test_nothing_of_ours_has_the_name_of_something_of_uvicorn(cls: type) -> None:
    theirs = methods_of(cls.__base__).keys() | names_on_self(cls.__base__, ast.Store)
    ours = methods_of(cls).keys() | names_on_self(cls, ast.Store)
    # `frames` is emptied both by us and by uvicorn.
    assert (ours & theirs) - overridden_in(cls) - {"frames"} == set()


@pytest.mark.parametrize("cls", SUBCLASSES)
def test_everything_that_we_use_of_uvicorn_is_there(cls: type) -> None:
    ours = methods_of(cls).keys() | names_on_self(cls, ast.Store)
    theirs = methods_of(cls.__base__).keys() | names_on_self(cls.__base__, ast.Store)
    missing = names_on_self(cls, ast.Load) - ours - theirs
    assert missing == set(), f"uvicorn {uvicorn.__version__} has no {missing} any more"


def test_the_parser_still_calls_what_we_count_with() -> None:
    called: set[str] = set()

    class Listener:
        def __getattr__(self, name: str) -> object:
            return lambda *_: called.add(name)

    parser = httptools.HttpRequestParser(Listener())
    parser.feed_data(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")
    assert called >= CALLED_BY_HTTPTOOLS, f"httptools {httptools.__version__} calls {called}"
