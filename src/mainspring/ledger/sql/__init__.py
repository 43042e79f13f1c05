"""The ports over SQL: SQLite in a file or in memory. Rule: SQL stays here; hot statements go straight to the driver."""
