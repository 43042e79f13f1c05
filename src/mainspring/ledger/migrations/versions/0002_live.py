"""What a model in production needs: the log's segments, traffic rules, leases, states; how grave incidents are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _segments()
    _traffic()
    _leases()
    _states()
    _incidents()


def downgrade() -> None:
    raise NotImplementedError("A ledger does not go back; put back the copy that was made before the upgrade.")


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("first_row", sa.Integer(), nullable=False),
        sa.Column("last_row", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("model", "kind", "source", "sequence", name=op.f("uq_segments_model_kind_source_sequence")),
    )
    op.create_index(op.f("ix_segments_digest"), "segments", ["digest"], unique=False)
    op.create_index(op.f("ix_segments_model_kind_last_row"), "segments", ["model", "kind", "last_row"], unique=False)


def _traffic() -> None:
    op.create_table(
        "traffic",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("shadow", sa.Text(), nullable=False),
        sa.Column("canary", sa.Integer(), nullable=True),
        sa.Column("percent", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("time", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_traffic")),
        sa.UniqueConstraint("model", "revision", name=op.f("uq_traffic_model_revision")),
    )
    # the rows of an index are in the order of their ids where the rest is equal: the newest is found at once
    op.create_index(op.f("ix_transitions_name_alias"), "transitions", ["name", "alias"], unique=False)


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("expires", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("span", sa.Integer(), nullable=False),
        sa.Column("beat", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )


def _states() -> None:
    op.create_table(
        "states",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_states")),
        sa.UniqueConstraint("kind", "key", name=op.f("uq_states_kind_key")),
        sqlite_autoincrement=True,
    )


def _incidents() -> None:
    op.add_column("incidents", sa.Column("severity", sa.Text(), nullable=False, server_default="warning"))
    op.add_column("incidents", sa.Column("acknowledged", sa.Integer(), nullable=True))
    op.add_column("incidents", sa.Column("muted_until", sa.Integer(), nullable=True))
    op.execute("UPDATE incidents SET severity = 'info' WHERE kind = 'drift'")
    op.execute("UPDATE incidents SET severity = 'critical' WHERE kind = 'service'")
