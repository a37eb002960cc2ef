"""A customer's data on a host over SSH: into a backup and back, and what the host remembers of an upgrade."""
