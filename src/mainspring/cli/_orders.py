"""Orders that stand, as people are told them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.operate.orders import Order


def print_orders(orders: Iterable[Order]) -> None:
    """Print what stands, a line each, with what lifts it."""
    from mainspring.cli._output import one_line, out

    for order in orders:
        out().print(one_line(order.words), markup=False)
