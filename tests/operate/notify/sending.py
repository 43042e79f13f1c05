"""Run by a test in a process of its own: one round of telling people. Arguments: the workspace, the contract."""

from __future__ import annotations

import sys
from pathlib import Path

from mainspring.contract import Contract
from mainspring.operate.notify import tick
from mainspring.workspace import Workspace

if __name__ == "__main__":
    with Workspace.open(Path(sys.argv[1]), actor="loop", create=False) as workspace:
        tick(workspace, Contract.load(Path(sys.argv[2])), "shop")
