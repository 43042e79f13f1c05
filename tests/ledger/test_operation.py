"""Every operation says what it needs, and no adapter goes around its port."""

from __future__ import annotations

import inspect
import typing

import pytest

from mainspring.ledger import open_ledger, ports
from mainspring.ledger.operation import Permission, operation, operations

PORTS = {
    "runs": ports.Runs,
    "artifacts": ports.Artifacts,
    "steps": ports.Steps,
    "datasets": ports.Datasets,
    "models": ports.Models,
    "incidents": ports.Incidents,
    "audit": ports.Audit,
    "segments": ports.Segments,
    "endpoints": ports.Endpoints,
    "leases": ports.Leases,
    "states": ports.States,
}


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_every_method_is_marked_and_there_are_not_too_many(port: type) -> None:
    declared = operations(port)
    assert 1 <= len(declared) <= 12
    reading = {each.name for each in declared if each.needs is Permission.READ}
    assert reading.isdisjoint(
        {"create", "record", "log", "open", "close", "delete", "append", "set_alias", "set", "put"}
    )


@pytest.mark.parametrize(("name", "port"), PORTS.items(), ids=PORTS)
def test_adapters_have_the_ports_methods_and_no_others(name: str, port: type) -> None:
    with open_ledger("sqlite://") as ledger:
        adapter = type(getattr(ledger, name))
    wanted = {each.name for each in operations(port)}
    assert {method for method in vars(adapter) if not method.startswith("_")} == wanted
    for method in wanted:
        assert inspect.signature(getattr(adapter, method)) == inspect.signature(getattr(port, method)), method


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_arguments_and_replies_have_types_that_can_be_read(port: type) -> None:
    """An HTTP layer derives its routes from them."""
    for each in operations(port):
        hints = typing.get_type_hints(getattr(port, each.name))
        parameters = set(inspect.signature(getattr(port, each.name)).parameters) - {"self"}
        assert parameters | {"return"} == set(hints)


def test_a_method_without_the_mark_is_an_error() -> None:
    class Port(typing.Protocol):
        @operation(needs=Permission.READ)
        def get(self) -> int: ...

        def forgotten(self) -> int: ...

    with pytest.raises(
        TypeError, match=r"Port\.forgotten does not say which permission it needs; mark it with @operation"
    ):
        operations(Port)
