"""What the monitor remembers: one SQLite database per fleet, its tables, its migrations."""
