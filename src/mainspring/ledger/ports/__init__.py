"""What the ledger can do, one Protocol per noun.

Rule: a method here is an operation; adapters follow, nothing goes around.
"""

from mainspring.ledger.ports.artifacts import Artifact, Artifacts, Edge, Lineage
from mainspring.ledger.ports.audit import Audit, AuditEntry, Tampering
from mainspring.ledger.ports.datasets import Datasets, DatasetVersion
from mainspring.ledger.ports.endpoints import Endpoints, Live, Traffic
from mainspring.ledger.ports.incidents import Incident, IncidentEvent, Incidents, Severity, Suspect
from mainspring.ledger.ports.leases import Lease, Leases
from mainspring.ledger.ports.models import Models, ModelVersion, Transition
from mainspring.ledger.ports.runs import (
    History,
    MetricFilter,
    Point,
    Provenance,
    Run,
    RunPage,
    RunQuery,
    Runs,
    RunStatus,
)
from mainspring.ledger.ports.segments import Segment, SegmentKind, Segments
from mainspring.ledger.ports.states import State, States
from mainspring.ledger.ports.steps import Output, StepRecord, Steps, StepStatus

__all__ = [
    "Artifact",
    "Artifacts",
    "Audit",
    "AuditEntry",
    "DatasetVersion",
    "Datasets",
    "Edge",
    "Endpoints",
    "History",
    "Incident",
    "IncidentEvent",
    "Incidents",
    "Lease",
    "Leases",
    "Lineage",
    "Live",
    "MetricFilter",
    "ModelVersion",
    "Models",
    "Output",
    "Point",
    "Provenance",
    "Run",
    "RunPage",
    "RunQuery",
    "RunStatus",
    "Runs",
    "Segment",
    "SegmentKind",
    "Segments",
    "Severity",
    "State",
    "States",
    "StepRecord",
    "StepStatus",
    "Steps",
    "Suspect",
    "Tampering",
    "Traffic",
    "Transition",
]
