"""The source of the project's modules: what each top-level name is bound to, and what a piece of code refers to."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from functools import cached_property
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mainspring.project.modules import is_own_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.project.modules import Finder

Chain: TypeAlias = tuple[str, ...]
"""A dotted name in parts: ``helpers.clean`` is ``("helpers", "clean")``."""
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_BLOCKS = (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.Match, ast.TryStar)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import statement binds: a module, or a name in a module."""

    module: str
    name: str | None = None


@dataclass
class Module:
    """One module of own code.

    ``bindings`` maps a top-level name to the statements that bind or change it (several where branches differ).
    """

    name: str
    path: Path
    tree: ast.Module
    bindings: dict[str, list[ast.stmt]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Index the top level."""
        for statement in _top_level(self.tree.body):
            for name in _bound(statement):
                self.bindings.setdefault(name, []).append(statement)
            if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
                self.stars.append(self.origin(statement))

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @cached_property
    def functions(self) -> dict[int, list[Function]]:
        """Every function of the module by the line that its code object names (the first decorator's)."""
        found: dict[int, list[Function]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                decorators = getattr(node, "decorator_list", [])
                found.setdefault(min([node.lineno, *(d.lineno for d in decorators)]), []).append(node)
        return found

    def imports(self, name: str) -> list[Imported]:
        """What *name* was imported as, at the top level."""
        found: list[Imported] = []
        for statement in self.bindings.get(name, ()):
            found += [one for bound, one in imported_by(statement, self) if bound == name]
        return found

    def origin(self, statement: ast.ImportFrom) -> str:
        """The absolute name of the module that a ``from`` import reads."""
        if not statement.level:
            return statement.module or ""
        base = self.package.split(".")
        base = base[: len(base) - statement.level + 1]
        return ".".join([*base, *([statement.module] if statement.module else [])])


class Sources:
    """Own modules by name, parsed once: as loaded where they are loaded, else from disk without executing them."""

    def __init__(self, finder: Finder) -> None:
        """Take what *finder* has loaded, and read what else there is through it."""
        self._finder = finder
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """The own module of this name; None where there is none or where it is not own code."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        if name in self._finder.trees:
            return Module(name, *self._finder.trees[name])
        if name.partition(".")[0] in sys.stdlib_module_names:
            return None
        path = _locate(name)
        if path is None or not is_own_code(path):
            return None
        try:
            return Module(name, path, ast.parse(self._finder.read(str(path)), filename=str(path)))
        except (OSError, SyntaxError, ValueError):
            return None


@dataclass
class References:
    """What a piece of code refers to outside itself.

    ``chains``: dotted names looked up in the module's globals. ``imported``: what its own import statements bring in,
    with the attributes then taken. ``texts``: the text constants in it.
    """

    chains: set[Chain] = field(default_factory=set)
    imported: set[tuple[Imported, Chain]] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


def references(node: ast.AST, module: Module) -> References:
    """What *node* refers to, by Python's rules of scope."""
    collector = _Collector(module)
    collector.visit(node)
    return collector.found


def imported_by(statement: ast.AST, module: Module) -> Iterator[tuple[str, Imported]]:
    """The names that an import statement binds, and to what. ``import a.b`` binds ``a``."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if alias.asname:
                yield alias.asname, Imported(alias.name)
            else:
                top = alias.name.partition(".")[0]
                yield top, Imported(top)
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            if alias.name != "*":
                yield alias.asname or alias.name, Imported(module.origin(statement), alias.name)


class _Collector(ast.NodeVisitor):
    """Walks code with a stack of local names; what no scope binds is looked up in the module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.found = References()
        self.scopes: list[dict[str, Imported | None]] = []

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._refer((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            chain.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            self._refer((value.id, *reversed(chain)))
        else:
            self.visit(value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.texts.add(node.value)

    def visit_Import(self, node: ast.Import) -> None:
        if not self.scopes:  # in the body of a class; in a function the names are followed where they are used
            for alias in node.names:
                self.found.imported.add((Imported(alias.name), ()))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for _, imported in imported_by(node, self.module):
            self.found.imported.add((imported, ()))
        if node.names[0].name == "*":
            self.found.imported.add((Imported(self.module.origin(node)), ()))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._function(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body])

    def _function(self, node: Function, body: list[ast.stmt] | list[ast.expr]) -> None:
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        named = [argument for argument in every if argument is not None]
        outside = [*arguments.defaults, *arguments.kw_defaults, *(argument.annotation for argument in named)]
        for part in [*outside, getattr(node, "returns", None)]:
            if part is not None:
                self.visit(part)
        self.scopes.append(_locals(body, self.module) | {argument.arg: None for argument in named})
        for part in body:
            self.visit(part)
        self.scopes.pop()

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        scope: dict[str, Imported | None] = {}
        for generator in node.generators:
            scope |= dict.fromkeys(_targets(generator.target))
        self.scopes.append(scope)
        self.generic_visit(node)
        self.scopes.pop()

    visit_SetComp = visit_ListComp  # noqa: N815
    visit_GeneratorExp = visit_ListComp  # noqa: N815
    visit_DictComp = visit_ListComp  # noqa: N815

    def _refer(self, chain: Chain) -> None:
        for scope in reversed(self.scopes):
            if chain[0] in scope:
                imported = scope[chain[0]]
                if imported is not None:
                    self.found.imported.add((imported, chain[1:]))
                return
        self.found.chains.add(chain)


def _locals(body: list[ast.stmt] | list[ast.expr], module: Module) -> dict[str, Imported | None]:
    """The names that a function's body binds, without those of functions and classes nested in it."""
    found: dict[str, Imported | None] = {}
    outer: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Global):
            outer.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.setdefault(node.id, None)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, None)
            continue
        elif isinstance(node, ast.Lambda):
            continue
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.setdefault(node.name, None)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.setdefault(node.rest, None)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(imported_by(node, module))
        waiting.extend(ast.iter_child_nodes(node))
    return {name: imported for name, imported in found.items() if name not in outer}


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The simple statements, functions and classes of a module, also those inside if, try, with and loops."""
    for statement in body:
        if isinstance(statement, _BLOCKS):
            yield statement
            for name in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(statement, name, []))
            for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
                yield from _top_level(part.body)
        else:
            yield statement


def _bound(statement: ast.stmt) -> set[str]:
    """The names that one statement binds or, for ``CONFIG["a"] = 1`` and ``CONFIG.update(…)``, changes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names if alias.name != "*"}
    if isinstance(statement, ast.Assign):
        return {name for target in statement.targets for name in _targets(target)} | _walrus(statement.value)
    if isinstance(statement, ast.AnnAssign | ast.AugAssign):
        return set(_targets(statement.target))
    if isinstance(statement, ast.For):
        return set(_targets(statement.target))
    if isinstance(statement, ast.With):
        return {name for item in statement.items if item.optional_vars for name in _targets(item.optional_vars)}
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return set(_targets(statement.value.func)) if isinstance(statement.value.func, ast.Attribute) else set()
    if isinstance(statement, ast.If | ast.While):
        return _walrus(statement.test)
    return set()


def _walrus(expression: ast.AST) -> set[str]:
    return {node.target.id for node in ast.walk(expression) if isinstance(node, ast.NamedExpr)}


def _targets(target: ast.AST) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
        yield from _targets(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _targets(element)


def _locate(name: str) -> Path | None:
    """The file of a module, found without executing anything, parents included."""
    loaded = getattr(sys.modules.get(name), "__file__", None)
    if isinstance(loaded, str):
        return Path(loaded)
    where: list[str] | None = None
    prefix = ""
    spec = None
    for part in name.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        if prefix in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(prefix, where)
        if spec is None:
            return None
        where = list(spec.submodule_search_locations or [])
    return Path(spec.origin) if spec and spec.origin else None
