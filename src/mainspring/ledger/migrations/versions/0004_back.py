"""A transition says whether it was a rollback, which to promote an older version is not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transitions", sa.Column("back", sa.Integer(), nullable=False, server_default="0"))
    # until now whatever returned to the champion before was taken for a rollback
    connection = op.get_bind()
    rows = connection.exec_driver_sql(
        'SELECT id, name, "after" FROM transitions WHERE alias = \'champion\' AND "after" IS NOT NULL ORDER BY id'
    ).all()
    lines: dict[str, list[int]] = {}
    for number, name, after in rows:
        line = lines.setdefault(name, [])
        if len(line) > 1 and line[-2] == after:
            line.pop()
            connection.execute(sa.text("UPDATE transitions SET back = 1 WHERE id = :id"), {"id": number})
        elif not line or line[-1] != after:
            line.append(after)


def downgrade() -> None:
    raise NotImplementedError("A ledger does not go back; put back the copy that was made before the upgrade.")
