"""Segments that are gone keep their rows, so what is looked for among the others has indexes of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    there = sa.text("gone IS NULL")
    op.drop_index(op.f("ix_segments_model_kind_last_row"), "segments")
    op.create_index(
        op.f("ix_segments_model_kind_last_row"), "segments", ["model", "kind", "last_row"], sqlite_where=there
    )
    # the rows of an index are in the order of their ids where the rest is equal: those after an id are found at once
    op.create_index(op.f("ix_segments_model"), "segments", ["model"], sqlite_where=there)


def downgrade() -> None:
    raise NotImplementedError("A ledger does not go back; put back the copy that was made before the upgrade.")
