"""PostgreSQL: engine, driver-level statements, one model per table, embedded server."""
