"""A notebook with accounts: a web process, a worker, a job, and the commands that a deploy runs.

    python -m notebook CONFIG COMMAND [ARGUMENT]

It runs as files of a release; hence the relative imports. On SQLite it needs nothing but Python 3.10 or newer, on
PostgreSQL a driver in Python. Schema 2 gives every note an author; code of schema 1 on a database of schema 2 answers
every page and fails on the first insert, as real applications do. A note is written to two tables in one transaction
and can be read back from both; where there is a redis, it counts the notes.

Faults: while a file of its name lies in the folder `faults`, a fault is on. `init` and `upgrade` (crash half-way),
`register` (waits), `slow-start` (the file holds seconds), `web` and `worker` (exit at once), `ready` (it answers 500),
`error` (every page answers 500), `hang` (the file holds seconds before each answer).
"""
