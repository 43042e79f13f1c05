"""``mainspring schema``."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON schema of mainspring.toml, for editors that complete and check TOML."""
    from mainspring.cli._output import emit_json
    from mainspring.contract.schema import schema as contract_schema

    emit_json(contract_schema())
