"""The time of the database's clock, as statements write it and compare with it.

Distributed PostgreSQL accepts no volatile function in a statement that changes rows or reads a
table that all servers have a copy of: it could return another value for each row and each server.
`clock_timestamp()` is volatile, so it stands in neither.
"""

from sqlalchemy import DateTime, func

NOW = func.statement_timestamp(type_=DateTime(timezone=True))
"""When the statement began: one value for all its rows and columns.

It is a time after a lock only if a statement before this one took the lock. A statement that itself
may wait for a lock began before the wait.
"""
