"""The look of every page: one shell, plain-data figures, self-contained HTML. Rule: pure; loads nothing from afar."""
