"""Facts: one port per noun, SQL adapters, migrations.

Rule: only adapters speak SQL; a call returns when its facts are durable.
"""

from mainspring.ledger.ledger import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
