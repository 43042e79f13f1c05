"""Source in a form where only what runs counts: no comments, no docstrings, no layout, no quoting style."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.flow.source import Module


def normal_text(node: ast.AST, module: Module, settable: frozenset[str] = frozenset()) -> str:
    """The syntax of *node* as text, the same for any two sources that run the same.

    A ``@step`` decorator says how a step is run, not what it computes, so it is left out. So are the defaults of the
    *settable* parameters of the outermost function, whose values count as parameters.
    """
    written: list[str] = []
    _write(node, module, settable, written.append)
    return "".join(written)


def _write(node: Any, module: Module, settable: frozenset[str], put: Any) -> None:
    if isinstance(node, ast.AST):
        put(type(node).__name__)
        put("(")
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "decorator_list":
                value = [one for one in value if not _is_step(one, module)]  # type: ignore[union-attr]
            elif name in {"kind", "type_comment", "ctx"}:
                continue
            elif name == "args" and settable and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                value = _without_defaults(node.args, settable)
                settable = frozenset()
            _write(value, module, settable, put)
            put(",")
        put(")")
    elif isinstance(node, list):
        put("[")
        for one in node:
            if _says_nothing(one):
                continue
            _write(one, module, frozenset(), put)
            put(",")
        put("]")
    else:
        put(repr(node))


def _says_nothing(statement: object) -> bool:
    """A docstring, or any other constant that stands alone."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _is_step(decorator: ast.expr, module: Module) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        origins = module.imports(called.value.id)
        return called.attr == "step" and any(one.module == "mainspring" and not one.name for one in origins)
    if isinstance(called, ast.Name):
        return any(one.name == "step" and one.module.startswith("mainspring") for one in module.imports(called.id))
    return False


def _without_defaults(arguments: ast.arguments, settable: frozenset[str]) -> ast.arguments:
    """A copy in which the defaults of settable parameters are empty."""
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    kept: dict[str, Any] = {field: getattr(arguments, field) for field in arguments._fields}
    kept["defaults"] = [
        None if argument.arg in settable else default
        for argument, default in zip(with_default, arguments.defaults, strict=True)
    ]
    kept["kw_defaults"] = [
        None if argument.arg in settable else default
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return ast.arguments(**kept)
