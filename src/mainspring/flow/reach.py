"""Everything of the project's code that a step reaches: functions, classes, constants, and the libraries they use.

The rule: start at the step's own code, look up every name it uses as Python would, and go on from what is found,
through the project's modules, closures and attribute access on modules. Own functions and classes count by their
source without comments, docstrings and layout; constants by their value, or by their source where the value is more
than plain data; installed libraries by their version. A module that is handed around as a value counts whole.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.core.digest import digest_bytes, digest_text
from mainspring.flow.libraries import OURS, our_libraries
from mainspring.flow.normal import normal_text
from mainspring.flow.plain import NotPlain, canonical, texts_in
from mainspring.flow.source import Imported, References, references
from mainspring.project.installed import installed, normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mainspring.flow.source import Chain, Function, Module, Sources

SHOWN_CONSTANT = 200
"""A constant is kept as it is written up to this length, else as its digest."""


@dataclass
class Code:
    """What a step's code consists of.

    ``parts``: name to digest, version or value, for instance ``function helpers.scale``, ``constant helpers.RATE``,
    ``library polars``. ``texts``: every text constant in it, any of which may name a file.
    """

    parts: dict[str, str] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)


def code_of(function: Callable[..., Any], sources: Sources, *, settable: Iterable[str] = ()) -> Code:
    """What *function*, a step, reaches. The defaults of its *settable* parameters are left out: they are parameters."""
    walk = _Walk(sources)
    walk.step(function, frozenset(settable))
    return walk.code


def value_parts(name: str, value: Any, sources: Sources) -> Code:
    """What a value that is not plain data stands for (a function or an object given as a parameter)."""
    walk = _Walk(sources)
    walk.value(name, value)
    return walk.code


class _Walk:
    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.code = Code()
        self._seen: set[object] = set()
        self._kept: dict[int, Any] = {}  # visited values by identity, held so that no identity is used again

    # -- functions -------------------------------------------------------------------------------------------------

    def step(self, function: Callable[..., Any], settable: frozenset[str]) -> None:
        plain = inspect.unwrap(function)
        found = self._node(plain)
        if found is None:
            self._without_source("source", plain)
            return
        module, nodes = found
        if any(node in nodes for node in module.bindings.get(plain.__name__, ())):
            self._seen.add((module.name, plain.__name__))
        self._closure(plain)
        self._add("source", _digest(nodes, module, settable))
        for node in nodes:
            self._follow(references(node, module), module)

    def function(self, function: types.FunctionType) -> None:
        plain = inspect.unwrap(function)
        found = self._node(plain)
        if found is None:
            self._without_source(f"function {_label(plain)}", plain)
            return
        module, nodes = found
        key = (module.name, plain.__qualname__, plain.__code__.co_firstlineno)
        if key not in self._seen:
            self._seen.add(key)
            self._closure(plain)
            self._add(f"function {_label(plain)}", _digest(nodes, module))
            for node in nodes:
                self._follow(references(node, module), module)

    def _node(self, function: Any) -> tuple[Module, list[Function]] | None:
        code = getattr(function, "__code__", None)
        module = self.sources.module(getattr(function, "__module__", None) or "")
        if code is None or module is None:
            return None
        nodes = module.functions.get(code.co_firstlineno, [])
        named = [node for node in nodes if getattr(node, "name", "<lambda>") == code.co_name]
        return (module, named) if named else None

    def _without_source(self, part: str, function: Any) -> None:
        """A function of a library, or one typed at a prompt, whose compiled code has to do."""
        top = (getattr(function, "__module__", None) or "").partition(".")[0]
        code = getattr(function, "__code__", None)
        if top and top != "__main__" and self._library(getattr(function, "__module__", top)):
            self._add(part, _label(function))
        elif isinstance(code, types.CodeType):
            self._add(part, digest_bytes(repr(_compiled(code)).encode()))
        else:
            self._add(part, _label(function))

    def _closure(self, function: Any) -> None:
        names = getattr(getattr(function, "__code__", None), "co_freevars", ())
        for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
            try:
                content = cell.cell_contents
            except ValueError:  # not bound yet: a name that is assigned after the function was made
                continue
            self.value(f"variable {name} of {function.__qualname__.rpartition('.<locals>')[0]}", content)

    # -- values ----------------------------------------------------------------------------------------------------

    def value(self, part: str, value: Any) -> None:
        if id(value) in self._kept:
            return
        try:
            self._add(part, _shown(canonical(value)))
        except NotPlain:
            self._kept[id(value)] = value
            self._object(part, value)
        else:
            self.code.texts.update(texts_in(value))

    def _object(self, part: str, value: Any) -> None:
        if isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, types.ModuleType):
            self._import(Imported(value.__name__), ())
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, functools.partial):
            self.value(f"{part}.func", value.func)
            self.value(f"{part}.args", value.args)
            self.value(f"{part}.keywords", value.keywords)
        elif isinstance(value, types.MethodType):
            self._object(part, value.__func__)
            self.value(f"{part}.self", value.__self__)
        elif isinstance(value, list | tuple | set | frozenset):
            for index, item in enumerate(value):
                self.value(f"{part}[{index}]", item)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.value(f"{part}[{key!r}]", item)
        else:
            self._class(type(value))
            self._state(part, value)

    def _class(self, kind: type) -> None:
        module = self.sources.module(kind.__module__)
        if module is None:
            self._library(kind.__module__)
        else:
            self._binding(module, kind.__qualname__.partition(".")[0])

    def _state(self, part: str, value: Any) -> None:
        """The plain attributes of an object of own making; what else it holds has no text that would stay the same."""
        if self.sources.module(type(value).__module__) is None:
            return
        slots = {name: getattr(value, name, None) for name in getattr(type(value), "__slots__", ())}
        state: dict[str, Any] = slots | getattr(value, "__dict__", {})
        for name in sorted(state):
            try:
                self._add(f"{part}.{name}", _shown(canonical(state[name])))
            except NotPlain:
                continue

    # -- names -----------------------------------------------------------------------------------------------------

    def _follow(self, found: References, module: Module) -> None:
        self.code.texts |= found.texts
        for chain in sorted(found.chains):
            self._name(module, chain)
        for imported, rest in sorted(found.imported, key=repr):
            self._import(imported, rest)

    def _name(self, module: Module, chain: Chain) -> None:
        if (module.name, "", chain) in self._seen:
            return
        self._seen.add((module.name, "", chain))
        name = chain[0]
        if name in module.bindings:
            imports = module.imports(name)
            for imported in imports:
                self._import(imported, chain[1:])
            if len(imports) < len(module.bindings[name]):
                self._binding(module, name)
            return
        for star in module.stars:
            other = self.sources.module(star)
            if other is None:
                self._library(star)
            elif name in other.bindings or other.stars:
                self._name(other, chain)
        if "__getattr__" in module.bindings:
            self._binding(module, "__getattr__")
        live = getattr(sys.modules.get(module.name), "__dict__", {})
        if name in live and not module.stars:  # put there by code: globals()[name], global, exec
            self.value(f"constant {module.name}.{name}", live[name])

    def _import(self, imported: Imported, rest: Chain) -> None:
        chain = (imported.name, *rest) if imported.name else rest
        module = self.sources.module(imported.module)
        if module is None:
            self._outside(imported.module, chain)
            return
        if not chain:
            self._whole(module)
            return
        itself = [Imported(module.name, chain[0])]  # ``from . import inner`` in a package: the module below it
        if module.imports(chain[0]) != itself and chain[0] in module.bindings:
            self._name(module, chain)
        elif self.sources.module(f"{module.name}.{chain[0]}") is not None:
            self._import(Imported(f"{module.name}.{chain[0]}"), chain[1:])
        else:
            self._name(module, chain)

    def _outside(self, name: str, chain: Chain) -> None:
        """A module that is not own code; a namespace package of own modules has no file and is one of these too."""
        top = name.partition(".")[0]
        if top == OURS:
            if "step" not in chain[:1]:  # @step only marks
                self._library(".".join([name, *chain[:1]]))
            return
        if top not in sys.stdlib_module_names and installed().provider(top) is None:
            for depth in range(len(chain), 0, -1):
                inner = ".".join([name, *chain[:depth]])
                if self.sources.module(inner) is not None:
                    self._import(Imported(inner), chain[depth:])
                    return
        self._library(name)

    def _binding(self, module: Module, name: str) -> None:
        if (module.name, name) in self._seen:
            return
        self._seen.add((module.name, name))
        statements = module.bindings.get(name, [])
        definitions = [s for s in statements if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        if definitions:
            kind = "class" if isinstance(definitions[0], ast.ClassDef) else "function"
            self._add(f"{kind} {module.name}.{name}", _digest(statements, module))
        elif statements and self._constant(module, name, statements):
            return
        for statement in statements:
            self._follow(references(statement, module), module)

    def _constant(self, module: Module, name: str, statements: list[ast.stmt]) -> bool:
        """Add a constant by its value and say True; by its source, and say False, where the value is not plain."""
        part = f"constant {module.name}.{name}"
        live = getattr(sys.modules.get(module.name), "__dict__", {})
        try:
            text = canonical(live[name])
        except (KeyError, NotPlain):
            self._add(part, _digest(statements, module))
            if name in live:
                self._state(part, live[name])
            return False
        self._add(part, _shown(text))
        self.code.texts.update(texts_in(live[name]))
        return True

    def _whole(self, module: Module) -> None:
        if (module.name,) in self._seen:
            return
        self._seen.add((module.name,))
        self._add(f"module {module.name}", _digest(module.tree.body, module))
        for statement in module.tree.body:
            self._follow(references(statement, module), module)

    # -- libraries -------------------------------------------------------------------------------------------------

    def _library(self, module: str) -> bool:
        """Add the distribution that *module* comes from; say whether there is one."""
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top in sys.builtin_module_names:
            return False
        if top == OURS:
            for library, version in our_libraries(module):
                self._add(f"library {library}", version)
            return True
        provider = installed().provider(top)
        if provider is not None:
            self._add(f"library {normalised(provider.name)}", provider.version)
        elif top:
            self._add(f"library {top}", str(getattr(sys.modules.get(top), "__version__", "unknown version")))
        return True

    def _add(self, part: str, content: str) -> None:
        self.code.parts[part] = content


def _label(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CONSTANT else digest_text(text)


def _compiled(code: types.CodeType) -> tuple[Any, ...]:
    constants = tuple(_compiled(one) if isinstance(one, types.CodeType) else one for one in code.co_consts[1:])
    return (code.co_code, code.co_names, code.co_varnames, constants)


def _digest(nodes: Iterable[ast.AST], module: Module, settable: frozenset[str] = frozenset()) -> str:
    return digest_text("\n".join(normal_text(node, module, settable) for node in nodes))
