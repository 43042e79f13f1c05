"""What every ledger must do, one suite per port.

Rule: subclass a suite and give it a `ledger` fixture; it knows no adapter.
"""

from mainspring.ledger.testing.artifacts import ArtifactsContract
from mainspring.ledger.testing.audit import AuditContract
from mainspring.ledger.testing.datasets import DatasetsContract
from mainspring.ledger.testing.endpoints import EndpointsContract
from mainspring.ledger.testing.incidents import IncidentsContract
from mainspring.ledger.testing.leases import LeasesContract
from mainspring.ledger.testing.models import ModelsContract
from mainspring.ledger.testing.runs import RunsContract
from mainspring.ledger.testing.segments import SegmentsContract
from mainspring.ledger.testing.states import StatesContract
from mainspring.ledger.testing.steps import StepsContract

__all__ = [
    "ArtifactsContract",
    "AuditContract",
    "DatasetsContract",
    "EndpointsContract",
    "IncidentsContract",
    "LeasesContract",
    "ModelsContract",
    "RunsContract",
    "SegmentsContract",
    "StatesContract",
    "StepsContract",
]
