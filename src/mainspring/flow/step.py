"""``@step`` marks a function as a step of the pipeline and leaves it what it was: a plain function."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from mainspring.core.errors import PipelineError, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

ExecutorName: TypeAlias = Literal["inline", "processes"]
EXECUTORS: tuple[ExecutorName, ...] = ("inline", "processes")
CONTRACT = "contract"
"""The parameter of this name receives the project's contract."""

_MARK = "__mainspring_step__"
_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_F = TypeVar("_F", bound="Callable[..., Any]")
_collected: ContextVar[list[Step] | None] = ContextVar("mainspring_steps", default=None)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a step is run. None of it is part of what the step computes, except ``cache`` and ``map``.

    ``retries``: so many further attempts after a failure. ``timeout``: seconds an attempt may take (such a step runs
    in a process of its own, which is ended). ``executor``: ``inline``, ``processes``, or None to let the engine
    choose. ``cache`` False: always runs. ``map``: the parameter whose items are handed over one by one.
    ``pickle``: whether a value that has no safe format may be stored as a pickle, which its type then says for ever.
    """

    retries: int = 0
    timeout: float | None = None
    executor: ExecutorName | None = None
    cache: bool = True
    map: str | None = None
    pickle: bool = False


@dataclass(frozen=True, eq=False)
class Step:
    """A named function with its options. Compares by identity."""

    name: str
    function: Callable[..., Any]
    options: Options = field(default_factory=Options)

    @cached_property
    def signature(self) -> inspect.Signature:
        """The parameters as declared, through ``functools.wraps``."""
        return inspect.signature(self.function)

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The declared parameters by name, in order."""
        return self.signature.parameters

    @property
    def where(self) -> str:
        """File name and line of the definition, for messages."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code else self.name


@overload
def step(function: _F, /) -> _F: ...
@overload
def step(
    *,
    name: str | None = None,
    retries: int = 0,
    timeout: float | None = None,
    executor: ExecutorName | None = None,
    cache: bool = True,
    map: str | None = None,
    pickle: bool = False,
) -> Callable[[_F], _F]: ...


def step(function: Any = None, /, **options: Any) -> Any:
    """Mark a function as a step. Bare (``@step``) or with options (``@step(retries=2)``).

    The function is returned unchanged, so a test calls it like any other. Its parameters are filled by name: with the
    output of the step of that name, with the contract (``contract``), or with their default, which
    ``--set name=value`` replaces. See :class:`Options` for what the options mean.

    Raises PipelineError where the options make no sense or the function cannot be a step.

    >>> @step
    ... def doubled(number: int = 2) -> int:
    ...     return number * 2
    >>> doubled(4)
    8
    """
    if function is not None:
        if not callable(function):
            raise PipelineError(f"@step marks functions; it was given {type(function).__name__}.")
        return _marked(function, None, Options())
    unknown = sorted(set(options) - {"name", *Options.__dataclass_fields__})
    if unknown:
        raise PipelineError(
            f"@step has no option {listed(unknown)}. Known: name, {listed(Options.__dataclass_fields__)}."
        )
    name = options.pop("name", None)
    chosen = Options(**options)
    return lambda decorated: _marked(decorated, name, chosen)


def step_of(value: object) -> Step | None:
    """The step that *value* was marked as, or None."""
    found = getattr(value, _MARK, None)
    return found if isinstance(found, Step) else None


@contextmanager
def collecting() -> Iterator[list[Step]]:
    """Gather every step that is marked inside the block, in order; two of one name both appear."""
    steps: list[Step] = []
    token = _collected.set(steps)
    try:
        yield steps
    finally:
        _collected.reset(token)


def _marked(function: Any, name: object, options: Options) -> Any:
    chosen = getattr(function, "__name__", "") if name is None else name
    if not isinstance(chosen, str) or not chosen.isidentifier():
        raise PipelineError(
            f"A step's name must be usable as a parameter name, got {chosen!r}. "
            "Write a function with a name, or @step(name=…)."
        )
    marked = Step(chosen, function, options)
    _check(marked)
    _check_options(f"{marked.where}: step {marked.name}", marked.parameters, vars(options))
    setattr(function, _MARK, marked)
    gathered = _collected.get()
    if gathered is not None:
        gathered.append(marked)
    return function


def _check(marked: Step) -> None:
    function, said = marked.function, f"{marked.where}: step {marked.name}"
    if marked.name == CONTRACT:
        raise PipelineError(f"{said}: that name is the project's contract. Call the step something else.")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PipelineError(f"{said} is async. Write a plain function (call asyncio.run inside it).")
    if inspect.isclass(function):
        raise PipelineError(f"{said} is a class. Mark a function that returns what the class makes.")
    for parameter in marked.parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise PipelineError(
                f"{said} takes {_STARS[parameter.kind]}{parameter.name}, but its inputs are found by parameter name. "
                "Name each one (a decorator under @step must use functools.wraps)."
            )


def _check_options(said: str, parameters: Collection[str], options: Mapping[str, Any]) -> None:
    retries, timeout, executor = options["retries"], options["timeout"], options["executor"]
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise PipelineError(f"{said}: retries must be a whole number from 0, got {retries!r}.")
    if timeout is not None and (not isinstance(timeout, int | float) or timeout <= 0):
        raise PipelineError(f"{said}: timeout must be a number of seconds above 0, got {timeout!r}.")
    if executor is not None and executor not in EXECUTORS:
        raise PipelineError(f"{said}: executor must be {' or '.join(EXECUTORS)}, got {executor!r}.")
    if executor == "inline" and timeout is not None:
        raise PipelineError(f"{said}: a timeout needs a process that can be ended; leave executor='inline' out.")
    for switch in ("cache", "pickle"):
        if not isinstance(options[switch], bool):
            raise PipelineError(f"{said}: {switch} must be True or False, got {options[switch]!r}.")
    if options["map"] is not None and options["map"] not in parameters:
        raise PipelineError(
            f"{said}: map={options['map']!r} is not one of its parameters. Known: {listed(parameters) or 'none'}."
        )
