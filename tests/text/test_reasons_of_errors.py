"""Whatever fails, what is written about it names a reason: not every exception has a text of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hortus.app.command_line.database_access import database_errors_in_words
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import OperationalError, describe_error

_SOURCE = Path(__file__).parents[2] / "src" / "hortus"
_LOGS = {"log", "logger", "logging"}
_LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
# Raised by asyncio and the operating system without a text, alone or as one of a tuple of types.
_TEXTLESS = ("OSError", "TimeoutError", "ConnectionError", "Exception", "FAILURES", "httpx.")


def _files() -> list[Path]:
    return sorted(_SOURCE.rglob("*.py"))


def _is_bare(node: ast.expr, names: set[str]) -> bool:
    """Return whether an expression is the text of one of these exceptions, which may be empty."""
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Starred(value=ast.Tuple(elts=parts)) | ast.BoolOp(values=parts):
            return any(_is_bare(part, names) for part in parts)
        case ast.Call(func=ast.Name(id="str"), args=[argument]):
            return _is_bare(argument, names)
        case ast.JoinedStr(values=parts):
            return any(_is_formatted_bare(part, names) for part in parts)
    return False


def _is_formatted_bare(node: ast.AST, names: set[str]) -> bool:
    # Its repr is never empty.
    return isinstance(node, ast.FormattedValue) and node.conversion != ord("r") and _is_bare(node.value, names)


def _log_arguments(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=log), attr=level), args=arguments):
                if log in _LOGS and level in _LEVELS:
                    yield from arguments


def _exceptions_of(function: ast.AST) -> set[str]:
    """Return the parameters that are exceptions, by their annotations."""
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {
        each.arg
        for each in arguments
        if each.annotation is not None
        and ast.unparse(each.annotation).split(" | ")[0].endswith(("Error", "Exception"))
    }


def _logged_bare(tree: ast.AST) -> list[int]:
    lines = []
    for node in ast.walk(tree):
        names = {node.name} if isinstance(node, ast.ExceptHandler) and node.name else _exceptions_of(node)
        lines += [each.lineno for each in _log_arguments(node) if names and _is_bare(each, names)]
    return lines


def _told_bare(tree: ast.AST) -> list[int]:
    """Return where a sentence is made of an exception that may have no text."""
    lines = []
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
            continue
        types = ast.unparse(handler.type)
        if not any(textless in types for textless in _TEXTLESS):
            continue
        lines += [node.lineno for node in ast.walk(handler) if _is_formatted_bare(node, {handler.name})]
    return lines


@pytest.mark.parametrize(
    "source",
    [
        "log.error('failed: %s', error)",
        "log.info('%s %s', *(1, error))",
        "log.info(f'failed: {error}')",
        "log.warning('failed: %s', str(error))",
        "log.info('%s', error or 1)",
    ],
)
def test_the_rule_notices_a_log_line_that_may_have_no_reason(source: str) -> None:
    assert _logged_bare(ast.parse(f"try:\n    work()\nexcept OSError as error:\n    {source}\n")) == [4]


def test_no_log_line_may_be_without_a_reason() -> None:
    found = {
        f"{path.relative_to(_SOURCE)}:{line}"
        for path in _files()
        for line in _logged_bare(ast.parse(path.read_text()))
    }
    assert not found, "log describe_error(error): a TimeoutError, for one, has no text"


def test_no_sentence_for_people_may_be_without_a_reason() -> None:
    found = {
        f"{path.relative_to(_SOURCE)}:{line}"
        for path in _files()
        for line in _told_bare(ast.parse(path.read_text()))
    }
    assert not found, "use describe_error(error): a TimeoutError, for one, has no text"


def test_a_database_that_does_not_answer_is_said_not_to() -> None:
    url = DatabaseUrl.parse("postgresql://someone@127.0.0.1/none")
    words = r"cannot be reached: no answer in time\. Is it running"
    with pytest.raises(OperationalError, match=words), database_errors_in_words(url):
        raise TimeoutError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "no answer in time"),
        (ConnectionResetError(), "ConnectionResetError"),
        (ExceptionGroup("several", [OSError(5, "Input/output error")]), "[Errno 5] Input/output error"),
        (ValueError("one line\nand another"), "one line"),
    ],
)
def test_every_error_has_a_reason_of_one_line(error: BaseException, reason: str) -> None:
    assert describe_error(error) == reason
