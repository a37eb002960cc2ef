"""The history of the database's tables; `monitor.store.database.migrate` runs it."""
