"""Consoles on which texts from outside are only text, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from mainspring.cli._output import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType
    from rich.text import Text


class PlainConsole(Console):
    """Shows control characters in what is printed instead of obeying them: who asks an endpoint could have sent them.

    Colours and the like are Rich's own and not part of the texts. Nor is ``:bomb:`` made a picture of one.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        """Lines are as long as they are: pipes and terminals break them or not as they like."""
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, emoji=False)

    def render_str(self, text: str, **given: Any) -> Text:
        """Before it is measured: what is shown takes its place in a table."""
        return super().render_str(visible(text), **given)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Also of what was no string: Rich's own texts."""
        for each in super().render(renderable, options):
            yield each if each.control else Segment(visible(each.text), each.style)
